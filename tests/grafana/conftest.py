"""What the tests of the dashboards share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twin.grafana.build import build_all


@pytest.fixture(scope="session")
def built() -> dict[str, Any]:
    """Return every dashboard as Grafana reads it, by file name."""
    return {name: json.loads(text) for name, text in build_all().items()}
