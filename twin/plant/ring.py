"""Ring of servers: the send order within a job."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.site import Layout, job_places

__all__ = ["Ring"]

_T = TypeVar("_T", bound=np.generic)


class Ring:
    """Neighbours of all servers; arrays begin with the axis of the servers.

    Each NIC sends to the same NIC of the job's next server, as a ring all-reduce over rails
    does, and the last server of a job to its first. A server without a job has itself.
    """

    def __init__(self, layout: Layout) -> None:
        size = layout.site.servers_per_rack
        self._next = np.arange(layout.site.servers)
        self._previous = self._next.copy()
        places = job_places(layout.site)
        for job in places:
            servers = np.arange(job.racks.start * size, job.racks.stop * size)
            self._next[servers] = np.roll(servers, -1)
            self._previous[servers] = np.roll(servers, 1)
        self._one = [job.racks for job in places] == [range(layout.site.racks)]

    def join(self, first: int, groups: NDArray[np.int32]) -> None:
        """Make rings of the servers of scheduled jobs anew.

        Args:
            first: the first server that the scheduler has.
            groups: (servers from there on,): the job of each server, negative for none.
        """
        servers = np.arange(first, first + groups.size)
        self._next[first:] = self._previous[first:] = servers
        order = np.argsort(groups, kind="stable")
        order = order[groups[order] >= 0]
        if not order.size:
            return
        jobs = groups[order]
        begins = np.concatenate(([True], jobs[1:] != jobs[:-1]))
        firsts = order[begins][np.cumsum(begins) - 1]
        ends = np.append(begins[1:], True)
        following = np.where(ends, firsts, np.roll(order, -1))
        self._next[first + order] = first + following
        self._previous[first + following] = first + order

    def of_next(self, values: NDArray[_T]) -> NDArray[Any]:
        """Return, for each server, the values of the one that it sends to."""
        # Around the whole site a shift does, which is faster.
        return np.concatenate((values[1:], values[:1])) if self._one else values[self._next]

    def of_previous(self, values: NDArray[_T]) -> NDArray[Any]:
        """Return, for each server, the values of the one that it is sent by."""
        return np.concatenate((values[-1:], values[:-1])) if self._one else values[self._previous]
