"""Alerts on Megapacks, generators, the grid feed and the site's balance of power."""

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
        summary=f"{_PACK} is in fault",
        meaning="The other units take its share of the training swing, and the rest of the swing "
        "reaches the grid.",
        steps=(
            "All units at once: the grid left its normal range; the units return in five minutes.",
            "Read the inverter's events; call the manufacturer.",
        ),
    ),
    Alert(
        name="MegapackLowCharge",
        severity=Severity.WARNING,
        expr=f"{_pack('soc')} < {limit.MEGAPACK_CHARGE}",
        hold=60,
        summary=f"{_PACK} holds {{{{ $value | humanizePercentage }}}}",
        meaning="The unit stops discharging at 10 %: it can soon no longer smooth the load.",
        steps=("If the import is at its limit, shed load or start generators.",),
    ),
    Alert(
        name="MegapackReserveShort",
        severity=Severity.CRITICAL,
        why="Energy in a unit that is in fault cannot be used.",
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
        summary="The Megapacks of {{ $labels.site }} last for {{ $value | humanizeDuration }}",
        meaning="At the present power the units are empty after this time. In island operation "
        "the site then goes dark.",
        steps=(
            "Start generators.",
            "Shed load in order before the energy management has to.",
        ),
    ),
    Alert(
        name="MegapackDerated",
        severity=Severity.WARNING,
        why="A unit in fault has no power at all, which is another alert.",
        expr=f"""
        (
          {_STRENGTH} > 0
        )
          < on (site) group_left ()
        {limit.MEGAPACK_DERATED} * max by (site) ({_STRENGTH})
        """,
        hold=60,
        summary=f"{_PACK} can give only {{{{ $value | humanize }}}}W",
        meaning="Some of its inverter modules are out of service, or it is hot or nearly empty. "
        "The other units supply the rest.",
        steps=("Check its temperature and charge, then its inverter modules.",),
    ),
    Alert(
        name="MegapackHot",
        severity=Severity.WARNING,
        expr=f"{_pack('module_temperature_max')} > {limit.MEGAPACK_HOT}",
        hold=60,
        summary=f'A module of {_PACK} has {{{{ $value | printf "%.0f" }}}} °C',
        meaning="The unit lowers its power limits to protect its cells, and ages faster.",
        steps=(
            "Check the unit's cooling.",
            "If only one module is hot, have it isolated.",
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
        "overheat. A wide spread is normal near empty.",
        steps=(
            "Let the unit balance at the top of its charge window.",
            "Have the module replaced.",
        ),
    ),
)

_FEEDS = (
    Alert(
        name="GridBreakerOpen",
        severity=Severity.CRITICAL,
        expr=f"{_grid('breaker')} == 0",
        summary=f"The breaker of {_FEED} is open",
        meaning="The site runs on its Megapacks, then on its generators; load that they cannot "
        "carry is shed.",
        steps=(
            "Check that the generators start and take over.",
            "Call the utility and ask how long the outage will last.",
            "If it outlasts the Megapacks, end jobs with a checkpoint now.",
        ),
    ),
    Alert(
        name="GridVoltageAbnormal",
        severity=Severity.CRITICAL,
        why="Compared with the feed's own last day, so that the rule needs no nominal voltage.",
        expr=f"""
        abs(
          {_grid("voltage")} / quantile_over_time(0.5, {_grid("voltage")}[1d]) - 1
        ) > {limit.GRID_VOLTAGE}
        """,
        summary=f"The voltage of {_FEED} is off by {{{{ $value | humanizePercentage }}}}",
        meaning="Power supplies draw more current to keep their power. After two seconds below 88 "
        "% the Megapacks trip and the import follows every training step for five minutes.",
        steps=("Watch the Megapacks' states.", "Call the utility."),
    ),
    Alert(
        name="GridFrequencyAbnormal",
        severity=Severity.CRITICAL,
        why="Compared with the nearest multiple of ten, so that it works at 50 and at 60 Hz.",
        expr=f"""
        abs(
          {_HERTZ} - 10 * round({_HERTZ} / 10)
        ) > {limit.GRID_FREQUENCY}
        and {_HERTZ} > 0
        """,
        summary=f'The frequency of {_FEED} is off by {{{{ $value | printf "%.2f" }}}} Hz',
        meaning="The grid has too little power or too much. Below 58.5 Hz the Megapacks of a 60 "
        "Hz grid ride through for 300 s, below 56.5 Hz not at all.",
        steps=(
            "Lower the load if the utility asks for it.",
            "Prepare for island operation.",
        ),
    ),
    Alert(
        name="GridImportAboveLimit",
        severity=Severity.CRITICAL,
        expr=f"{_IMPORT} > {_LIMIT}",
        hold=15,
        summary=f"{{{{ $value | humanize }}}}W are imported by {_FEED}, above its limit",
        detail=f'The contract allows {{{{ range query (printf "{_LIMIT}{{site=%q,feed=%q}}" '
        "$labels.site $labels.feed) }}{{ .Value | humanize }}W{{ end }}.",
        meaning="The utility may charge for it or open the breaker.",
        steps=("Start generators, discharge Megapacks, or cap the GPUs' power.",),
    ),
    Alert(
        name="GridImportRamp",
        severity=Severity.WARNING,
        expr=f"max_over_time(abs({_grid('ramp')})[1m:]) > {limit.GRID_RAMP} * {_LIMIT}",
        summary=f"The import of {_FEED} jumps by {{{{ $value | humanize }}}}W a second",
        meaning="The Megapacks do not smooth the load, or more load came or went at once than "
        "they can take. Utilities limit ramps, because generators cannot follow them.",
        steps=("Look for Megapacks in fault.", "Stagger the start of large jobs."),
    ),
    Alert(
        name="GridImportSwing",
        severity=Severity.WARNING,
        expr=f"min_over_time({_grid('swing')}[1m]) > {limit.GRID_SWING} * {_LIMIT}",
        hold=60,
        summary=f"The import of {_FEED} swings by {{{{ $value | humanize }}}}W",
        meaning="The grid sees the training steps. Swings below 1 Hz excite lines and nearby "
        "generators; utilities cap them.",
        steps=(
            "Look for Megapacks in fault or derated.",
            "Cap the GPUs' power until they are back.",
        ),
    ),
)

_BALANCE = (
    Alert(
        name="PowerUnserved",
        severity=Severity.CRITICAL,
        expr=f"max_over_time({of(FACILITY, 'unserved_power')}[30s]) > 0",
        summary="{{ $value | humanize }}W of {{ $labels.site }} have no source",
        meaning="Grid, Megapacks and generators together cannot carry the load.",
        steps=("Shed load now: end jobs with a checkpoint, switch racks off.",),
    ),
    Alert(
        name="RacksShed",
        severity=Severity.CRITICAL,
        expr=f"{of(FACILITY, 'shed_racks')} > 0",
        summary="{{ $value }} racks of {{ $labels.site }} are switched off for lack of power",
        meaning="The energy management sheds racks from the highest number down to keep the rest "
        "running. Every job with a GPU there stalls.",
        steps=(
            "Find the source that is missing: grid, Megapacks, generators.",
            "Let jobs restart on the racks that remain.",
        ),
    ),
    Alert(
        name="GensetFailed",
        severity=Severity.CRITICAL,
        expr=_genset("state", 'state="failed"') + " == 1",
        hold=5,
        summary="Generator {{ $labels.genset }} of {{ $labels.site }} has failed",
        meaning="It tripped, or did not start after three attempts. In island operation the other "
        "units and the Megapacks take its share.",
        steps=(
            "Check starter battery, fuel and oil.",
            "Reset its protection and start it.",
        ),
    ),
    Alert(
        name="GensetFuelLow",
        severity=Severity.WARNING,
        expr=f"{_genset('fuel_level')} < {limit.GENSET_FUEL}",
        summary="Generator {{ $labels.genset }} of {{ $labels.site }} has "
        "{{ $value | humanizePercentage }} of its fuel left",
        meaning="A unit of 2.5 MW burns some 660 L an hour at full load.",
        steps=("Order fuel.",),
    ),
)

GRID_RULES = Rules(
    Domain.GRID,
    "Megapacks by SunSpec's definitions, generators, the grid feed and the site's meters. They "
    "have no common exporter: names follow the Prometheus naming rules.",
    (),
    (*_STORAGE, *_FEEDS, *_BALANCE),
)
