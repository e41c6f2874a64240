"""Panels of device classes from outside the package."""

from __future__ import annotations

from pathlib import Path

from twin.extension import load_extension
from twin.grafana.assemble import assemble
from twin.grafana.dashboards import rack
from twin.grafana.pages import RACK

EXAMPLE = Path(__file__).parents[2] / "examples/device_class.py"


def test_the_dashboard_of_a_rack_has_a_row_of_a_class_from_outside() -> None:
    """Its chart asks for its metric, and stands under its title."""
    with load_extension(EXAMPLE).installed():
        panels = assemble(RACK, rack.rows()).panels or []
    queries = [str(query.expr) for panel in panels for query in getattr(panel, "targets", []) or []]
    assert 'rear_door_air_temperature_celsius{site="$site", rack="$rack"}' in queries
    assert "Rear-door fan" in [panel.title for panel in panels]
