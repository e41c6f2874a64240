"""Panels of a built dashboard: their queries, units and overrides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from twin.grafana.pages import PAGES

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def panels_of(dashboard: Any, *kinds: str) -> list[Any]:
    """Return the panels of these kinds; of all kinds without any."""
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    return [panel for panel in panels if not kinds or panel["type"] in kinds]


def overrides(panel: Any, reference: str) -> Iterator[tuple[str, Any]]:
    """Yield the settings of the series that one query of a panel gives."""
    for override in panel["fieldConfig"].get("overrides", ()):
        if override["matcher"] == {"id": "byFrameRefID", "options": reference}:
            yield from ((one["id"], one["value"]) for one in override["properties"])


def unit_of(panel: Any, reference: str) -> str:
    """Return the unit in which a query is shown."""
    return str(
        dict(overrides(panel, reference)).get("unit", panel["fieldConfig"]["defaults"]["unit"])
    )


def named(query: str) -> set[str]:
    """Return all words of a query that may be metrics."""
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", query))
