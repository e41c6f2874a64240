"""Operating systems of the GPU servers: the load of a training job on its hosts.

Each rank spins on a few threads, in a hang too; data workers run as the job computes; a
checkpoint fills dirty pages and leaves ranks waiting for the file system; what is loaded stays in
the page cache. CPU shares are those of pre-training hosts, which use little of what they have
(Hu et al. 2024, arXiv 2403.07648); all numbers are estimates.
"""

from __future__ import annotations

import numpy as np

from twin.catalog import HOST
from twin.catalog.host import HOT_THREADS
from twin.catalog.operating_system import GPU_HOST
from twin.plant.conditions import Conditions
from twin.plant.host import HostStates
from twin.plant.host_load import HEALTHY, HostLoad, HostSize, HostTroubles
from twin.plant.nic import Nics
from twin.plant.operating_system import OperatingSystems
from twin.plant.units import FINE_STEP, Floats, clamp
from twin.plant.workload import Demand, Level
from twin.plant.workload.levels import STORAGE_BURST, STORAGE_QUIET
from twin.site import Layout

__all__ = ["GpuHosts"]

_HOT_SHARE = 0.72
"""Share of the time in which a rank's threads spin."""
_WORKERS, _DAEMONS = 9.0, 0.6
"""Threads of the data workers of a host at full speed, and of all else that runs."""
_SYSTEM_IDLE, _SYSTEM_JOB, _SYSTEM_SAVING = 0.4, 2.2, 4.0
"""Threads in the kernel: of an idle host, of a job, while a checkpoint is written."""
_WAITING = 28.0
"""Tasks of a host that wait for the file system while a checkpoint is written."""
_MEMORY_IDLE, _MEMORY_JOB, _MEMORY_SAVING = 2.2e10, 2.4e11, 1.2e11
"""Memory of programs in B: of an idle host, of a job, of a checkpoint that is being staged."""
_DIRTY_IDLE, _DIRTY_SAVING = 5.0e7, 3.0e10
_QUIET, _SAVING = 0.01, 0.3
"""Use of the storage NIC above which a checkpoint is being written, and at which at full speed."""
_LOCAL_READ, _LOCAL_WRITTEN = 0.3, 0.1
"""Share of what is loaded that is read from the host's own disks, and written to them."""
_LOCAL_LOGS = 3.0e5
_READ, _WRITE = 4.4e10, 2.4e10
"""What eight disks read and write in B/s."""
_OF_HOSTS = ("host_runaway_threads", "host_leak", "host_disk_fill", "host_disk_speed",
             "host_disk_writable", "host_mirror_whole", "host_clock_offset", "rack_clock_offset",
             "dram_correctable_per_second", "dram_uncorrectable_per_second")  # fmt: skip
"""Conditions of operating systems."""


class GpuHosts:
    """The operating systems of all GPU servers; arrays are (racks, servers a rack)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._shape = layout.shape(HOST)
        size = HostSize(
            threads=GPU_HOST.threads(site),
            memory=GPU_HOST.memory(site),
            root=GPU_HOST.mounts(site)[0].bytes,
            data=GPU_HOST.data_bytes(site),
            read=_READ,
            write=_WRITE,
        )
        usual = self._asked(1.0, 1.0, 0.0, 2.0e8)
        self._systems = OperatingSystems(self._shape, size, usual, rng)

    def step(
        self,
        demand: Demand,
        nics: Nics,
        inlet: Floats,
        conditions: Conditions,
        hosts: HostStates | None,
        dt: float,
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            demand: what the jobs ask.
            nics: which have moved what the storage gives.
            inlet: air into each server in °C, (racks, servers).
            conditions: of the servers.
            hosts: state of the servers, None while all are well.
            dt: step in s.
        """
        of = self._of_servers
        present = clamp(of(demand.present), 0.0, 1.0)
        # Over a longer step the use is a mean of seconds at full speed and of quiet ones.
        quiet, full = (_QUIET, _SAVING) if dt <= FINE_STEP else (STORAGE_QUIET, STORAGE_BURST)
        saving = clamp((of(demand.storage) - quiet) / (full - quiet), 0.0, 1.0)
        load = self._asked(present, of(demand.compute), saving, of(nics.loading), inlet)
        up = None if hosts is None else hosts.up
        self._systems.step(load, _troubles(conditions), dt, up)

    def _of_servers(self, level: Level) -> Level:
        """Return a level as one of servers: that of several devices of each is their mean."""
        if not isinstance(level, np.ndarray) or level.shape[1] in (1, self._shape[1]):
            return level
        mean: Floats = level.reshape(*self._shape, -1).mean(axis=2)
        return mean

    def _asked(
        self,
        present: Level,
        compute: Level,
        saving: Level,
        loading: Level,
        inlet: Floats | float = 25.0,
    ) -> HostLoad:
        """Return the load of a host.

        Args:
            present: share of the time in which a job has processes there.
            compute: share of the time in which it computes.
            saving: share of the time in which it writes to the storage.
            loading: what a host loads from the storage in B/s.
            inlet: air into the host in °C.
        """
        return HostLoad(
            hot=_HOT_SHARE * HOT_THREADS * present,
            user=_DAEMONS + _WORKERS * compute,
            system=_SYSTEM_IDLE + _SYSTEM_JOB * present + _SYSTEM_SAVING * saving,
            blocked=_WAITING * saving,
            memory=_MEMORY_IDLE + _MEMORY_JOB * present + _MEMORY_SAVING * saving,
            cached=loading,
            dirty=_DIRTY_IDLE + _DIRTY_SAVING * saving,
            read=_LOCAL_READ * loading,
            written=_LOCAL_LOGS + _LOCAL_WRITTEN * loading,
            inlet=inlet,
        )

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's host class."""
        return self._systems.outputs()


def _troubles(conditions: Conditions) -> HostTroubles:
    """Return what is wrong with the servers' operating systems."""
    if not any(map(conditions.faulty, _OF_HOSTS)):
        return HEALTHY
    return HostTroubles(
        runaway=conditions.host_runaway_threads,
        leak=conditions.host_leak,
        fill=conditions.host_disk_fill,
        disk_speed=conditions.host_disk_speed,
        readonly=~conditions.host_disk_writable,
        disk_failed=~conditions.host_mirror_whole,
        ahead=conditions.host_clock_offset,
        offset=conditions.host_clock_offset + conditions.rack_clock_offset[:, None],
        correctable=conditions.dram_correctable_per_second,
        uncorrectable=conditions.dram_uncorrectable_per_second,
    )
