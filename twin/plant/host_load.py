"""Load of hosts: their hardware, what is asked of each in a step, and what is wrong with it.

Times are in s, rates per second, sizes in B; arrays are (units, hosts a unit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = ["HEALTHY", "HostLoad", "HostSize", "HostTroubles"]


@dataclass(frozen=True, slots=True)
class HostSize:
    """The hardware of the hosts of one kind.

    Attributes:
        threads: CPU threads.
        memory: in B.
        root: size of the root file system in B.
        data: size of the data file system in B, 0 for none.
        read: what the data array reads in B/s.
        write: what it writes in B/s.
    """

    threads: int
    memory: float
    root: float
    data: float
    read: float
    write: float


class HostLoad(NamedTuple):
    """What is asked of every host in a step; numbers, or arrays that broadcast.

    Attributes:
        hot: threads on which the ranks of a job spin.
        user: other threads in user mode.
        system: threads in the kernel.
        blocked: tasks that wait for a disk or a network file system.
        memory: what programs hold in B.
        cached: file data that comes into the page cache in B/s.
        dirty: written data that waits in the page cache in B.
        read: from the data array in B/s.
        written: to the data array in B/s.
        inlet: air into the host in °C.
    """

    hot: Floats | float = 0.0
    user: Floats | float = 0.0
    system: Floats | float = 1.0
    blocked: Floats | float = 0.0
    memory: Floats | float = 2.0e10
    cached: Floats | float = 0.0
    dirty: Floats | float = 5.0e7
    read: Floats | float = 0.0
    written: Floats | float = 0.0
    inlet: Floats | float = 25.0


class HostTroubles(NamedTuple):
    """What is wrong with hosts; arrays of their shape, or numbers for all.

    Attributes:
        runaway: threads that a program keeps busy for nothing.
        leak: what a program takes more of memory, in B/s.
        fill: what something writes to the root file system, in B/s.
        disk_speed: throughput of the disks over what they can do.
        readonly: whether the root file system is read-only.
        disk_failed: whether a disk of the system's mirror is lost.
        offset: what the clock is ahead, in s.
        ahead: what it is ahead of that of the gateway that stamps its frames, in s.
        correctable: memory errors a second that ECC corrects.
        uncorrectable: those that it cannot.
    """

    runaway: Floats | float = 0.0
    leak: Floats | float = 0.0
    fill: Floats | float = 0.0
    disk_speed: Floats | float = 1.0
    readonly: NDArray[np.bool_] | bool = False
    disk_failed: NDArray[np.bool_] | bool = False
    offset: Floats | float = 0.0
    ahead: Floats | float = 0.0
    correctable: Floats | float = 0.0
    uncorrectable: Floats | float = 0.0


HEALTHY = HostTroubles()
"""Nothing is wrong with any host."""
