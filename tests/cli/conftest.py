"""The command line sets up logging for its process; a test must give it back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_is_given_back() -> Iterator[None]:
    """Undo what ``configure_logs`` did to structlog and to the root logger."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
