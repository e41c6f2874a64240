"""Alerts on hosts: CPU, memory, disks and clock of servers."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import HOST
from twin.catalog.selectors import derived, of

__all__ = ["HOST_RULES"]

_host, _derived = partial(of, HOST), partial(derived, HOST)
_ROOT = 'mountpoint="/"'
_WHERE = "{{ $labels.instance }}{{ with $labels.rack }} in rack {{ . }}{{ end }}"

_SPACE = (
    Alert(
        name="HostRootFull",
        severity=Severity.WARNING,
        expr=f"""
        {_derived("filesystem_avail_bytes", _ROOT)}
          / {_derived("filesystem_size_bytes", _ROOT)}
          < {limit.HOST_ROOT_LEFT}
        """,
        hold=60,
        summary=f"The root filesystem of {_WHERE} has {{{{ $value | humanizePercentage }}}} left",
        meaning="When it is full, logging stops, containers no longer start and the server's job "
        "fails.",
        steps=(
            "Find what is growing: `du -x -d 2 /`, `journalctl --disk-usage`.",
            "Delete core dumps, old container images and logs.",
        ),
    ),
    Alert(
        name="HostFilesystemReadOnly",
        severity=Severity.CRITICAL,
        expr=f"{_derived('filesystem_readonly', _ROOT)} == 1",
        hold=30,
        summary=f"The root filesystem of {_WHERE} is read-only",
        meaning="The kernel found an error and accepts no more writes. Running processes may "
        "carry on; new ones fail.",
        steps=(
            "Drain the server.",
            "Read the error in `dmesg` and check the disk with `nvme smart-log`.",
            "Reboot with a filesystem check.",
        ),
    ),
    Alert(
        name="HostMirrorDegraded",
        severity=Severity.WARNING,
        expr=f"{_derived('md_degraded')} > 0",
        summary=f"Array {{{{ $labels.device }}}} of {_WHERE} has lost a disk",
        meaning="The server runs on one disk: if that fails too, its operating system is lost.",
        steps=("Find the disk: `mdadm --detail`.", "Replace it and watch the array resync."),
    ),
)

_WORK = (
    Alert(
        name="HostMemoryShort",
        severity=Severity.CRITICAL,
        expr=f"""
        {_host("memory_available")} / {_derived("memory_MemTotal_bytes")}
          < {limit.HOST_MEMORY_LEFT}
        """,
        hold=60,
        summary=f"{_WHERE} has {{{{ $value | humanizePercentage }}}} of its memory left",
        meaning="The page cache is already used up. The kernel will soon kill processes; if one "
        "is a rank, the whole job fails.",
        steps=(
            "Find the process: `ps aux --sort=-rss | head`.",
            "Check the job's data loader workers and its checkpoint staging.",
        ),
    ),
    Alert(
        name="HostOomKill",
        severity=Severity.CRITICAL,
        expr=f"increase({_host('oom_kills')}[5m]) > 0",
        summary=f"The kernel of {_WHERE} killed a process because memory ran out",
        meaning="If it was a rank, the job is about to fail.",
        steps=("Find the process in `dmesg`.", "Give jobs a memory limit."),
    ),
    Alert(
        name="HostCpuStarved",
        severity=Severity.WARNING,
        why="Ranks busy-wait on threads of their own, so idle time alone shows nothing.",
        expr=f"rate({_host('pressure_cpu_waiting')}[2m]) > {limit.HOST_CPU_WAITING}",
        hold=120,
        summary=f"Tasks on {_WHERE} wait for a CPU "
        "{{ $value | humanizePercentage }} of the time",
        meaning="There are more runnable tasks than CPUs: data loaders and NCCL's threads run "
        "late, and all other ranks wait for them.",
        steps=(
            "Find out what uses the CPUs with `top`.",
            "Check that no process of an earlier job is still running.",
        ),
    ),
)

_HARDWARE = (
    Alert(
        name="HostClockOff",
        severity=Severity.WARNING,
        expr=f"abs({_host('clock_offset')}) > {limit.HOST_CLOCK_OFF}",
        hold=60,
        summary=f"The clock of {_WHERE} is off by {{{{ $value | humanizeDuration }}}}",
        meaning="TLS certificates, Kerberos tickets and log timestamps go wrong. The kernel "
        "reports half a second at most, so the real offset may be larger.",
        steps=("Check `chronyc tracking` and `chronyc sources`.", "Restart chronyd."),
    ),
    Alert(
        name="HostMemoryErrors",
        severity=Severity.WARNING,
        expr=f"rate({_derived('edac_correctable_errors_total')}[5m]) > {limit.HOST_ECC_ERRORS}",
        summary=f"Memory controller {{{{ $labels.controller }}}} of {_WHERE} corrects errors",
        meaning="A memory module is failing. Errors that ECC cannot correct may follow and crash "
        "the server.",
        steps=(
            "Find the module: `edac-util -v` or the BMC's event log.",
            "Drain the server and replace the module.",
        ),
    ),
    Alert(
        name="HostMemoryFailed",
        severity=Severity.CRITICAL,
        expr=f"increase({_derived('edac_uncorrectable_errors_total')}[5m]) > 0",
        summary=f"Memory controller {{{{ $labels.controller }}}} of {_WHERE} could not correct "
        "an error",
        meaning="Data in memory was corrupted or lost.",
        steps=("Drain the server at once.", "Replace the memory module."),
    ),
)

HOST_RULES = Rules(
    Domain.HOST,
    "Servers as hosts, by the metrics of node_exporter.",
    (),
    (*_SPACE, *_WORK, *_HARDWARE),
)
