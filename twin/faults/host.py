"""Faults of a server's operating system, memory and disks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

__all__ = [
    "ClockOff",
    "DiskFull",
    "DiskSlow",
    "DramErrors",
    "FilesystemReadOnly",
    "MemoryLeak",
    "MirrorDiskFailed",
    "RunawayProcess",
]

_GIGABYTE = 1e9
_SECONDS_PER_MINUTE = 60.0


class HostFault(Fault):
    """Base of the faults of one server's operating system."""

    system = "server"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "warning"


class DiskFull(HostFault):
    """Something fills a server's root filesystem."""

    kind = "disk-full"
    title = "a server's system disk fills up"
    shows = (
        "`node_filesystem_avail_bytes` of `/` falls to 0 within minutes and "
        "`node_disk_written_bytes_total` of the system disks rises; all other filesystems stay as "
        "they are. When the fault ends, the files are deleted and the space is free again."
    )

    gigabytes_per_minute: Annotated[float, Field(gt=0, le=10_000)] = 240.0
    """Write rate in GB a minute."""

    def apply(self, context: FaultContext) -> None:
        """Fill the disk."""
        rate = self.gigabytes_per_minute * _GIGABYTE / _SECONDS_PER_MINUTE
        context.conditions.host_disk_fill[context.place] = rate


class DiskSlow(HostFault):
    """A server's disks are far slower than they should be, as with a failing controller."""

    kind = "disk-slow"
    title = "a server's disks are slow"
    shows = (
        "`node_disk_io_time_seconds_total` of the server's disks rises by a second a second while "
        "hardly any bytes are read or written. Tasks wait for the disks (`node_procs_blocked`), so "
        "load and I/O pressure rise while the CPUs stay idle."
    )

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.002
    """Throughput as a fraction of the disks' normal throughput."""

    def apply(self, context: FaultContext) -> None:
        """Slow the disks down."""
        context.conditions.host_disk_speed[context.place] = self.ratio


class MemoryLeak(HostFault):
    """A process leaks until it has all of a server's memory."""

    kind = "memory-leak"
    title = "a process uses up a server's memory"
    shows = (
        "`node_memory_MemAvailable_bytes` falls steadily: first the page cache shrinks, then "
        "nothing is left. Major page faults and memory pressure rise, and the kernel starts to "
        "kill processes (`node_vmstat_oom_kill`). When the fault ends, the process is gone."
    )

    gigabytes_per_second: Annotated[float, Field(gt=0, le=1_000)] = 10.0
    """Growth of the process in GB a second."""

    def apply(self, context: FaultContext) -> None:
        """Leak memory."""
        context.conditions.host_leak[context.place] = self.gigabytes_per_second * _GIGABYTE


class RunawayProcess(HostFault):
    """A runaway process keeps a server's CPUs busy with useless work."""

    kind = "runaway-process"
    title = "a process keeps all CPUs of a server busy"
    shows = (
        "The CPUs that the ranks leave free are no longer idle, the load rises to the number of "
        "runnable threads, and CPU pressure and package temperature rise with it."
    )

    threads: Annotated[float, Field(gt=0, le=100_000)] = 400.0
    """Runnable threads of the process."""

    def apply(self, context: FaultContext) -> None:
        """Start the threads."""
        context.conditions.host_runaway_threads[context.place] = self.threads


class ClockOff(HostFault):
    """A server's clock is wrong, and NTP does not correct it."""

    kind = "clock-off"
    title = "a server's clock is wrong"
    shows = (
        "`node_timex_offset_seconds` shows the offset, which the kernel limits to 0.5 s, "
        "`node_timex_sync_status` is 0, and `node_time_seconds` is ahead of all other servers'."
    )

    offset: Annotated[float, Field(ge=-3600, le=3600)] = 2.0
    """Seconds that the clock is ahead."""

    def apply(self, context: FaultContext) -> None:
        """Set the clock wrong."""
        context.conditions.host_clock_offset[context.place] = self.offset


class DramErrors(HostFault):
    """A memory module of a server is failing; ECC corrects most of its errors."""

    kind = "dram-ecc"
    title = "a memory module has ECC errors"
    shows = (
        "`node_edac_correctable_errors_total` of one memory controller rises; without "
        "uncorrectable errors nothing else happens."
    )

    correctable: Annotated[float, Field(ge=0, le=1e6)] = 5.0
    """Errors a second that ECC corrects."""
    uncorrectable: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    """Errors a second that ECC cannot correct."""

    def apply(self, context: FaultContext) -> None:
        """Let the module fail."""
        conditions = context.conditions
        conditions.dram_correctable_per_second[context.place] = self.correctable
        conditions.dram_uncorrectable_per_second[context.place] = self.uncorrectable


class FilesystemReadOnly(HostFault):
    """The kernel has remounted a server's root filesystem read-only after an error."""

    kind = "filesystem-read-only"
    title = "a server's root filesystem turns read-only"
    shows = (
        "`node_filesystem_readonly` of `/` is 1. Nothing can be written to it: logging stops, and "
        "jobs that start on the server fail."
    )

    def apply(self, context: FaultContext) -> None:
        """Refuse writes."""
        context.conditions.host_disk_writable[context.place] = False


class MirrorDiskFailed(HostFault):
    """A server's system mirror loses a disk."""

    kind = "mirror-disk-failed"
    title = "a disk of a server's system mirror fails"
    shows = (
        '`node_md_disks{state="failed"}` and `node_md_degraded` of the mirror are 1; the server '
        "runs on with the other disk."
    )

    def apply(self, context: FaultContext) -> None:
        """Fail the disk."""
        context.conditions.host_mirror_whole[context.place] = False
