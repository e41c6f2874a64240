"""Energy: load, grid, Megapacks and generators."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREEN, GREY, ORANGE, PURPLE, YELLOW
from twin.grafana.panel_parts import Query
from twin.grafana.panels import bars, numbers, states, timeline
from twin.grafana.queries import energy as q

__all__ = ["rows"]

_SECOND = "1s"


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _balance(), _spectrum(), _grid(), _storage(), _generators()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Facility", "Power of the whole facility.", [Query(q.FACILITY_POWER)],
            width=3, decimals=2,
        ),
        numbers(
            "Grid",
            "Import as a share of the contracted limit.",
            [Query(q.GRID_USE)],
            width=3,
            steps=colors.rising(1, 0.95),
            decimals=1,
        ),
        numbers(
            "PUE",
            "Power usage effectiveness: facility power over IT power (ISO/IEC 30134-2), of the "
            "last half hour.",
            [Query(q.PUE)],
            unit="none",
            width=3,
            decimals=3,
        ),
        numbers(
            "Charge",
            "Mean state of charge of the Megapacks.",
            [Query(q.SOC_MEAN)],
            width=3,
            steps=colors.falling(limit.MEGAPACK_CHARGE, 0.3),
            decimals=1,
        ),
        numbers(
            "Reserve",
            "Time for which the Megapacks alone could carry the present load; units in fault do "
            "not count.",
            [Query(q.MEGAPACK_RESERVE)],
            width=3,
            steps=colors.falling(limit.MEGAPACK_RESERVE, 1800),
            decimals=1,
        ),
        numbers(
            "Energy a step",
            "Energy of the whole facility for one optimizer step, over five minutes.",
            [Query(q.ENERGY_PER_STEP)],
            width=3,
            decimals=2,
            nothing="no step in 5 minutes",
        ),
        numbers(
            "Unserved",
            "Demand without a source.",
            [Query(q.UNSERVED_POWER)],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
        numbers(
            "Racks shed",
            "Racks that are switched off for lack of power.",
            [Query(q.SHED_RACKS)],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
    ]  # fmt: skip


def _balance() -> Row:
    return "Balance", [
        timeline(
            "What carries the load",
            "The facility's demand and its sources: the Megapacks absorb the swing (positive: "
            "discharging), the grid supplies the mean.",
            [
                Query(q.FACILITY_POWER, "facility", ORANGE),
                Query(q.MEGAPACK_POWER, "Megapacks", GREEN),
                Query(q.GENSET_POWER, "generators", PURPLE),
                Query(q.GRID_IMPORT, "grid import", BLUE, bold=True),
                Query(q.GRID_LIMIT, "grid limit", GREY, dashed=True),
            ],
            width=14,
            height=9,
            table=True,
            every=_SECOND,
        ),
        timeline(
            "Where the power goes",
            "IT equipment, cooling, and losses of transformers and cables.",
            [
                Query(q.IT_POWER, "IT", YELLOW),
                Query(q.COOLING_POWER, "cooling", BLUE),
                Query(q.LOSS_POWER, "losses", GREY),
            ],
            width=10,
            height=9,
            table=True,
            least=0,
        ),
    ]


def _spectrum() -> Row:
    spectrum = {
        "load": [Query(q.amplitude(q.FACILITY_POWER, f), f"{f:g}") for f in q.FREQUENCIES],
        "grid": [Query(q.amplitude(q.GRID_POWER, f), f"{f:g}") for f in q.FREQUENCIES],
    }
    return "Swing and its spectrum", [
        timeline(
            "Swing within a minute",
            "Peak to peak of the last minute, before and after the Megapacks smooth it.",
            [
                Query(q.FACILITY_SWING, "facility", ORANGE),
                Query(q.GRID_SWING, "grid", BLUE, bold=True),
            ],
            width=8,
            least=0,
            every=_SECOND,
        ),
        bars(
            "Spectrum of the load, by Hz",
            "Amplitude of the facility's power by frequency in Hz, over two minutes. A training "
            "step of 10.6 s swings at 0.094 Hz and its multiples; utilities watch 0.1 Hz and up.",
            spectrum["load"],
            width=8,
            steps=((None, ORANGE),),
            upright=True,
            decimals=1,
        ),
        bars(
            "Spectrum of the grid import, by Hz",
            "The same spectrum for the grid import, after the Megapacks.",
            spectrum["grid"],
            width=8,
            steps=((None, BLUE),),
            upright=True,
            decimals=1,
        ),
        timeline(
            "Oscillation of the load, by band",
            "Root mean square of the last minute by frequency band, up to the 20 Hz that grid "
            "operators watch: lines below 1 Hz, nearby power plants up to 2.5 Hz, turbine shafts "
            "from 7 Hz.",
            [Query(q.FACILITY_OSCILLATION, "{{band}}")],
            width=12,
            least=0,
            every=_SECOND,
        ),
        timeline(
            "Oscillation of the grid import, by band",
            "The same for the import: the Megapacks absorb what is slower than their inverters.",
            [Query(q.GRID_OSCILLATION, "{{band}}")],
            width=12,
            least=0,
            every=_SECOND,
        ),
    ]


def _grid() -> Row:
    return "Grid", [
        timeline(
            "Ramp",
            "Rate of change of the import, and the limit of the alert rule.",
            [
                Query(q.GRID_RAMP, "ramp", BLUE),
                Query(q.GRID_RAMP_LIMIT, "limit", GREY, dashed=True),
            ],
            width=6,
            every=_SECOND,
        ),
        timeline(
            "Frequency",
            "Frequency of the grid: 59.5 to 60.5 Hz is its normal range.",
            [Query(q.GRID_FREQUENCY, "feed {{feed}}")],
            width=6,
            every=_SECOND,
        ),
        timeline(
            "Voltage",
            "Line voltage at the site's grid connection.",
            [Query(q.GRID_VOLTAGE, "feed {{feed}}")],
            width=6,
        ),
        timeline(
            "Use of the limit",
            "Import as a share of the contracted limit.",
            [Query(q.GRID_USE, "import", BLUE)],
            width=6,
            least=0,
            most=1,
        ),
    ]


def _storage() -> Row:
    return "Megapacks", [
        timeline(
            "State of charge",
            "The controller keeps it near its target; below 10 % a unit stops discharging.",
            [
                Query(q.SOC_HIGHEST, "highest", GREY),
                Query(q.SOC_MEAN, "mean", GREEN),
                Query(q.SOC_LOWEST, "lowest", ORANGE),
            ],
            width=6,
            least=0,
            most=1,
            limit=limit.MEGAPACK_CHARGE.value,
        ),
        timeline(
            "Power and headroom",
            "Power that the Megapacks give (positive) or take, and the maximum that they can give.",
            [
                Query(q.MEGAPACK_POWER, "power", GREEN),
                Query(q.MEGAPACK_HEADROOM, "could give", GREY, dashed=True),
            ],
            width=6,
            every=_SECOND,
        ),
        states(
            "Inverters",
            "Megapacks by the state of their inverter.",
            Query(q.MEGAPACK_STATES, "{{state}}"),
            width=6,
        ),
        timeline(
            "Cells and modules",
            "Hottest module (left), and largest spread of cell voltages in a unit (right).",
            [
                Query(q.MEGAPACK_MODULE_HEAT, "hottest module", ORANGE),
                Query(q.MEGAPACK_CELL_SPREAD, "cell spread", BLUE, right=True),
            ],
            width=6,
            least=10,
        ),
    ]


def _generators() -> Row:
    return "Generators", [
        states(
            "Generators",
            "Generators by state. Standby is normal; they start when the grid fails.",
            Query(q.GENSET_STATES, "{{state}}"),
            width=8,
        ),
        timeline(
            "Power",
            "Power of all generators.",
            [Query(q.GENSET_POWER, "generators", PURPLE)],
            width=8,
            least=0,
        ),
        timeline(
            "Fuel",
            "The emptiest tank.",
            [Query(q.GENSET_FUEL, "lowest", BLUE)],
            width=8,
            least=0,
            most=1,
            limit=limit.GENSET_FUEL.value,
        ),
    ]
