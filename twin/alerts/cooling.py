"""Alerts on coolant units, chillers, facility water and rooms."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
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
        meaning="Redundancy is lost: the rack depends on its last pump, which runs at about 95 % "
        "speed. Temperatures hardly move.",
        steps=(
            "Change the pump; it is hot-swappable.",
            "Until then do not service the other pump or its power supply.",
        ),
    ),
    Alert(
        name="RackWithoutPumps",
        severity=Severity.CRITICAL,
        expr=f"sum by ({PLACE}) ({_RUNNING}) == 0",
        summary=f"No coolant pump of {_RACK} is running",
        meaning="Without flow a GPU at 600 W warms by about 2.4 K a second: the clocks slow after "
        "some 15 s and the GPUs switch off soon after.",
        steps=(
            "Stop the job on this rack now.",
            "Look at the coolant level, at the unit's power supplies and then at the pumps.",
        ),
    ),
    Alert(
        name="CoolantPumpWorn",
        severity=Severity.WARNING,
        why="Vibration goes with the square of speed, so it is compared at equal speed: a pump "
        "that runs alone shakes more and is well.",
        expr=f"""
        {_VIBRATION}
          > on (site) group_left ()
        {limit.PUMP_VIBRATION} * quantile by (site) (0.5, {_VIBRATION})
        """,
        hold=60,
        summary=f"Pump {{{{ $labels.pump }}}} of {_RACK} vibrates far more than the site's others",
        meaning="A worn impeller or bearing: the pump gives less head at the same speed and will "
        "fail. Should the other pump fail first, this one cannot hold the flow.",
        steps=("Compare the flow of both pumps.", "Change the pump at the next service."),
    ),
    Alert(
        name="CduPowerSupplyFailed",
        severity=Severity.WARNING,
        expr=of(CDU_PSU, "state", 'state="failed"') + " == 1",
        hold=5,
        summary=f"Power supply {{{{ $labels.psu }}}} of the coolant unit of {_RACK} has failed",
        meaning="The other supply carries the unit. With both gone the pumps stop.",
        steps=("Is its PDU live? Then change the supply; it is hot-swappable.",),
    ),
)

_LOOP = (
    Alert(
        name="CoolantFlowLow",
        severity=Severity.CRITICAL,
        why="Flow is measured against the rack's load, so that the rule fits racks of any size. "
        "When one pump fails the other takes over within 10 s, which is no reason to wake anybody.",
        expr=f"""
        {_cdu("flow")}
          < on ({PLACE}) group_left ()
        {limit.COOLANT_FLOW} * sum by ({PLACE}) ({of(SERVER, "power")}) / 1000
        """,
        hold=15,
        summary=f'Coolant flow of {_RACK} is {{{{ $value | printf "%.0f" }}}} L/min, too little '
        "for its load",
        meaning="The coolant warms by more than it should, and the GPUs with it, until they "
        "throttle.",
        steps=("Look for failed pumps, a blocked filter, a closed valve, a kinked hose.",),
    ),
    Alert(
        name="CoolantRiseHigh",
        severity=Severity.WARNING,
        expr=f"{_cdu('return_temperature')} - {_SUPPLY} > {limit.COOLANT_RISE}",
        hold=60,
        summary=f'Coolant of {_RACK} warms by {{{{ $value | printf "%.1f" }}}} K',
        meaning="Too little flow for the heat, or a thermometer that is wrong.",
        steps=("Compare with flow and server power.", "Look at pumps and filter."),
    ),
    Alert(
        name="CoolantHot",
        severity=Severity.CRITICAL,
        expr=f"{_SUPPLY} > {limit.COOLANT_HOT}",
        hold=30,
        summary=f'Coolant to the servers of {_RACK} has {{{{ $value | printf "%.1f" }}}} °C',
        meaning="The GPUs are as much hotter as the coolant; they throttle at 87 °C.",
        steps=(
            "All racks: it is the facility water. One rack: its valve or heat exchanger.",
            "Lower the load of the rack before its GPUs do.",
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
        summary=f'Coolant to the servers of {_RACK} is {{{{ $value | printf "%.1f" }}}} K above '
        "the other racks'",
        meaning="The rack's coolant unit no longer holds its set point though the facility water "
        "serves the others well: fouled exchanger, stuck valve, or a thermometer that drifts.",
        steps=(
            "Valve full open: the exchanger is fouled, clean it.",
            "Valve where it was and GPUs no warmer: it is the thermometer.",
        ),
    ),
    Alert(
        name="CoolantLeak",
        severity=Severity.CRITICAL,
        expr=_cdu("leak", 'state=~"Warning|Critical"') + " == 1",
        summary=f"Leak detector of {_RACK} says {{{{ $labels.state }}}}",
        meaning="Coolant is where it must not be. In a few minutes the pumps run dry and stop.",
        steps=(
            "Cut the rack's power before the pumps.",
            "Close the manifold's valves and look for the leak.",
        ),
    ),
    Alert(
        name="CoolantLevelLow",
        severity=Severity.CRITICAL,
        expr=f"{_cdu('level')} < {limit.COOLANT_LEVEL}",
        hold=10,
        summary=f"The coolant reservoir of {_RACK} is at {{{{ $value | humanizePercentage }}}}",
        meaning="The loop loses coolant. At a fifth the pumps stop so as not to run dry, and the "
        "rack overheats within a minute.",
        steps=("Look for a leak.", "Fill up; drain the rack if the level goes on falling."),
    ),
    Alert(
        name="CoolantFilterClogged",
        severity=Severity.WARNING,
        expr=f"{_cdu('filter_pressure')} > {limit.FILTER_PRESSURE}",
        hold=60,
        summary=f"The coolant filter of {_RACK} takes {{{{ $value | humanize }}}}Pa",
        meaning="The filter clogs. The pumps run faster to hold the flow; when they are at full "
        "speed the flow falls.",
        steps=("Change the filter.", "Take a sample of the coolant: what clogs it?"),
    ),
    Alert(
        name="FacilityValveStuck",
        severity=Severity.WARNING,
        why="While the controller moves the valve the position lags by a second or two.",
        expr=f"""
        abs(
          {_cdu("valve_command")}
            - {_cdu("valve_position")}
        ) > {limit.VALVE_ERROR}
        """,
        hold=60,
        summary=f"The facility water valve of {_RACK} does not go where it is told",
        meaning="The valve hangs. Nearly closed, the rack overheats within minutes; open, it "
        "cools too much and comes nearer to the dew point.",
        steps=("Open the bypass or move the valve by hand.", "Change the actuator."),
    ),
    Alert(
        name="CondensationRisk",
        severity=Severity.CRITICAL,
        expr=f"{_cdu('condensation_margin')} < {limit.CONDENSATION_MARGIN}",
        hold=60,
        summary=f'Coolant of {_RACK} is only {{{{ $value | printf "%.1f" }}}} K above dew point',
        meaning="Water will condense on pipes and cold plates, above live boards.",
        steps=("Raise the supply set point.", "Dry the hall's air; look at the air handlers."),
    ),
)

_PLANT = (
    Alert(
        name="ChillerFailed",
        severity=Severity.WARNING,
        expr=of(CHILLER, "state", 'state="failed"') + " == 1",
        hold=5,
        summary="Chiller {{ $labels.chiller }} of {{ $labels.site }} has failed",
        meaning="The spare one starts and runs after some minutes; until then the water warms a "
        "little.",
        steps=("See that a spare starts.", "Call the service of the plant."),
    ),
    Alert(
        name="ChillersWithoutReserve",
        severity=Severity.WARNING,
        why="Loss of the largest chiller is what N+1 is meant to survive.",
        expr=f"""
        sum by (site) ({_CAPACITY}) - max by (site) ({_CAPACITY})
          < on (site)
        sum by (site) ({of(WATER, "heat")})
        """,
        hold=300,
        summary="The chillers of {{ $labels.site }} have no reserve: without the largest one they "
        "carry {{ $value | humanize }}W",
        meaning="Should one more chiller fail, the facility water goes on warming, and with it "
        "coolant, air and GPUs. Failed chillers or hot weather take the reserve.",
        steps=(
            "Get failed chillers back.",
            "Otherwise lower the load: cap the GPUs' power or pause a job.",
        ),
    ),
    Alert(
        name="FacilityWaterWarm",
        severity=Severity.CRITICAL,
        expr=f"{of(FACILITY, 'water_temperature')} > {limit.WATER_WARM}",
        hold=60,
        summary='Facility water of {{ $labels.site }} has {{ $value | printf "%.1f" }} °C',
        meaning="The valves of all coolant units are full open, and their supply temperature "
        "rises: soon every GPU of the site is hotter.",
        steps=(
            "Look at the chillers' states and at the set point.",
            "Lower the site's load before the GPUs throttle.",
        ),
    ),
    Alert(
        name="RoomTooWarm",
        severity=Severity.WARNING,
        expr=f"{of(WATER, 'room_temperature')} > {limit.ROOM_WARM}",
        hold=300,
        summary='Air to the servers of {{ $labels.site }} has {{ $value | printf "%.1f" }} °C',
        meaning="What is not cooled by liquid overheats: memory, supplies, switches, storage.",
        steps=("Look at the air handlers and at the facility water.",),
    ),
    Alert(
        name="RoomDewPointHigh",
        severity=Severity.WARNING,
        expr=f"{of(WATER, 'room_dew_point')} > {limit.ROOM_DEW_POINT}",
        hold=300,
        summary='The dew point in halls of {{ $labels.site }} is {{ $value | printf "%.1f" }} °C',
        meaning="Coolant units raise their supply temperature to stay above it; then GPUs are "
        "hotter. Where they don't, water condenses.",
        steps=("Look at the air handlers' drying and for doors that stand open.",),
    ),
    Alert(
        name="OutdoorHeat",
        severity=Severity.INFO,
        expr=f"{of(WATER, 'outdoor_temperature')} > {limit.OUTDOOR_HOT}",
        hold=600,
        summary='It is {{ $value | printf "%.0f" }} °C outside {{ $labels.site }}',
        meaning="Chillers need more power for the same heat and lose capacity. It explains a "
        "higher PUE and a lack of reserve.",
        steps=("Postpone service of chillers and cooling towers.",),
    ),
)

COOLING_RULES = Rules(
    Domain.COOLING,
    "Coolant units, chillers and rooms. They have no common exporter: names follow Redfish and "
    "the Prometheus naming rules.",
    (),
    (*_PUMPS, *_LOOP, *_PLANT),
)
