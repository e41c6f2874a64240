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
        summary=f"The root file system of {_WHERE} has {{{{ $value | humanizePercentage }}}} left",
        meaning="When it is full, logs end, containers do not start any more and the job of the "
        "server fails.",
        steps=(
            "Find what grows: `du -x -d 2 /`, `journalctl --disk-usage`.",
            "Delete core dumps, old container images and logs.",
        ),
    ),
    Alert(
        name="HostFilesystemReadOnly",
        severity=Severity.CRITICAL,
        expr=f"{_derived('filesystem_readonly', _ROOT)} == 1",
        hold=30,
        summary=f"The root file system of {_WHERE} is read-only",
        meaning="The kernel found an error and takes no more writes. What runs may go on; nothing "
        "new will work.",
        steps=(
            "Drain the server.",
            "Read the error in `dmesg` and check the disk with `nvme smart-log`.",
            "Reboot with a file system check.",
        ),
    ),
    Alert(
        name="HostMirrorDegraded",
        severity=Severity.WARNING,
        expr=f"{_derived('md_degraded')} > 0",
        summary=f"Array {{{{ $labels.device }}}} of {_WHERE} has lost a disk",
        meaning="The server runs on one disk: with the next failure its system is gone.",
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
        meaning="The page cache is gone already. The kernel will kill programs, a rank of the "
        "job among them, and the job fails as a whole.",
        steps=(
            "Find the program: `ps --sort=-rss`.",
            "Check the job's data workers and its checkpoint staging.",
        ),
    ),
    Alert(
        name="HostOomKill",
        severity=Severity.CRITICAL,
        expr=f"increase({_host('oom_kills')}[5m]) > 0",
        summary=f"The kernel of {_WHERE} killed a program for want of memory",
        meaning="If it was a rank, the job is about to fail.",
        steps=("Find the program in `dmesg`.", "Give jobs a memory limit."),
    ),
    Alert(
        name="HostCpuStarved",
        severity=Severity.WARNING,
        why="Ranks spin on threads of their own, so idle time alone does not tell.",
        expr=f"rate({_host('pressure_cpu_waiting')}[2m]) > {limit.HOST_CPU_WAITING}",
        hold=120,
        summary=f"Tasks of {_WHERE} wait for a CPU "
        "{{ $value | humanizePercentage }} of the time",
        meaning="More wants to run than there are CPUs: data loaders and NCCL's own threads come "
        "late, and all other ranks wait for them.",
        steps=("Find what runs with `top`.", "Check that no job of before is still there."),
    ),
)

_HARDWARE = (
    Alert(
        name="HostClockOff",
        severity=Severity.WARNING,
        expr=f"abs({_host('clock_offset')}) > {limit.HOST_CLOCK_OFF}",
        hold=60,
        summary=f"The clock of {_WHERE} is off by {{{{ $value | humanizeDuration }}}}",
        meaning="Certificates, tickets and timestamps of logs go wrong. The kernel states half a "
        "second at most.",
        steps=("Check `chronyc tracking` and its sources.", "Restart chronyd."),
    ),
    Alert(
        name="HostMemoryErrors",
        severity=Severity.WARNING,
        expr=f"rate({_derived('edac_correctable_errors_total')}[5m]) > {limit.HOST_ECC_ERRORS}",
        summary=f"Memory controller {{{{ $labels.controller }}}} of {_WHERE} corrects errors",
        meaning="A memory module is failing. Errors that ECC cannot correct may follow and take "
        "the server down.",
        steps=(
            "Find the module: `edac-util -v` or the server's event log.",
            "Drain the server and replace the module.",
        ),
    ),
    Alert(
        name="HostMemoryFailed",
        severity=Severity.CRITICAL,
        expr=f"increase({_derived('edac_uncorrectable_errors_total')}[5m]) > 0",
        summary=f"Memory controller {{{{ $labels.controller }}}} of {_WHERE} could not correct "
        "an error",
        meaning="What was in that memory is wrong or gone.",
        steps=("Drain the server at once.", "Replace the memory module."),
    ),
)

HOST_RULES = Rules(
    Domain.HOST,
    "Servers as hosts, by the names of node_exporter.",
    (),
    (*_SPACE, *_WORK, *_HARDWARE),
)
