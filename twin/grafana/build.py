"""Builds all dashboards into JSON, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from twin.grafana.site import site_overview

__all__ = ["DASHBOARDS", "build_all"]

DASHBOARDS: Mapping[str, Callable[[], Dashboard]] = MappingProxyType({"site.json": site_overview})
"""File name to the function that makes the dashboard."""


def build_all() -> dict[str, str]:
    """Return the JSON text of every dashboard, by file name."""
    return {name: _text(make()) for name, make in DASHBOARDS.items()}


def _text(dashboard: Dashboard) -> str:
    return (
        json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )
