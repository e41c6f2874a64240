"""Placement of the jobs: which job each server and GPU of the racks serves.

It comes from the retained messages ``jobs/{rack}``, which a scheduler publishes; until then racks
that are simulated have the jobs of the site file, and those that are measured have none. A server
that several jobs share, or whose job does not run, serves none here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.errors import FrameError
from twin.site import Layout, job_places
from twin.wire import RackJobs

__all__ = ["NO_JOB", "JobPlacement"]

NO_JOB = -1
Numbers = NDArray[np.int64]


class JobPlacement:
    """Jobs on all racks of a site.

    Args:
        layout: the site.

    Attributes:
        servers: number of the job that each server serves, (racks, servers), or ``NO_JOB``.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        site = layout.site
        self.servers: Numbers = np.full((site.racks, site.servers_per_rack), NO_JOB, np.int64)
        self._numbers: dict[str, int] = {}
        for index, place in enumerate(job_places(site)):
            self.servers[place.racks.start : place.racks.stop] = index + 1
            self._numbers[place.name] = index + 1
        for real in site.measured:
            self.servers[real.rack - 1] = NO_JOB
        self._last = self.servers.copy()

    def take(self, rack: int, message: RackJobs | None) -> NDArray[np.bool_]:
        """Take over the jobs of a rack and return its servers that serve another job than before.

        A server that has the same job again, as after a requeue, is none of them. Without a
        message, as where the retained one was deleted, its servers serve none.

        Raises:
            FrameError: it names another rack, or servers that the rack does not have.
        """
        servers = self.servers.shape[1]
        jobs = np.full(servers, NO_JOB, np.int64)
        if message is not None:
            self._read(rack, message, jobs)
        other: NDArray[np.bool_] = (jobs != NO_JOB) & (jobs != self._last[rack])
        self.servers[rack] = jobs
        self._last[rack] = np.where(jobs == NO_JOB, self._last[rack], jobs)
        return other

    def _read(self, rack: int, message: RackJobs, jobs: Numbers) -> None:
        """Write into ``jobs`` what runs on each server of a rack."""
        if message.rack != self._layout.unit_name(UnitKind.RACK, rack):
            raise FrameError("foreign", f"jobs of rack {message.rack[:64]!r} on another's topic")
        servers = len(jobs)
        several = np.zeros(servers, dtype=np.bool_)
        for own in message.allocations:
            if own.server >= servers:
                raise FrameError("shape", f"rack {message.rack} has {servers} servers")
            several[own.server] |= jobs[own.server] not in (NO_JOB, own.job)
            if own.state == "running":
                jobs[own.server] = own.job
                self._name(own.job, own.app, own.name)
        jobs[several] = NO_JOB

    def _name(self, job: int, *names: str) -> None:
        """Take note of the number of a job that tells of itself."""
        for name in names:
            if self._layout.unit_index(UnitKind.JOB, name) is not None:
                self._numbers[name] = job

    def telling(self, rack: int, servers: NDArray[np.bool_]) -> Iterator[int]:
        """Yield the jobs that tell of themselves and have any of these servers of a rack."""
        jobs = self.servers[rack][servers]
        for unit in range(self._layout.units(UnitKind.JOB)):
            if self._numbers.get(self._layout.unit_name(UnitKind.JOB, unit)) in jobs:
                yield unit

    def groups(self) -> Iterator[NDArray[np.bool_]]:
        """Yield the servers of each job, (racks, servers)."""
        for job in np.unique(self.servers):
            if job != NO_JOB:
                yield self.servers == job

    def of_job(self, name: str) -> NDArray[np.bool_]:
        """Return the servers of a job that tells of itself, (racks, servers)."""
        own: NDArray[np.bool_] = self.servers == self._numbers.get(name, NO_JOB - 1)
        return own
