"""The built dashboards as they ship: in a checkout, and in an installed package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twin.errors import ConfigError
from twin.grafana.pages import PAGES, TAG

__all__ = ["is_ours", "load_all"]

_INSTALLED = Path(__file__).parent / "built"
"""Where a wheel has them (``force-include`` in pyproject.toml)."""
_CHECKOUT = Path(__file__).parents[2] / "dashboards"


def load_all(folder: Path | None = None) -> list[dict[str, Any]]:
    """Return every dashboard as Grafana's classic JSON, in the order of the pages.

    Args:
        folder: where the files are; None for those that ship.

    Raises:
        ConfigError: a file is missing or is not JSON.
    """
    where = folder or (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT)
    return [_read(where / page.file) for page in PAGES]


def is_ours(path: Path) -> bool:
    """Return whether a file is a dashboard of the twin."""
    try:
        return TAG in json.loads(path.read_text(encoding="utf-8")).get("tags", ())
    except (AttributeError, ValueError):
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"dashboard {path} cannot be read ({error}); make it with `twin dashboards build`"
        ) from None
    return dashboard
