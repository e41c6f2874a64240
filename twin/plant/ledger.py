"""What the facility knows of the halls' draw when shards report it.

Whatever is known of an array last stands: a shard that has died has taken its emulator with
it, not its racks, and the grid must not see half a site vanish. Arrays that nobody ever
reported are taken to draw like the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.plant.hall_facility_link import Flows, LoadReport, worst
from twin.plant.units import Floats
from twin.plant.workload import Health
from twin.site import Layout

__all__ = ["Ledger", "Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """What the halls of a shard drew in one tick.

    Attributes:
        arrays: those that it steps, by their index on the site.
        owned: those of them that it speaks for.
        flows: of all that it steps, one for each step that the tick was cut into.
        draw: what it asks for after the last step; the spines' bytes are those of the tick,
            the racks those of ``arrays``.
    """

    arrays: tuple[int, ...]
    owned: tuple[int, ...]
    flows: tuple[Flows, ...]
    draw: LoadReport


@dataclass(slots=True)
class _Entry:
    report: Report
    tick: int
    racks: NDArray[np.intp]
    base: float
    """Planned power of its racks that were fed when it reported, in W."""


class Ledger:
    """The last report of every shard, and what they add up to.

    Args:
        layout: the whole site.
        sample: what some racks of it draw, for as long as nobody reports.
        racks: those racks.
    """

    def __init__(self, layout: Layout, sample: LoadReport, racks: Sequence[int]) -> None:
        site = layout.site
        self._layout = layout
        self._planned = np.array(
            [site.rack_power_watts(layout.gpu_model(rack)) for rack in range(site.racks)]
        )
        self._array_of = np.arange(site.racks) // site.racks_per_array
        share = float(self._planned.sum() / self._planned[list(racks)].sum())
        self._sample = replace(
            sample,
            flows=Flows.total([(sample.flows, share)]),
            racks=self._planned * float(sample.racks.sum() / self._planned[list(racks)].sum()),
        )
        self._entries: dict[str, _Entry] = {}
        self.assumed = site.racks
        """Racks whose draw was not reported for the last tick that was added up."""

    def hear(self, source: str, report: Report, tick: int, powered: NDArray[np.bool_]) -> None:
        """Take over a report.

        Args:
            source: name of the shard.
            report: what it drew.
            tick: number of the tick.
            powered: racks that the energy management fed in it.
        """
        racks = np.nonzero(np.isin(self._array_of, report.arrays))[0]
        base = float(self._planned[racks][powered[racks]].sum())
        self._entries[source] = _Entry(report, tick, racks, base)

    def missing(self, tick: int) -> bool:
        """Whether a shard that reported the tick before has not reported this one yet."""
        return any(entry.tick == tick - 1 for entry in self._entries.values())

    def complete(self, tick: int) -> bool:
        """Whether every array of the site is spoken for in this tick."""
        owned = {
            array
            for entry in self._entries.values()
            if entry.tick >= tick
            for array in entry.report.owned
        }
        return len(owned) == self._layout.site.arrays

    def draws(self, tick: int, parts: int, powered: NDArray[np.bool_]) -> list[LoadReport]:
        """Return what all halls of the site drew together, one for each step of a tick.

        Args:
            tick: number of the tick.
            parts: steps that it is cut into.
            powered: racks that are fed now.
        """
        owners = self._owners()
        owned = [
            np.isin(self._array_of, [a for a, o in owners.items() if o == s]) for s in self._entries
        ]
        entries = list(self._entries.values())
        weights = [
            self._weight(e, own, tick, powered) for e, own in zip(entries, owned, strict=True)
        ]
        covered = np.any(owned, axis=0) if owned else np.zeros(self._planned.shape, dtype=np.bool_)
        fresh = [own for e, own in zip(entries, owned, strict=True) if e.tick >= tick]
        self.assumed = int((~np.any(fresh, axis=0)).sum()) if fresh else covered.size
        more = self._more(covered, powered)
        racks = self._racks(entries, owned, tick, powered)
        into, from_ = self._spines(entries, weights)
        healths, ports = self._jobs(entries, tick)
        return [
            LoadReport(
                self._flows(entries, weights, more, part, parts),
                racks, into / parts, from_ / parts, healths, ports,
            )
            for part in range(parts)
        ]  # fmt: skip

    def _owners(self) -> dict[int, str]:
        """Return who speaks for each array: whoever did last."""
        owners: dict[int, str] = {}
        for source, entry in sorted(self._entries.items(), key=lambda item: item[1].tick):
            owners |= dict.fromkeys(entry.report.owned, source)
        # Who speaks for nothing any more is forgotten.
        self._entries = {s: e for s, e in self._entries.items() if s in set(owners.values())}
        return owners

    def _weight(
        self, entry: _Entry, owned: NDArray[np.bool_], tick: int, powered: NDArray[np.bool_]
    ) -> float:
        """Return how many times a report counts: once, if it still says all and no more."""
        own = entry.racks[owned[entry.racks]]
        if entry.tick >= tick:
            whole = float(self._planned[entry.racks].sum())
            return float(self._planned[own].sum()) / whole if whole else 0.0
        # The racks of a silent shard can still be shed.
        return float(self._planned[own][powered[own]].sum()) / entry.base if entry.base else 0.0

    def _more(self, covered: NDArray[np.bool_], powered: NDArray[np.bool_]) -> tuple[float, float]:
        """Return how many times what is reported, or else the sample, counts in addition."""
        rest = float(self._planned[~covered & powered].sum())
        known = float(self._planned[covered].sum())
        return (rest / known, 0.0) if known else (0.0, rest / float(self._planned.sum()))

    def _flows(
        self,
        entries: Sequence[_Entry],
        weights: Sequence[float],
        more: tuple[float, float],
        part: int,
        parts: int,
    ) -> Flows:
        known = [
            (_part(entry.report.flows, part, parts), weight * (1.0 + more[0]))
            for entry, weight in zip(entries, weights, strict=True)
        ]
        return Flows.total([*known, (self._sample.flows, more[1])] if more[1] else known)

    def _racks(
        self,
        entries: Sequence[_Entry],
        owned: Sequence[NDArray[np.bool_]],
        tick: int,
        powered: NDArray[np.bool_],
    ) -> Floats:
        racks: Floats = np.where(powered, self._sample.racks, 0.0)
        for entry, own in zip(entries, owned, strict=True):
            mine = own[entry.racks]
            values = entry.report.draw.racks
            if entry.tick < tick:
                values = np.where(powered[entry.racks], values, 0.0)
            racks[entry.racks[mine]] = values[mine]
        return racks

    def _spines(self, entries: Sequence[_Entry], weights: Sequence[float]) -> tuple[Floats, Floats]:
        shape = (self._layout.fabric.planes, self._layout.fabric.spines)
        into: Floats = np.zeros(shape)
        from_: Floats = np.zeros(shape)
        for entry, weight in zip(entries, weights, strict=True):
            into = into + weight * entry.report.draw.into_spines
            from_ = from_ + weight * entry.report.draw.from_spines
        return into, from_

    def _jobs(
        self, entries: Sequence[_Entry], tick: int
    ) -> tuple[tuple[Health, ...], tuple[int, ...]]:
        """Return the health of each job, and its ports that reach the storage."""
        if not entries:
            return self._sample.healths, self._sample.storage_ports
        jobs = range(len(self._layout.jobs))
        healths = tuple(
            worst(
                [
                    # That an application has just ended is news once only.
                    health if entry.tick >= tick else replace(health, crashing=False)
                    for entry in entries
                    for health in (entry.report.draw.healths[job],)
                ]
            )
            for job in jobs
        )
        ports = tuple(sum(e.report.draw.storage_ports[job] for e in entries) for job in jobs)
        return healths, ports


def _part(flows: Sequence[Flows], part: int, parts: int) -> Flows:
    """Return the flows of one step of a tick that a shard may have cut otherwise."""
    if len(flows) == parts:
        return flows[part]
    return Flows.total([(own, 1.0 / len(flows)) for own in flows])
