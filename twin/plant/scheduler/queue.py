"""Queue of a scheduler: order of placement, preemption and backfill."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.parameters import JobMixParameters
from twin.plant.scheduler.placement import IDLE, Places, place
from twin.plant.scheduler.statistics import SchedulerStatistics
from twin.plant.scheduler.table import BatchState, JobTable, WaitReason
from twin.plant.units import Floats

__all__ = ["Queue"]

_DEPTH = 64
"""Jobs behind the first that does not fit that are tried in one cycle."""
_MOST_VICTIMS = 64
"""Jobs that a single one may preempt."""

_Chosen = tuple[Places, Places]


class Queue:
    """Decides which jobs get which GPUs.

    The job of the highest priority is first, and of two equals the older one. A job that does
    not fit may preempt those of lower priority that are preemptible. Behind the first that
    waits, another may start if it ends by the time at which that one can, or leaves it enough
    GPUs (EASY backfill, as Slurm's; Kubernetes' queues let smaller jobs pass in the same way).
    Jobs of a kind that has as many GPUs as it may are passed over.

    Args:
        table: the jobs.
        mix: their kinds.
        arrays: the array of each server.
        statistics: in which cycles are counted.
    """

    def __init__(
        self,
        table: JobTable,
        mix: tuple[JobMixParameters, ...],
        arrays: Places,
        statistics: SchedulerStatistics,
    ) -> None:
        self._table = table
        self._statistics = statistics
        self._preemptible: NDArray[np.bool_] = np.array([kind.preemptible for kind in mix])
        self._arrays = arrays
        most = [np.inf if kind.most_gpus is None else kind.most_gpus for kind in mix]
        self._most: Floats = np.array(most)
        self._limited = bool(np.isfinite(self._most).any())

    def cycle(
        self,
        owner: NDArray[np.int32],
        usable: NDArray[np.bool_],
        time: float,
        start: Callable[[int, _Chosen], None],
        evict: Callable[[int], None],
    ) -> None:
        """Start what fits.

        Args:
            owner: (servers, GPUs a server), row of the job that has a GPU; ``start`` and
                ``evict`` change it.
            usable: (servers,): servers that take jobs.
            time: in s.
            start: gives a job its GPUs.
            evict: takes a job's GPUs away and requeues it.
        """
        table = self._table
        waiting = np.nonzero((table.state == BatchState.PENDING) & (table.until <= time))[0]
        order = waiting[np.lexsort((table.number[waiting], -table.priority[waiting]))]
        room = self._room(owner)
        shadow: tuple[float, int] | None = None
        too_large, tried = np.inf, 0
        seen, behind, attempts, passed = 0, 0, 0, 0
        for row in order.tolist():
            seen += 1
            behind += shadow is not None
            gpus = int(table.gpus[row])
            if gpus > room[table.kind[row]]:
                table.reason[row] = WaitReason.LIMIT
                continue
            if tried >= _DEPTH or gpus >= too_large:
                table.reason[row] = WaitReason.PRIORITY
                continue
            chosen = None
            if shadow is None or self._may_pass(row, shadow, time):
                attempts += shadow is not None
                chosen = place(owner, usable, self._arrays, gpus)
                if chosen is None:
                    chosen = self._preempted(row, owner, usable, evict)
                too_large = gpus if chosen is None else too_large
            if chosen is not None:
                start(row, chosen)
                room[table.kind[row]] -= gpus
                passed += shadow is not None
                if shadow is not None and time + table.limit[row] > shadow[0]:
                    shadow = (shadow[0], shadow[1] - gpus)
                continue
            tried += 1
            table.reason[row] = WaitReason.RESOURCES if shadow is None else WaitReason.PRIORITY
            if shadow is None:
                shadow = self._shadow(row, owner, usable)
        told, first = self._statistics, seen - behind
        told.main.count(time, first, first, len(order))
        told.backfilled += passed
        if shadow is not None:
            told.backfill.count(time, behind, attempts, behind)

    def _room(self, owner: NDArray[np.int32]) -> Floats:
        """Return the GPUs that jobs of each kind may still get, infinite where none has a limit."""
        if not self._limited:
            return self._most.copy()
        kinds = self._table.kind[owner[owner >= 0]]
        left: Floats = self._most - np.bincount(kinds, minlength=self._most.size)
        return left

    def _may_pass(self, row: int, shadow: tuple[float, int], time: float) -> bool:
        ends = time + self._table.limit[row] - self._table.done[row]
        return bool(ends <= shadow[0]) or int(self._table.gpus[row]) <= shadow[1]

    def _shadow(
        self, row: int, owner: NDArray[np.int32], usable: NDArray[np.bool_]
    ) -> tuple[float, int]:
        """Return when a job can start at the latest, and how many GPUs are left over then."""
        table = self._table
        wanted = int(table.gpus[row]) - int(((owner == IDLE) & usable[:, None]).sum())
        holders = np.unique(owner[owner >= 0])
        ends = table.start[holders] + table.limit[holders]
        order = np.argsort(ends)
        freed = np.cumsum(table.gpus[holders][order])
        enough = int(np.searchsorted(freed, wanted))
        if enough >= freed.size:
            return np.inf, 0
        return float(ends[order][enough]), int(freed[enough]) - wanted

    def _preempted(
        self,
        row: int,
        owner: NDArray[np.int32],
        usable: NDArray[np.bool_],
        evict: Callable[[int], None],
    ) -> _Chosen | None:
        """Return the GPUs that a job gets by preemption, after evicting those that have them."""
        table = self._table
        holders = np.unique(owner[owner >= 0])
        lower = table.priority[holders] < table.priority[row]
        victims = holders[lower & self._preemptible[table.kind[holders]]]
        if not victims.size:
            return None
        # The least important go first, and of those the ones that have computed least.
        order = np.lexsort((-table.start[victims], table.priority[victims]))
        victims = victims[order][:_MOST_VICTIMS]
        spared = np.where(np.isin(owner, victims), np.int32(IDLE), owner)
        if place(spared, usable, self._arrays, int(table.gpus[row])) is None:
            return None
        for count in range(1, victims.size + 1):
            spared = np.where(np.isin(owner, victims[:count]), np.int32(IDLE), owner)
            chosen = place(spared, usable, self._arrays, int(table.gpus[row]))
            if chosen is not None:
                for victim in np.unique(owner[chosen]).tolist():
                    if victim >= 0:
                        evict(victim)
                return chosen
        return None
