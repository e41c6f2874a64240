"""Facility, Megapacks, generators, grid."""

from __future__ import annotations

from math import pi

from twin.alerts import thresholds as limit
from twin.catalog import FACILITY, GENSET, GRID, MEGAPACK
from twin.catalog.selectors import select
from twin.grafana.promql import Expr
from twin.grafana.queries.job import STEPS_PER_MINUTE
from twin.grafana.units import KILOVOLTS, SECONDS, WATTS
from twin.grafana.values import ON_SITE, of

FREQUENCIES = (0.02, 0.05, 0.094, 0.12, 0.15, 0.188, 0.25, 0.282, 0.35, 0.42)
"""Hz: what samples of one second can show. A training step of 10.6 s swings at 0.094 Hz
and its harmonics; utilities ask about 0.1 Hz and above."""
_WINDOW = "2m"
"""Of the spectrum: resolves about 0.01 Hz."""

FACILITY_POWER = of(FACILITY, "power")
IT_POWER = of(FACILITY, "it_power")
COOLING_POWER = of(FACILITY, "cooling_power")
LOSS_POWER = of(FACILITY, "loss_power")
UNSERVED_POWER = of(FACILITY, "unserved_power")
SHED_RACKS = of(FACILITY, "shed_racks")
_PUE_WINDOW = "30m"
"""Long enough for a few checkpoints: in each the IT power falls, and what cools does not."""
PUE = Expr(
    f"avg_over_time({FACILITY_POWER}[{_PUE_WINDOW}]) / on (site) "
    f"avg_over_time({IT_POWER}[{_PUE_WINDOW}])"
)
FACILITY_SWING = of(FACILITY, "load_swing")
FACILITY_OSCILLATION = Expr(select(FACILITY["load_oscillation_lines"].metric, *ON_SITE), WATTS)

GRID_POWER = of(GRID, "power")
GRID_IMPORT = GRID_POWER.sum()
GRID_LIMIT = of(GRID, "limit").sum()
GRID_USE = GRID_IMPORT.per(GRID_LIMIT)
GRID_SWING = of(GRID, "swing").sum()
GRID_OSCILLATION = Expr(select(GRID["oscillation_lines"].metric, *ON_SITE), WATTS).sum("band")
"""Root mean square by band; the label ``band`` tells them apart."""
GRID_RAMP = of(GRID, "ramp").sum()
GRID_RAMP_LIMIT = Expr(f"{limit.GRID_RAMP.value:g} * {GRID_LIMIT}", GRID_RAMP.unit)
GRID_FREQUENCY = of(GRID, "frequency")
GRID_VOLTAGE = of(GRID, "voltage").in_unit(KILOVOLTS, 1e-3)

_OUT = 'state=~"FAULT|OFF"'
MEGAPACK_POWER = of(MEGAPACK, "power").sum()
SOC_MEAN = of(MEGAPACK, "soc").mean()
SOC_LOWEST = of(MEGAPACK, "soc").min()
SOC_HIGHEST = of(MEGAPACK, "soc").max()
MEGAPACK_STATES = of(MEGAPACK, "inverter_state").sum("state")
MEGAPACK_RESERVE = Expr(
    f"sum({of(MEGAPACK, 'energy_available')} unless on (megapack) "
    f"({of(MEGAPACK, 'inverter_state', _OUT)} == 1)) / sum({FACILITY_POWER})",
    SECONDS,
)
"""Of the units that could give it; what a unit in fault holds is out of reach."""
MEGAPACK_MODULE_HEAT = of(MEGAPACK, "module_temperature_max").max()
MEGAPACK_CELL_SPREAD = (
    of(MEGAPACK, "cell_voltage_max").minus(of(MEGAPACK, "cell_voltage_min")).max()
)
MEGAPACK_HEADROOM = of(MEGAPACK, "max_discharge").sum()

GENSET_POWER = of(GENSET, "power").sum()
GENSET_STATES = of(GENSET, "state").sum("state")
GENSET_FUEL = of(GENSET, "fuel_level").min()

ENERGY_PER_STEP = Expr(
    f"avg_over_time({FACILITY_POWER}[5m]) * 60 / on (site) group_right () ({STEPS_PER_MINUTE} > 0)",
    "joule",
).empty_when("no step within five minutes")
"""Of the whole facility."""


def amplitude(selector: Expr, frequency: float, window: str = _WINDOW) -> Expr:
    """Return the amplitude of a power at one frequency: a Fourier coefficient in PromQL.

    The mean is taken off first, as the window is no whole number of periods.

    Args:
        selector: a plain selector of one series, sampled every second.
        frequency: Hz, below half the sampling rate.
        window: over which it is taken.
    """
    angle = f"{2 * pi * frequency:.6f} * time()"
    around = f"({selector} - avg_over_time({selector}[{window}]))"
    real, imaginary = (
        f"avg_over_time(({around} * on () {name}(vector({angle})))[{window}:1s])"
        for name in ("cos", "sin")
    )
    return Expr(f"2 * sqrt({real} ^ 2 + {imaginary} ^ 2)", WATTS)
