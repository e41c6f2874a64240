"""Alerts on CDUs, fans, chillers, facility water and rooms."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.air import AIR_ALERTS
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import CDU, CDU_PSU, CHILLER, FACILITY, PUMP, SERVER, WATER
from twin.catalog.selectors import PLACE, of

__all__ = ["COOLING_RULES"]

_pump, _cdu = partial(of, PUMP), partial(of, CDU)
_RACK = "rack {{ $labels.rack }}"
_RUNNING = _pump("state", 'state="running"')
_CAPACITY = of(CHILLER, "capacity")
_SUPPLY = _cdu("supply_temperature")
_VIBRATION = f"({_pump('vibration')} / {_pump('speed_ratio')} ^ 2 and {_pump('speed_ratio')} > 0.1)"

_PUMPS = (
    Alert(
        name="CoolantPumpFailed",
        severity=Severity.WARNING,
        expr=_pump("state", 'state="failed"') + " == 1",
        hold=5,
        summary=f"Pump {{{{ $labels.pump }}}} of {_RACK} has failed",
        meaning="The rack has no redundant pump left: the other one runs at about 95 % speed. "
        "Temperatures hardly change.",
        steps=(
            "Replace the pump; it is hot-swappable.",
            "Until then do not service the other pump or its power supply.",
        ),
    ),
    Alert(
        name="RackWithoutPumps",
        severity=Severity.CRITICAL,
        expr=f"sum by ({PLACE}) ({_RUNNING}) == 0",
        summary=f"No coolant pump of {_RACK} is running",
        meaning="Without flow a GPU at 600 W warms by about 2.4 K a second: GPUs throttle after "
        "about 15 s and shut down soon after.",
        steps=(
            "Stop the job on this rack now.",
            "Check the coolant level, then the CDU's power supplies, then the pumps.",
        ),
    ),
    Alert(
        name="CoolantPumpWorn",
        severity=Severity.WARNING,
        why="Vibration rises with the square of speed, so it is normalised by speed: a healthy "
        "pump that runs alone vibrates more.",
        expr=f"""
        {_VIBRATION}
          > on (site) group_left ()
        {limit.PUMP_VIBRATION} * quantile by (site) (0.5, {_VIBRATION})
        """,
        hold=60,
        summary=f"Pump {{{{ $labels.pump }}}} of {_RACK} vibrates far more than the site median",
        meaning="The impeller or a bearing is worn: the pump gives less head at the same speed "
        "and will fail. If the other pump fails first, this one cannot hold the flow.",
        steps=(
            "Compare the flow of both pumps.",
            "Replace the pump in the next maintenance window.",
        ),
    ),
    Alert(
        name="CduPowerSupplyFailed",
        severity=Severity.WARNING,
        expr=of(CDU_PSU, "state", 'state="failed"') + " == 1",
        hold=5,
        summary=f"Power supply {{{{ $labels.psu }}}} of the CDU of {_RACK} has failed",
        meaning="The other supply carries the CDU. If both fail, the pumps stop.",
        steps=("Check that its PDU is live, then replace the supply; it is hot-swappable.",),
    ),
)

_LOOP = (
    Alert(
        name="CoolantFlowLow",
        severity=Severity.CRITICAL,
        why="Flow is compared with the rack's load, so the rule fits racks of any size. When one "
        "pump fails the other takes over within 10 s, which is not worth a page.",
        expr=f"""
        {_cdu("flow")}
          < on ({PLACE}) group_left ()
        {limit.COOLANT_FLOW} * sum by ({PLACE}) ({of(SERVER, "power")}) / 1000
        """,
        hold=15,
        summary=f'Coolant flow of {_RACK} is {{{{ $value | printf "%.0f" }}}} L/min, too low for '
        "its load",
        meaning="The coolant warms up too much on its way, and the GPUs heat up until they "
        "throttle.",
        steps=("Check for failed pumps, a clogged filter, a closed valve or a kinked hose.",),
    ),
    Alert(
        name="CoolantRiseHigh",
        severity=Severity.WARNING,
        expr=f"{_cdu('return_temperature')} - {_SUPPLY} > {limit.COOLANT_RISE}",
        hold=60,
        summary=f'Coolant of {_RACK} warms by {{{{ $value | printf "%.1f" }}}} K',
        meaning="The flow is too low for the heat load, or a temperature sensor is wrong.",
        steps=(
            "Compare with the flow and the servers' power.",
            "Check the pumps and the filter.",
        ),
    ),
    Alert(
        name="CoolantHot",
        severity=Severity.CRITICAL,
        expr=f"{_SUPPLY} > {limit.COOLANT_HOT}",
        hold=30,
        summary=f'Coolant supply of {_RACK} is at {{{{ $value | printf "%.1f" }}}} °C',
        meaning="GPU temperatures rise by as much as the coolant; GPUs throttle at 87 °C.",
        steps=(
            (
                "If all racks are affected, check the facility water; if only one, check its "
                "valve and heat exchanger."
            ),
            "Reduce the rack's load before its GPUs throttle.",
        ),
    ),
    Alert(
        name="CoolantAboveOthers",
        severity=Severity.WARNING,
        expr=f"""
        {_SUPPLY}
          - on (site) group_left ()
        quantile by (site) (0.5, {_SUPPLY})
          > {limit.COOLANT_ABOVE_OTHERS}
        """,
        hold=120,
        summary=f'Coolant supply of {_RACK} is {{{{ $value | printf "%.1f" }}}} K above the other '
        "racks'",
        meaning="The rack's CDU misses its setpoint although the facility water is cold enough "
        "for the other racks: a fouled heat exchanger, a stuck valve, or a drifting temperature "
        "sensor.",
        steps=(
            "If the valve is fully open, the heat exchanger is fouled: clean it.",
            (
                "If the valve has not moved and the GPUs are no warmer, the temperature sensor is "
                "wrong."
            ),
        ),
    ),
    Alert(
        name="CoolantLeak",
        severity=Severity.CRITICAL,
        expr=_cdu("leak", 'state=~"Warning|Critical"') + " == 1",
        summary=f"Leak detector of {_RACK} reports {{{{ $labels.state }}}}",
        meaning="Coolant has leaked into the rack. Within minutes the pumps run dry and stop.",
        steps=(
            "Cut the rack's power before the pumps stop.",
            "Close the manifold valves and find the leak.",
        ),
    ),
    Alert(
        name="CoolantLevelLow",
        severity=Severity.CRITICAL,
        expr=f"{_cdu('level')} < {limit.COOLANT_LEVEL}",
        hold=10,
        summary=f"The coolant reservoir of {_RACK} is at {{{{ $value | humanizePercentage }}}}",
        meaning="The loop is losing coolant. At 20 % the pumps stop to protect themselves, and the "
        "rack overheats within a minute.",
        steps=(
            "Look for a leak.",
            "Refill the loop; if the level keeps falling, drain the rack's servers.",
        ),
    ),
    Alert(
        name="CoolantFilterClogged",
        severity=Severity.WARNING,
        expr=f"{_cdu('filter_pressure')} > {limit.FILTER_PRESSURE}",
        hold=60,
        summary=f"The coolant filter of {_RACK} has a pressure drop of "
        "{{ $value | humanize }}Pa",
        meaning="The filter is clogging. The pumps speed up to hold the flow; once they are at "
        "full speed, the flow falls.",
        steps=(
            "Replace the filter.",
            "Take a coolant sample to find out what is clogging it.",
        ),
    ),
    Alert(
        name="FacilityValveStuck",
        severity=Severity.WARNING,
        why="The position lags the command by a second or two whenever the valve moves.",
        expr=f"""
        abs(
          {_cdu("valve_command")}
            - {_cdu("valve_position")}
        ) > {limit.VALVE_ERROR}
        """,
        hold=60,
        summary=f"The facility water valve of {_RACK} does not follow its command",
        meaning="The valve is stuck. If it is nearly closed, the rack overheats within minutes; if "
        "it is open, the coolant gets too cold and approaches the dew point.",
        steps=(
            "Open the bypass or move the valve by hand.",
            "Replace the actuator.",
        ),
    ),
    Alert(
        name="CondensationRisk",
        severity=Severity.CRITICAL,
        expr=f"{_cdu('condensation_margin')} < {limit.CONDENSATION_MARGIN}",
        hold=60,
        summary=f'Coolant of {_RACK} is only {{{{ $value | printf "%.1f" }}}} K above the dew '
        "point",
        meaning="Water will condense on pipes and cold plates above live boards.",
        steps=(
            "Raise the supply setpoint.",
            "Dehumidify the hall; check the air handlers.",
        ),
    ),
)

_PLANT = (
    Alert(
        name="ChillerFailed",
        severity=Severity.WARNING,
        expr=of(CHILLER, "state", 'state="failed"') + " == 1",
        hold=5,
        summary="Chiller {{ $labels.chiller }} of {{ $labels.site }} has failed",
        meaning="A spare chiller starts and takes over within minutes; until then the facility "
        "water warms a little.",
        steps=(
            "Check that a spare starts.",
            "Call facility maintenance.",
        ),
    ),
    Alert(
        name="ChillersWithoutReserve",
        severity=Severity.WARNING,
        why="N+1 means surviving the loss of the largest chiller.",
        expr=f"""
        sum by (site) ({_CAPACITY}) - max by (site) ({_CAPACITY})
          < on (site)
        sum by (site) ({of(WATER, "heat")})
        """,
        hold=300,
        summary="The chillers of {{ $labels.site }} are no longer N+1: without the largest one "
        "they carry {{ $value | humanize }}W",
        meaning="If one more chiller fails, the facility water keeps warming, and coolant, air and "
        "GPUs with it. Failed chillers or hot weather use up the reserve.",
        steps=(
            "Repair any failed chillers.",
            "If none has failed, reduce the load: cap GPU power or pause a job.",
        ),
    ),
    Alert(
        name="FacilityWaterWarm",
        severity=Severity.CRITICAL,
        expr=f"{of(FACILITY, 'water_temperature')} > {limit.WATER_WARM}",
        hold=60,
        summary='Facility water of {{ $labels.site }} is at {{ $value | printf "%.1f" }} °C',
        meaning="The valves of all CDUs are fully open and their supply temperature rises: every "
        "GPU of the site will soon be hotter.",
        steps=(
            "Check the chillers' states and the facility water setpoint.",
            "Reduce the site's load before the GPUs throttle.",
        ),
    ),
    Alert(
        name="RoomTooWarm",
        severity=Severity.WARNING,
        expr=f"{of(WATER, 'room_temperature')} > {limit.ROOM_WARM}",
        hold=300,
        summary='Room air of {{ $labels.site }} is at {{ $value | printf "%.1f" }} °C',
        meaning="Air-cooled parts overheat: memory, power supplies, switches, storage.",
        steps=("Check the air handlers and the facility water.",),
    ),
    Alert(
        name="RoomDewPointHigh",
        severity=Severity.WARNING,
        expr=f"{of(WATER, 'room_dew_point')} > {limit.ROOM_DEW_POINT}",
        hold=300,
        summary="The dew point in the halls of {{ $labels.site }} is "
        '{{ $value | printf "%.1f" }} °C',
        meaning="CDUs raise their supply temperature to stay above the dew point, which makes the "
        "GPUs hotter. CDUs that do not will get condensation.",
        steps=("Check the air handlers' dehumidification and look for open doors.",),
    ),
    Alert(
        name="OutdoorHeat",
        severity=Severity.INFO,
        expr=f"{of(WATER, 'outdoor_temperature')} > {limit.OUTDOOR_HOT}",
        hold=600,
        summary='It is {{ $value | printf "%.0f" }} °C outside {{ $labels.site }}',
        meaning="Chillers need more power for the same heat and lose capacity, which explains a "
        "higher PUE and a lack of reserve.",
        steps=("Postpone maintenance of chillers and cooling towers.",),
    ),
)

COOLING_RULES = Rules(
    Domain.COOLING,
    "CDUs, fans, chillers and rooms. Fans have the names of ipmi_exporter; the rest has no common "
    "exporter, so names follow Redfish and the Prometheus naming rules.",
    (),
    (*_PUMPS, *_LOOP, *AIR_ALERTS, *_PLANT),
)
