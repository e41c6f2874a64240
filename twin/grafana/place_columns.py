"""Columns of tables that name a place and lead to its dashboard."""

from __future__ import annotations

from twin.grafana.dashboard_links import drill_down
from twin.grafana.pages import ARRAY, RACK
from twin.grafana.panel_parts import TableColumn

__all__ = ["array_column", "rack_column"]


def array_column(width: int | None = None) -> TableColumn:
    """Return the column of the array, which opens it."""
    return TableColumn("array", "Array", width=width, link=drill_down(ARRAY, array="row.Array"))


def rack_column(width: int) -> TableColumn:
    """Return the column of the rack, which opens it in the array of the same row."""
    link = drill_down(RACK, rack="row.Rack", array="row.Array")
    return TableColumn("rack", "Rack", width=width, link=link)
