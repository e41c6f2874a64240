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
    """Something fills a server's root file system."""

    kind = "disk-full"
    title = "a server's system disk fills up"
    shows = (
        "`node_filesystem_avail_bytes` of `/` falls to 0 within minutes and "
        "`node_disk_written_bytes_total` of the system's disks rises; all other file systems stay "
        "as they are. When the fault ends the files are deleted and the space comes back."
    )

    gigabytes_per_minute: Annotated[float, Field(gt=0, le=10_000)] = 240.0
    """What is written, in GB a minute."""

    def apply(self, context: FaultContext) -> None:
        """Write."""
        rate = self.gigabytes_per_minute * _GIGABYTE / _SECONDS_PER_MINUTE
        context.conditions.host_disk_fill[context.place] = rate


class DiskSlow(HostFault):
    """The disks of a server serve far less than they should, as with a failing controller."""

    kind = "disk-slow"
    title = "a server's disks are slow"
    shows = (
        "`node_disk_io_time_seconds_total` of the server's disks rises by a second a second with "
        "the same few octets read and written, tasks wait for them (`node_procs_blocked`), so "
        "load and I/O pressure rise while the CPUs stay idle."
    )

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.002
    """Throughput over what the disks can do."""

    def apply(self, context: FaultContext) -> None:
        """Slow the disks down."""
        context.conditions.host_disk_speed[context.place] = self.ratio


class MemoryLeak(HostFault):
    """A program takes all of a server's memory."""

    kind = "memory-leak"
    title = "a program takes a server's memory"
    shows = (
        "`node_memory_MemAvailable_bytes` falls steadily: first the page cache gives way, then "
        "there is nothing left. Major page faults and memory pressure rise, and the kernel begins "
        "to kill (`node_vmstat_oom_kill`). When the fault ends the program is gone."
    )

    gigabytes_per_second: Annotated[float, Field(gt=0, le=1_000)] = 10.0
    """What it takes more, in GB a second."""

    def apply(self, context: FaultContext) -> None:
        """Leak."""
        context.conditions.host_leak[context.place] = self.gigabytes_per_second * _GIGABYTE


class RunawayProcess(HostFault):
    """A program of a server keeps its CPUs busy for nothing."""

    kind = "runaway-process"
    title = "a program keeps all CPUs of a server busy"
    shows = (
        "Idle time of all threads but those of the ranks falls to nothing, load rises to the "
        "number of threads that want to run, CPU pressure and package temperature rise with it."
    )

    threads: Annotated[float, Field(gt=0, le=100_000)] = 400.0
    """Threads that want to run."""

    def apply(self, context: FaultContext) -> None:
        """Spin."""
        context.conditions.host_runaway_threads[context.place] = self.threads


class ClockOff(HostFault):
    """A server's clock is wrong, and NTP does not set it right."""

    kind = "clock-off"
    title = "a server's clock is wrong"
    shows = (
        "`node_timex_offset_seconds` shows the offset, 0.5 s at most as the kernel has it, "
        "`node_timex_sync_status` is 0, and `node_time_seconds` runs ahead of all other servers'."
    )

    offset: Annotated[float, Field(ge=-3600, le=3600)] = 2.0
    """Seconds that the clock is ahead."""

    def apply(self, context: FaultContext) -> None:
        """Put the clock wrong."""
        context.conditions.host_clock_offset[context.place] = self.offset


class DramErrors(HostFault):
    """A memory module of a server fails: ECC corrects most of its errors."""

    kind = "dram-ecc"
    title = "a memory module has ECC errors"
    shows = (
        "`node_edac_correctable_errors_total` of one memory controller rises; without "
        "uncorrectable errors nothing else happens."
    )

    correctable: Annotated[float, Field(ge=0, le=1e6)] = 5.0
    """Errors a second that ECC corrects."""
    uncorrectable: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    """Errors a second that it cannot."""

    def apply(self, context: FaultContext) -> None:
        """Let the module fail."""
        conditions = context.conditions
        conditions.dram_correctable_per_second[context.place] = self.correctable
        conditions.dram_uncorrectable_per_second[context.place] = self.uncorrectable


class FilesystemReadOnly(HostFault):
    """The kernel has mounted a server's root file system read-only after an error."""

    kind = "filesystem-read-only"
    title = "a server's root file system turns read-only"
    shows = (
        "`node_filesystem_readonly` of `/` is 1. Nothing can be written there any more: logs end, "
        "and jobs that start on the server fail."
    )

    def apply(self, context: FaultContext) -> None:
        """Refuse writes."""
        context.conditions.host_disk_writable[context.place] = False


class MirrorDiskFailed(HostFault):
    """A disk of the mirror that holds a server's system is lost."""

    kind = "mirror-disk-failed"
    title = "a disk of a server's system mirror fails"
    shows = (
        '`node_md_disks{state="failed"}` of the mirror is 1 and `node_md_degraded` too; the server '
        "runs on with the other disk."
    )

    def apply(self, context: FaultContext) -> None:
        """Lose the disk."""
        context.conditions.host_mirror_whole[context.place] = False
