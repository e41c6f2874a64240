"""The operating system of one server: problems, CPUs, memory, disks, clock."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from twin.alerts import thresholds as limit
from twin.grafana.assemble import Row
from twin.grafana.colors import SOME_IS_BAD
from twin.grafana.panel_parts import Query
from twin.grafana.panels import numbers, timeline
from twin.grafana.queries import host as q

__all__ = ["operating_system"]

_NOTHING = "No node_exporter reports this host's operating system"


def operating_system() -> Row:
    """Return the row."""
    return "Host", [
        numbers(
            "What is wrong with the host",
            "Whether the root file system is read-only, disks that have failed in mirrors, whether "
            "the clock is not synchronised, and processes that the kernel killed in the time shown "
            "because memory ran out.",
            [
                Query(q.ROOT_READ_ONLY, "root read-only"),
                Query(q.DISKS_FAILED, "disks failed"),
                Query(q.CLOCK_LOOSE, "clock not synchronised"),
                Query(q.OOM_KILLS, "programs killed"),
            ],
            width=24,
            steps=SOME_IS_BAD,
            nothing=_NOTHING,
        ),
        *_processors(),
        *_disks(),
    ]


def _processors() -> list[timeseries.Panel]:
    return [
        timeline(
            "CPU by mode",
            "Share of all CPU threads in each mode but idle. The ranks of a job spin on some of "
            "them, which is user time whether the GPUs work or wait.",
            [Query(q.CPU_MODES, "{{mode}}")],
            width=8,
            least=0,
            most=1,
            nothing=_NOTHING,
        ),
        timeline(
            "Load",
            "Tasks that run or want to, as means over 1, 5 and 15 minutes.",
            [Query(expr, f"{minutes} min") for minutes, expr in q.LOAD],
            width=8,
            least=0,
            nothing=_NOTHING,
        ),
        timeline(
            "Pressure",
            "Share of time in which a task waited for a CPU, for disks or for memory; the dashed "
            "line is the alert rule's limit for CPUs.",
            [Query(expr, what) for what, expr in q.PRESSURE],
            width=8,
            least=0,
            most=0.1,
            limit=limit.HOST_CPU_WAITING.value,
            nothing=_NOTHING,
        ),
        timeline(
            "Host memory",
            "Memory that programs can still have, that they have taken, and that caches files.",
            [
                Query(q.MEMORY_TOTAL, "total", dashed=True),
                Query(q.MEMORY_AVAILABLE, "available", bold=True),
                Query(q.MEMORY_PROGRAMS, "programs"),
                Query(q.MEMORY_CACHE, "file cache"),
            ],
            width=8,
            least=0,
            nothing=_NOTHING,
        ),
        timeline(
            "Clock offset",
            "How far the clock is off, by its time server; the kernel states half a second at "
            "most. The dashed line is the limit of the alert rule.",
            [Query(q.CLOCK_OFFSET, "offset")],
            width=8,
            limit=limit.HOST_CLOCK_OFF.value,
            nothing=_NOTHING,
        ),
        timeline(
            "ECC errors of the host's memory",
            "Errors a second that were corrected and that could not be; the dashed line is the "
            "limit of the alert rule for corrected ones.",
            [Query(q.ECC_CORRECTED, "corrected"), Query(q.ECC_UNCORRECTED, "not corrected")],
            width=8,
            least=0,
            most=0.1,
            limit=limit.HOST_ECC_ERRORS.value,
            nothing=_NOTHING,
        ),
    ]


def _disks() -> list[timeseries.Panel]:
    return [
        timeline(
            "File systems",
            "Used share of each file system on a disk; the dashed line is the limit of the alert "
            "rule for the root.",
            [Query(q.SPACE_USED, "{{mountpoint}}")],
            width=8,
            least=0,
            most=1,
            limit=1 - limit.HOST_ROOT_LEFT.value,
            nothing=_NOTHING,
        ),
        timeline(
            "Disk throughput",
            "What all disks read and write a second.",
            [Query(q.DISK_READ, "read"), Query(q.DISK_WRITTEN, "written")],
            width=8,
            least=0,
            nothing=_NOTHING,
        ),
        timeline(
            "Disks busy",
            "Share of time in which each disk had something to do.",
            [Query(q.DISK_BUSY, "{{device}}")],
            width=8,
            least=0,
            most=0.1,
            nothing=_NOTHING,
        ),
    ]
