"""Alerts on the fans of air-cooled servers, and on the air that goes through them."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Severity
from twin.catalog import FAN, SERVER
from twin.catalog.selectors import PLACE, of

__all__ = ["AIR_ALERTS"]

_NAMED = 'name="Inlet Temp"'
_SERVER = "{{ $labels.instance }} in rack {{ $labels.rack }}"
_INLET = f"avg_over_time({of(SERVER, 'inlet_temperature', _NAMED)}[5m])"

AIR_ALERTS = (
    Alert(
        name="FanFailed",
        severity=Severity.WARNING,
        why="2 is critical: a fan turns too slowly for what it is told, or not at all.",
        expr=f"{of(FAN, 'state')} >= 2",
        hold=5,
        summary=f"{{{{ $labels.name }}}} of {_SERVER} has failed",
        meaning="The controller drives the server's other fans to full speed, which cools its GPUs "
        "well but takes up to twice the power. If more fans fail, the GPUs overheat: the second "
        "in each stream of air first.",
        steps=(
            "Replace the fan; it is hot-swappable.",
            "All fans of the server: stop its job and check the fan board.",
        ),
    ),
    Alert(
        name="ServerFansFast",
        severity=Severity.WARNING,
        why="Fans follow the load with some delay, so the mean of five minutes counts. With a "
        "failed fan the others turn fast anyway; that is told apart by the slowest one.",
        expr=f"""
        min by ({PLACE}, instance) (avg_over_time({of(FAN, "speed_ratio")}[5m])) > {limit.FANS_FAST}
        """,
        hold=60,
        summary=f"All fans of {_SERVER} turn at {{{{ $value | humanizePercentage }}}}",
        meaning="The server gets too little air for its load or too warm air: a blocked filter, "
        "cables before the fans, a missing blanking panel, or a warm room. There is hardly any "
        "reserve left; if it gets hotter the GPUs throttle.",
        steps=(
            "Compare its inlet temperature with its neighbours': warmer means hot air comes back.",
            "Inlet as cool as theirs: look for what blocks the air, clean the filter.",
        ),
    ),
    Alert(
        name="RackInletWarm",
        severity=Severity.WARNING,
        why="Hot air is cooler while a job waits, so the mean of five minutes counts.",
        expr=f"""
        avg by ({PLACE}) ({_INLET})
          - on (site) group_left ()
        quantile by (site) (0.5, {_INLET})
          > {limit.INLET_ABOVE_OTHERS}
        """,
        hold=60,
        summary='Air into the servers of rack {{ $labels.rack }} is {{ $value | printf "%.1f" }} K '
        "above the other racks'",
        meaning="Hot air comes round to the rack's inlets, or the cold aisle gets too little air "
        "there. Its fans turn faster and its GPUs are hotter by nearly as much.",
        steps=(
            "Look for missing blanking panels and open doors of the containment.",
            "Check the floor tiles or air handlers of that row.",
        ),
    ),
)
