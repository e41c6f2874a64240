"""Alerts on Megapacks, generators, grid feeds and the site's power balance."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import FACILITY, GENSET, GRID, MEGAPACK
from twin.catalog.selectors import of

__all__ = ["GRID_RULES"]

_pack, _grid, _genset = partial(of, MEGAPACK), partial(of, GRID), partial(of, GENSET)
_PACK = "Megapack {{ $labels.megapack }} of {{ $labels.site }}"
_FEED = "feed {{ $labels.feed }} of {{ $labels.site }}"
_IMPORT, _LIMIT, _HERTZ = _grid("power"), _grid("limit"), _grid("frequency")
_STRENGTH = _pack("max_discharge")

_STORAGE = (
    Alert(
        name="MegapackFault",
        severity=Severity.CRITICAL,
        expr=_pack("inverter_state", 'state="FAULT"') + " == 1",
        hold=5,
        summary=f"{_PACK} has a fault",
        meaning="The other units take over its share of the load swings of training; the swings "
        "that they cannot absorb reach the grid.",
        steps=(
            (
                "If all units tripped at once, the grid left its normal range; they return after "
                "five minutes."
            ),
            "Otherwise read the inverter's event log and call the manufacturer.",
        ),
    ),
    Alert(
        name="MegapackLowCharge",
        severity=Severity.WARNING,
        expr=f"{_pack('soc')} < {limit.MEGAPACK_CHARGE}",
        hold=60,
        summary=f"{_PACK} is at {{{{ $value | humanizePercentage }}}} state of charge",
        meaning="The unit stops discharging at 10 %; soon it can no longer smooth the load.",
        steps=("If the grid import is at its limit, shed load or start generators.",),
    ),
    Alert(
        name="MegapackReserveShort",
        severity=Severity.CRITICAL,
        why="Energy in a faulted unit cannot be used.",
        expr=f"""
        sum by (site) (
            {_pack("energy_available")}
          unless on (site, megapack)
            {_pack("inverter_state", 'state=~"FAULT|OFF"')} == 1
        )
          / (sum by (site) (avg_over_time({_pack("power")}[1m])) > 0)
          < {limit.MEGAPACK_RESERVE}
        """,
        hold=30,
        summary="The Megapacks of {{ $labels.site }} will be empty in "
        "{{ $value | humanizeDuration }}",
        meaning="At the present discharge power the units are empty after this time. If the site "
        "is islanded, it then goes dark.",
        steps=(
            "Start generators.",
            "Shed load in a controlled way before the energy management system has to.",
        ),
    ),
    Alert(
        name="MegapackDerated",
        severity=Severity.WARNING,
        why="A faulted unit has no power at all, which MegapackFault reports.",
        expr=f"""
        (
          {_STRENGTH} > 0
        )
          < on (site) group_left ()
        {limit.MEGAPACK_DERATED} * max by (site) ({_STRENGTH})
        """,
        hold=60,
        summary=f"{_PACK} can discharge at only {{{{ $value | humanize }}}}W",
        meaning="Some of its inverter modules are out of service, or it is hot or nearly empty. "
        "The other units supply the rest.",
        steps=("Check its temperature and state of charge, then its inverter modules.",),
    ),
    Alert(
        name="MegapackHot",
        severity=Severity.WARNING,
        expr=f"{_pack('module_temperature_max')} > {limit.MEGAPACK_HOT}",
        hold=60,
        summary=f'A module of {_PACK} is at {{{{ $value | printf "%.0f" }}}} °C',
        meaning="The unit lowers its power limits to protect its cells, and ages faster.",
        steps=(
            "Check the unit's cooling.",
            "If only one module is hot, have that module isolated.",
        ),
    ),
    Alert(
        name="MegapackCellSpread",
        severity=Severity.WARNING,
        expr=f"""
        {_pack("cell_voltage_max")}
          - {_pack("cell_voltage_min")}
          > {limit.MEGAPACK_CELL_SPREAD}
        """,
        hold=600,
        summary=f'Cells of {_PACK} differ by {{{{ $value | printf "%.3f" }}}} V',
        meaning="A weak cell ends the discharge of the whole string early and is the first to "
        "overheat. A wide spread is normal when the unit is nearly empty.",
        steps=(
            "Let the unit balance at the top of its charge window.",
            "If the spread remains, have the module replaced.",
        ),
    ),
)

_FEEDS = (
    Alert(
        name="GridBreakerOpen",
        severity=Severity.CRITICAL,
        expr=f"{_grid('breaker')} == 0",
        summary=f"The breaker of {_FEED} is open",
        meaning="The site runs on its Megapacks, then on its generators; any load that they "
        "cannot carry is shed.",
        steps=(
            "Check that the generators start and take over.",
            "Call the utility and ask how long the outage will last.",
            "If it will outlast the Megapacks, checkpoint and stop jobs now.",
        ),
    ),
    Alert(
        name="GridVoltageAbnormal",
        severity=Severity.CRITICAL,
        why="Compared with the feed's own last day, so the rule needs no nominal voltage.",
        expr=f"""
        abs(
          {_grid("voltage")} / quantile_over_time(0.5, {_grid("voltage")}[1d]) - 1
        ) > {limit.GRID_VOLTAGE}
        """,
        summary=f"The voltage of {_FEED} is off by {{{{ $value | humanizePercentage }}}}",
        meaning="Power supplies draw more current at low voltage to keep their power. After two "
        "seconds below 88 % the Megapacks trip, and for five minutes the import follows every "
        "training step.",
        steps=("Watch the Megapacks' states.", "Call the utility."),
    ),
    Alert(
        name="GridFrequencyAbnormal",
        severity=Severity.CRITICAL,
        why="Compared with the nearest multiple of ten, so it works at 50 and at 60 Hz.",
        expr=f"""
        abs(
          {_HERTZ} - 10 * round({_HERTZ} / 10)
        ) > {limit.GRID_FREQUENCY}
        and {_HERTZ} > 0
        """,
        summary=f'The frequency of {_FEED} is off by {{{{ $value | printf "%.2f" }}}} Hz',
        meaning="The grid has too little generation, or too much. On a 60 Hz grid the Megapacks "
        "ride through for 300 s below 58.5 Hz, and not at all below 56.5 Hz.",
        steps=(
            "Reduce the load if the utility asks for it.",
            "Prepare for island operation.",
        ),
    ),
    Alert(
        name="GridImportAboveLimit",
        severity=Severity.CRITICAL,
        why="The median of a minute: without Megapacks the import falls below the limit for a "
        "moment at the end of every training step.",
        expr=f"quantile_over_time(0.5, {_IMPORT}[1m]) > {_LIMIT}",
        hold=15,
        summary=f"The import of {_FEED} is {{{{ $value | humanize }}}}W, above its limit",
        detail=f'The contract allows {{{{ range query (printf "{_LIMIT}{{site=%q,feed=%q}}" '
        "$labels.site $labels.feed) }}{{ .Value | humanize }}W{{ end }}.",
        meaning="The utility may charge a penalty or open the breaker.",
        steps=("Start generators, discharge the Megapacks, or cap GPU power.",),
    ),
    Alert(
        name="GridImportRamp",
        severity=Severity.WARNING,
        expr=f"max_over_time(abs({_grid('ramp')})[1m:]) > {limit.GRID_RAMP} * {_LIMIT}",
        summary=f"The import of {_FEED} jumps by {{{{ $value | humanize }}}}W a second",
        meaning="The Megapacks do not smooth the load, or more load came or went at once than "
        "they can absorb. Utilities limit ramps because generators cannot follow them.",
        steps=("Look for faulted Megapacks.", "Stagger the start of large jobs."),
    ),
    Alert(
        name="GridImportSwing",
        severity=Severity.WARNING,
        expr=f"min_over_time({_grid('swing')}[1m]) > {limit.GRID_SWING} * {_LIMIT}",
        hold=60,
        summary=f"The import of {_FEED} swings by {{{{ $value | humanize }}}}W",
        meaning="The load swings of training reach the grid. Swings below 1 Hz can excite "
        "oscillations in lines and nearby generators, so utilities cap them.",
        steps=(
            "Look for faulted or derated Megapacks.",
            "Cap GPU power until they are back.",
        ),
    ),
)

_BALANCE = (
    Alert(
        name="PowerUnserved",
        severity=Severity.CRITICAL,
        expr=f"max_over_time({of(FACILITY, 'unserved_power')}[30s]) > 0",
        summary="{{ $labels.site }} is short of {{ $value | humanize }}W",
        meaning="Grid, Megapacks and generators together cannot carry the load.",
        steps=("Shed load now: checkpoint and stop jobs, switch racks off.",),
    ),
    Alert(
        name="RacksShed",
        severity=Severity.CRITICAL,
        expr=f"{of(FACILITY, 'shed_racks')} > 0",
        summary="{{ $value }} racks of {{ $labels.site }} are switched off for lack of power",
        meaning="The energy management system sheds racks from the highest number down to keep "
        "the rest running. Every job with a GPU on a shed rack stalls.",
        steps=(
            "Find the source that is missing: grid, Megapacks or generators.",
            "Restart the jobs on the racks that remain.",
        ),
    ),
    Alert(
        name="GensetFailed",
        severity=Severity.CRITICAL,
        expr=_genset("state", 'state="failed"') + " == 1",
        hold=5,
        summary="Generator {{ $labels.genset }} of {{ $labels.site }} has failed",
        meaning="It tripped, or failed to start in three attempts. In island operation the other "
        "generators and the Megapacks take over its share.",
        steps=(
            "Check the starter battery, fuel and oil.",
            "Reset the trip and start it.",
        ),
    ),
    Alert(
        name="GensetFuelLow",
        severity=Severity.WARNING,
        expr=f"{_genset('fuel_level')} < {limit.GENSET_FUEL}",
        summary="Generator {{ $labels.genset }} of {{ $labels.site }} has "
        "{{ $value | humanizePercentage }} of its fuel left",
        meaning="A 2.5 MW generator burns about 660 L an hour at full load.",
        steps=("Order fuel.",),
    ),
)

GRID_RULES = Rules(
    Domain.GRID,
    "Megapacks by SunSpec's definitions, generators, grid feeds and the site's meters. They have "
    "no common exporter, so names follow the Prometheus naming rules.",
    (),
    (*_STORAGE, *_FEEDS, *_BALANCE),
)
