"""Alerts on the fans of air-cooled servers, and on their airflow."""

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
        why="2 is critical: the fan runs well below its commanded speed, or not at all.",
        expr=f"{of(FAN, 'state')} >= 2",
        hold=5,
        summary=f"{{{{ $labels.name }}}} of {_SERVER} has failed",
        meaning="The BMC runs the server's other fans at full speed, which keeps its GPUs cool but "
        "takes up to twice the fan power. If more fans fail the GPUs overheat, starting with the "
        "downstream GPU of each airflow path.",
        steps=(
            "Replace the fan; it is hot-swappable.",
            "If all fans of the server have failed, stop its job and check the fan board.",
        ),
    ),
    Alert(
        name="ServerFansFast",
        severity=Severity.WARNING,
        why="Fans follow the load with some delay, so a five-minute average is used. When one fan "
        "fails the others run fast anyway; taking the slowest fan excludes that case.",
        expr=f"""
        min by ({PLACE}, instance) (avg_over_time({of(FAN, "speed_ratio")}[5m])) > {limit.FANS_FAST}
        """,
        hold=120,
        summary=f"All fans of {_SERVER} run at {{{{ $value | humanizePercentage }}}} or more",
        meaning="The server gets too little air for its load, or air that is too warm: a clogged "
        "filter, cables in the airflow, a missing blanking panel, or a warm room. Little cooling "
        "headroom is left; if it gets hotter the GPUs throttle.",
        steps=(
            "Compare its inlet temperature with its neighbours': warmer means recirculation.",
            "If the inlet is as cool as theirs, clean the filter and clear the airflow.",
        ),
    ),
    Alert(
        name="RackInletWarm",
        severity=Severity.WARNING,
        why="Exhaust air cools while a job waits, so a five-minute average is used.",
        expr=f"""
        avg by ({PLACE}) ({_INLET})
          - on (site) group_left ()
        quantile by (site) (0.5, {_INLET})
          > {limit.INLET_ABOVE_OTHERS}
        """,
        hold=60,
        summary='Inlet air of rack {{ $labels.rack }} is {{ $value | printf "%.1f" }} K warmer '
        "than the other racks'",
        meaning="Hot exhaust air recirculates to the rack's inlets, or the cold aisle gets too "
        "little air there. Its fans run faster and its GPUs are hotter by nearly as much.",
        steps=(
            "Look for missing blanking panels and open containment doors.",
            "Check the floor tiles or air handlers of that row.",
        ),
    ),
)
