"""Nodes as the scheduler sees them: in service, draining, drained or down."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from twin.parameters import SchedulerParameters
from twin.plant.units import Floats

__all__ = ["NodeCause", "NodeHealth", "Nodes"]


class NodeCause(IntEnum):
    """Why a node takes no jobs."""

    NONE = 0
    NOT_RESPONDING = 1
    GPU_LOST = 2


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """State of the hardware that jobs run on; None stands for all well.

    Attributes:
        up: (servers,): the operating system runs.
        lost: (servers, GPUs a server): the GPU runs nothing.
        aborted: (servers, GPUs a server): an error has just ended the application on it.
        pace: (servers, GPUs a server): the GPU's pace over its full one.
        unlinked: (servers,): a compute NIC has no link, or its leaf no way to a spine.
        flow: (servers,): throughput of its leaf's slowest flow over that of a healthy fabric.
    """

    up: NDArray[np.bool_] | None = None
    lost: NDArray[np.bool_] | None = None
    aborted: NDArray[np.bool_] | None = None
    pace: Floats | None = None
    unlinked: NDArray[np.bool_] | None = None
    flow: Floats | None = None


class Nodes:
    """The nodes of a scheduler; arrays are (servers,).

    Args:
        parameters: of the scheduler.
        servers: of the site.

    Attributes:
        responding: nodes that answer now.
        gpus_lost: GPUs of each node that run nothing now.
        out: nodes that are drained or down, and take no jobs.
        cause: why, the last one, a :class:`NodeCause`.
        since: time at which it was taken out.
    """

    def __init__(self, parameters: SchedulerParameters, servers: int) -> None:
        self._p = parameters
        self.responding: NDArray[np.bool_] = np.ones(servers, np.bool_)
        self.gpus_lost: NDArray[np.int16] = np.zeros(servers, np.int16)
        self.out: NDArray[np.bool_] = np.zeros(servers, np.bool_)
        self.cause: NDArray[np.int8] = np.zeros(servers, np.int8)
        self.since: Floats = np.zeros(servers)
        self._bad_for: Floats = np.zeros(servers)
        self._well_for: Floats = np.zeros(servers)
        self._any = False

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Nodes that take jobs; a fault that is not detected yet does not show."""
        return ~self.out

    def step(self, health: NodeHealth, time: float, dt: float) -> bool:
        """Take note of the hardware's state and return whether a node went out or came back.

        Args:
            health: of the hardware.
            time: in s.
            dt: step in s.
        """
        if health.up is None and health.lost is None and not self._any:
            return False
        servers = self.out.size
        up = np.ones(servers, np.bool_) if health.up is None else health.up
        lost = np.zeros(servers) if health.lost is None else health.lost.sum(axis=1)
        changed = not np.array_equal(up, self.responding)
        changed |= not np.array_equal(lost, self.gpus_lost)
        self.responding, self.gpus_lost = up.copy(), lost.astype(np.int16)
        bad = ~up | (lost > 0)
        self._bad_for = np.where(bad, self._bad_for + dt, 0.0)
        self._well_for = np.where(bad, 0.0, self._well_for + dt)
        detected = self._bad_for >= self._p.detect_seconds
        back = self.out & (self._well_for >= self._p.repair_seconds)
        gone = detected & ~self.out
        cause = np.where(up, NodeCause.GPU_LOST, NodeCause.NOT_RESPONDING)
        self.cause = np.where(detected, cause, np.where(back, 0, self.cause)).astype(np.int8)
        self.since = np.where(gone, time, self.since)
        self.out = (self.out | detected) & ~back
        self._any = bool(bad.any() or self.out.any())
        return changed or bool(gone.any() or back.any())
