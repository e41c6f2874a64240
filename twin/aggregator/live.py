"""History for the live page: meters of the last minutes, and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.events import EventLog
from twin.aggregator.history import MeterHistory
from twin.aggregator.store import Store
from twin.catalog import FACILITY, GENSET, GRID, JOB, MEGAPACK, DeviceClass, UnitKind
from twin.site import Layout
from twin.wire import Topics

__all__ = ["Chart", "Live", "MeterLine", "charts_of"]

_MOST_JOBS = 6
"""Jobs that have a line of their own; more could not be distinguished."""
_PERCENT = (0.0, 100.0)
_QUIET_SHARE = 0.05
"""Of the grid's limit: a swing or a ramp so small fills only part of its axis."""
_QUIET_HERTZ = 0.05
"""Likewise of the frequency: half of what interconnections call a deviation."""


@dataclass(frozen=True, slots=True)
class MeterLine:
    """One line over time.

    Attributes:
        key: its name, unique on the site.
        label: its name for people.
        unit: unit of the values as sent.
        decimals: decimals that are sent.
        read: returns the present value, NaN where no value is reported.
        right: whether it is drawn by the right axis.
        bounds: the axis reaches at least from the one to the other; None for no such wish.
    """

    key: str
    label: str
    unit: str
    decimals: int
    read: Callable[[Store], float]
    right: bool = False
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines that are drawn together.

    Attributes:
        key: its name.
        title: its name for people.
        lines: the lines.
    """

    key: str
    title: str
    lines: tuple[MeterLine, ...]


def charts_of(layout: Layout) -> tuple[Chart, ...]:
    """Return the charts of a site, without those of equipment that it does not have."""
    charts = (_power(layout), _megapacks(layout), _grid(layout), _jobs(layout))
    return tuple(chart for chart in charts if chart.lines)


def _power(layout: Layout) -> Chart:
    lines = [
        MeterLine("it_power", "IT", "W", 0, _sum(FACILITY, "it_power"), bounds=(0.0, 0.0)),
        MeterLine("grid_power", "grid import", "W", 0, _sum(GRID, "power")),
    ]
    if layout.units(UnitKind.GENSET):
        lines.append(MeterLine("genset_power", "generators", "W", 0, _sum(GENSET, "power")))
    return Chart("power", "Site power", tuple(lines))


def _megapacks(layout: Layout) -> Chart:
    lines = (
        MeterLine("megapack_power", "output", "W", 0, _sum(MEGAPACK, "power"),
                  bounds=_quiet(layout)),
        MeterLine("megapack_soc", "charge", "%", 2, _mean(MEGAPACK, "soc", 100.0), right=True,
                  bounds=_PERCENT),
    )  # fmt: skip
    return Chart("megapack", "Megapacks", lines if layout.units(UnitKind.MEGAPACK) else ())


def _grid(layout: Layout) -> Chart:
    nominal = layout.site.grid.frequency_hertz
    lines = (
        MeterLine("grid_frequency", "frequency", "Hz", 3, _mean(GRID, "frequency"),
                  bounds=(nominal - _QUIET_HERTZ, nominal + _QUIET_HERTZ)),
        MeterLine("grid_ramp", "ramp", "W/s", 0, _sum(GRID, "ramp"), right=True,
                  bounds=_quiet(layout)),
    )  # fmt: skip
    return Chart("grid", "Grid", lines)


def _jobs(layout: Layout) -> Chart:
    jobs = range(min(layout.units(UnitKind.JOB), _MOST_JOBS))
    single = len(jobs) == 1
    steps = [
        MeterLine(f"step_seconds_{job}", "step" if single else layout.unit_name(UnitKind.JOB, job),
                  "s", 2, _of(JOB, "step_seconds", job), bounds=(0.0, 0.0))
        for job in jobs
    ]  # fmt: skip
    goodput = MeterLine("goodput", "goodput", "%", 2, _mean(JOB, "goodput", 100.0), right=True,
                        bounds=_PERCENT)  # fmt: skip
    title = "Training job" if single else "Training jobs, time a step"
    return Chart("job", title, (*steps, goodput) if jobs else ())


def _quiet(layout: Layout) -> tuple[float, float]:
    """Return the bounds of an axis on which a swing of the grid's load that is small looks so."""
    swing = _QUIET_SHARE * layout.site.grid.limit_watts
    return -swing, swing


class Live:
    """The memory of the live page.

    Attributes:
        charts: what the history's columns are, chart by chart.
        history: one column a line, in the order of the charts.
        watch: the events.
        pulse: topic whose frames close a tick of the emulator; each gives one row.
    """

    def __init__(self, store: Store, announced: EmulatorRegistry) -> None:
        layout = store.layout
        self.charts = charts_of(layout)
        self._store = store
        self._lines = [line for chart in self.charts for line in chart.lines]
        self.history = MeterHistory(len(self._lines))
        self.watch = EventLog(store, announced)
        # The grid's frame comes after those of the racks of the same tick.
        self.pulse = Topics(layout.site.name).frame(
            UnitKind.GRID, layout.unit_name(UnitKind.GRID, 0)
        )

    def sample(self) -> None:
        """Take over the meters' present values."""
        units = self._store.units[UnitKind.GRID]
        if units.reporting.any():  # a shard may have none
            self.history.add(float(units.ts[0]), [line.read(self._store) for line in self._lines])

    def look(self, connected: bool, ts: float | None) -> None:
        """Notice what happened since the last look."""
        self.watch.look(connected, ts)

    def rows(self, since: float | None) -> tuple[list[float], list[list[float | None]]]:
        """Return the times and the columns of the rows newer than ``since``, rounded."""
        times, values = self.history.since(since)
        columns = [
            _known(np.round(column, line.decimals))
            for line, column in zip(self._lines, values, strict=True)
        ]
        return times.tolist(), columns


def _known(values: NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _sum(device: DeviceClass, signal: str) -> Callable[[Store], float]:
    def read(store: Store) -> float:
        values = store.column(device, signal)
        finite = values[np.isfinite(values)]
        return float(finite.sum()) if finite.size else float("nan")

    return read


def _mean(device: DeviceClass, signal: str, scale: float = 1.0) -> Callable[[Store], float]:
    def read(store: Store) -> float:
        values = store.column(device, signal)
        finite = values[np.isfinite(values)]
        return scale * float(finite.mean()) if finite.size else float("nan")

    return read


def _of(device: DeviceClass, signal: str, unit: int) -> Callable[[Store], float]:
    def read(store: Store) -> float:
        return float(store.column(device, signal)[unit, 0])

    return read
