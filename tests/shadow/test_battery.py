"""The observer beside the Megapacks of a hidden reality: their charge, their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, readings
from twin.catalog import DEVICES, MEGAPACK, UnitKind
from twin.plant.megapack import Megapacks
from twin.shadow import RELATIONS, ShadowCore
from twin.shadow.reports import reports
from twin.site import Layout, parse_site
from twin.wire import ShadowReport, Snapshot, SnapshotTable, decode_message

Columns = dict[str, np.ndarray]
_SITE = KNOWN.replace("racks: 6", "racks: 1") + "megapacks: {count: 4}\n"
_HIDDEN = KNOWN.replace("racks: 6", "racks: 1") + (
    "megapacks: {count: 4, energy_joules: 1.35e+10, round_trip_ratio: 0.92, "
    "auxiliary_watts: 3600}\n"
)
_INTERVAL = 7.5


class Batteries:
    """Megapacks of other capacity, losses and consumption than the site file has, and an observer.

    Attributes:
        packs: the reality.
        shadow: the observer.
        second: how far it is.
        wanted: power of all units at a second.
        alter: changes the columns of each unit on their way.
    """

    def __init__(self, seed: int) -> None:
        self.layout = Layout(parse_site(_SITE, "known"))
        hidden = Layout(parse_site(_HIDDEN, "hidden"))
        self.packs = Megapacks(hidden, np.random.default_rng(seed))
        self.shadow = ShadowCore(self.layout)
        own = self.shadow.of_units(UnitKind.MEGAPACK)
        self.shadow.watches = own
        self.second = 0.0
        self.wanted: Callable[[float], float] = lambda _: 0.0
        self.alter: Callable[[int, Columns], None] | None = None
        self._rng = np.random.default_rng([seed, 1])
        self._table = SnapshotTable(self.layout, UnitKind.MEGAPACK)
        self._rows = readings(self.layout, UnitKind.MEGAPACK)

    def run(self, seconds: float) -> Iterator[float]:
        """Let the observer see so many seconds and yield each at which a block ended."""
        units = self.layout.units(UnitKind.MEGAPACK)
        on = np.ones(units, dtype=np.bool_)
        for _ in range(round(seconds / _INTERVAL)):
            swing = 5e4 * self._rng.standard_normal()  # what smooths the steps of a job
            self.packs.sense(on, np.ones(units), 1.0, 60.0, _INTERVAL)
            self.packs.step(self.wanted(self.second) + swing, _INTERVAL)
            self.second += _INTERVAL
            self._table.load({"megapack": self.packs.outputs(1.0, 60.0)})
            ts = 1e9 + self.second
            before = self.shadow.blocks
            self.shadow.take(0, Snapshot(ts, round(ts), {}))
            for unit in range(units):
                self.shadow.take_unit(UnitKind.MEGAPACK, unit, self._frame(unit, ts))
            if self.shadow.blocks > before:
                yield self.second

    def _frame(self, unit: int, ts: float) -> Snapshot:
        exact = self._table.snapshot(unit, ts, round(ts))
        groups = {name: values.copy() for name, values in exact.groups.items()}
        columns = {name: groups[device][row] for name, (device, row, _) in self._rows.items()}
        columns["megapack.soc"][:] = np.round(
            columns["megapack.soc"] + 2e-4 * self._rng.standard_normal(), 3
        )
        columns["megapack.power"] *= 1.0 + 0.005 * self._rng.standard_normal()
        for name in ("megapack.cell_voltage_min", "megapack.cell_voltage_max"):
            columns[name][:] = np.round(columns[name] + 5e-4 * self._rng.standard_normal(), 3)
        if self.alter is not None:
            self.alter(unit, columns)
        return Snapshot(exact.ts, exact.seq, groups)


def _cycle(second: float) -> float:
    """Return a power that discharges all units for an hour and charges them for another."""
    hour = int(second // 3_600) % 3
    return (0.0, 1.2e6, -1.1e6)[hour]


@pytest.fixture(scope="module")
def calibrated() -> Batteries:
    """Return Megapacks that were calibrated and have gone through a twelfth of their charge."""
    batteries = Batteries(3)
    batteries.wanted = _cycle
    for _ in batteries.run(3 * 3_600):
        assert not batteries.shadow.findings
    for own in batteries.shadow.watches.values():
        assert own.own.watching.all()
    return batteries


@pytest.fixture
def known(calibrated: Batteries) -> Batteries:
    """Return them as they go on by themselves; tables are told by identity and stay."""
    kept = (*DEVICES, *RELATIONS, calibrated.layout)
    return deepcopy(calibrated, {id(own): own for own in kept})


def _found(batteries: Batteries, seconds: float) -> tuple[float, list[tuple[str, str]]]:
    """Return when the first finding came, and what stands at the end."""
    began, first = batteries.second, list[float]()
    for second in batteries.run(seconds):
        if batteries.shadow.findings:
            first.append(second - began)
    return min(first, default=float("inf")), [
        (own.cause, own.place) for own in batteries.shadow.findings
    ]


@pytest.mark.full
def test_healthy_hours_with_other_losses_are_silent(known: Batteries) -> None:
    """With another capacity, efficiency and consumption than the site file has, hours are quiet."""
    for second in known.run(3 * 3_600):
        assert not known.shadow.findings, (second, known.shadow.findings)
    assert all(own.covered.all() for own in known.shadow.watches.values())


def test_charge_that_reads_too_much_is_named(known: Batteries) -> None:
    """A state of charge that jumps by one point is found in minutes, by its size."""

    def jump(unit: int, columns: Columns) -> None:
        columns["megapack.soc"] += 0.01 * (unit == 1)

    known.alter = jump
    first, found = _found(known, 1_800)
    assert first <= 300
    assert found == [("charge_sensor", "mp002")]
    assert known.shadow.findings[0].residual == pytest.approx(0.01, abs=0.002)


def test_lost_string_is_named_once_the_charge_moves(known: Batteries) -> None:
    """A unit with 12 % less capacity shows nothing at rest, and is named as it discharges."""
    known.packs.capacity[2] *= 0.88
    _, found = _found(known, 3_600)
    assert not found
    first, found = _found(known, 3_600)
    assert first <= 2_700
    assert found == [("capacity_lost", "mp003")]
    assert known.shadow.findings[0].ratio == pytest.approx(1.0 / 0.88 - 1.0, abs=0.05)


def test_charge_that_is_stuck_is_named(known: Batteries) -> None:
    """A reading that stands still while the unit discharges is told from a wrong one."""
    stuck = known.packs.soc[0]

    def hold(unit: int, columns: Columns) -> None:
        if unit == 0:
            columns["megapack.soc"][:] = stuck

    _found(known, 3_600)
    known.alter = hold
    first, found = _found(known, 1_800)
    assert first <= 900
    assert found == [("charge_stuck", "mp001")]


def test_weak_cell_is_named(known: Batteries) -> None:
    """A cell that falls 15 mV below the others is found within minutes."""

    def sag(unit: int, columns: Columns) -> None:
        columns["megapack.cell_voltage_min"] -= 0.015 * (unit == 3)

    known.alter = sag
    first, found = _found(known, 900)
    assert first <= 300
    assert found == [("weak_cell", "mp004")]


def test_without_counters_the_power_tells_it(known: Batteries) -> None:
    """A unit that has no counters of energy is judged by its power; one without both is not."""

    def without(unit: int, columns: Columns) -> None:
        for name in ("megapack.charged_energy", "megapack.discharged_energy"):
            columns[name][:] = np.nan
        if unit == 2:
            columns["megapack.power"][:] = np.nan

    known.alter = without
    _, found = _found(known, 1_800)
    assert not found
    covered = known.shadow.watches["megapack_charge"].covered[:, 0]
    assert covered.tolist() == [True, True, False, True]


def test_report_tells_of_units_beside_racks() -> None:
    """Relations of Megapacks are told with those of the site's meters, one device a unit."""
    layout = Layout(parse_site(_SITE, "known"))
    *_, site = reports(ShadowCore(layout))
    relations = {own.relation: own for own in decode_message(ShadowReport, site.payload).relations}
    assert relations["megapack_charge"].devices == layout.units(MEGAPACK.frame)
