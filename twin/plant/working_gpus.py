"""GPUs as the jobs on them see them: which work, how fast, and how busy they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.plant.gpu_errors import GpuErrors
from twin.plant.nvlink import NvLinks
from twin.plant.units import Floats
from twin.plant.workload import Demand, Level

__all__ = ["WorkingGpus"]

_ALL = slice(None)
_SAVING_UTILIZATION = 0.03
"""Utilisation of the rank that writes a checkpoint (measured); the others spin at 1."""


class WorkingGpus:
    """The part of the GPUs' state that decides on the pace of jobs; arrays as in :class:`Gpus`."""

    attached: NDArray[np.bool_]
    clock: Floats
    die: Floats
    per_server: int
    errors: GpuErrors
    links: NvLinks
    _slowed: bool
    _dead: NDArray[np.bool_] | None
    _hung: NDArray[np.bool_] | None

    def _per_gpu(self, servers: NDArray[Any]) -> NDArray[Any]:
        """Return values of servers spread to their GPUs; those of all or of GPUs as they are."""
        if servers.shape in ((1, 1), self.die.shape):
            return servers
        return servers.repeat(self.per_server, axis=1)

    def _of_gpus(self, level: Level) -> Level:
        """Return a level as one that goes with arrays of GPUs."""
        if isinstance(level, np.ndarray) and level.shape[1] > 1:
            return self._per_gpu(level)
        return level

    def _pace_in(self, racks: slice = _ALL) -> Floats:
        """Return the pace of every GPU of these racks: its clock, and its links with errors."""
        clock, pace = self.clock[racks], self.links.pace
        return clock if pace is None else clock * pace[racks]

    @property
    def speed(self) -> float:
        """Pace of the slowest GPU that works."""
        return self.speed_in(_ALL)

    def speed_in(self, racks: slice) -> float:
        """Return the pace of the slowest GPU of these racks, which paces a synchronous job."""
        if not self._slowed and self.links.pace is None:
            return 1.0
        pace = self._pace_in(racks)[~self._lost_in(racks)]
        return float(pace.min()) if pace.size else 1.0

    @property
    def missing(self) -> int:
        """GPUs without which a job cannot go on: off the bus, failed or hanging."""
        return self.missing_in(_ALL)

    @property
    def lost(self) -> NDArray[np.bool_]:
        """GPUs that do nothing for their job, (racks, GPUs a rack)."""
        return self._lost_in(_ALL)

    @property
    def paces(self) -> Floats | None:
        """Pace of every GPU over its full one, None where all have it."""
        return self._pace_in() if self._slowed or self.links.pace is not None else None

    def missing_in(self, racks: slice) -> int:
        """Return how many GPUs of these racks are missing."""
        return int(np.count_nonzero(self._lost_in(racks)))

    def _lost_in(self, racks: slice) -> NDArray[np.bool_]:
        """Return which GPUs of these racks contribute nothing to their job."""
        stopped = self._stopped
        lost: NDArray[np.bool_] = ~self.attached[racks]
        return lost if stopped is None else lost | stopped[racks]

    def aborted_in(self, racks: slice) -> bool:
        """Whether an error has just ended the application on a GPU of these racks."""
        aborted = self.errors.aborted
        return aborted is not None and bool(aborted[racks].any())

    @property
    def _stopped(self) -> NDArray[np.bool_] | None:
        """GPUs that do no work, or None where all can."""
        stopped = [own for own in (self._dead, self._hung) if own is not None]
        return np.logical_or.reduce(stopped) if stopped else None

    def utilization(self, demand: Demand) -> Floats:
        """Return the share of the time in which a kernel is resident."""
        busy = np.full(self.die.shape, demand.busy)
        saving = np.ravel(demand.saving)
        busy[: saving.size, 0] -= (1.0 - _SAVING_UTILIZATION) * saving
        if self._dead is not None:
            busy[self._dead] = 0.0
        if self._hung is not None:
            busy[self._hung] = 1.0
        return busy
