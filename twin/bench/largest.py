"""Largest site of a machine, derived from the cost of a smaller one.

The CPU of each process grows with the frames per second, and its memory with the racks; a
run of a smaller site gives both. A share of the machine is left for Prometheus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twin.bench.site_run import SiteReport

__all__ = ["MOST_RACKS", "Largest", "Load", "largest_site", "load_of"]

_USABLE = 0.7
"""Share of a core, of all cores and of the memory that the twin may take."""
_BURST = 0.3
"""Share of the interval that a tick may compute before its first frame leaves; the frames
are spread over 0.6 of it."""
MOST_RACKS = 20_000
"""Racks of the largest site that the model allows."""
_GPUS_PER_RACK = 64


@dataclass(frozen=True, slots=True)
class Load:
    """What a rack costs.

    Attributes:
        cpu_seconds: CPU time that a frame of a rack takes, by process.
        memory_bytes: memory a rack, of all processes.
        base_bytes: memory of all processes without any rack.
        tick_seconds: a rack's share of what a tick computes before its first frame.
    """

    cpu_seconds: Mapping[str, float]
    memory_bytes: float
    base_bytes: float
    tick_seconds: float


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest site at an interval.

    Attributes:
        interval_seconds: between two frames of a rack.
        gpus: its GPUs.
        limited_by: what stands in the way of a larger one.
    """

    interval_seconds: float
    gpus: int
    limited_by: str


def load_of(report: SiteReport, base_bytes: float, tick_seconds: float) -> Load:
    """Return what a rack costs by the run of a site.

    Args:
        report: the run, of a site with racks of 64 GPUs.
        base_bytes: memory of all processes without any rack.
        tick_seconds: a rack's share of what a tick computes before its first frame.
    """
    racks = report.gpus // _GPUS_PER_RACK
    a_second = racks / report.interval_seconds
    memory = report.rss_total_mib * (1 << 20)
    return Load(
        cpu_seconds={name: cores / a_second for name, cores in report.cpu_cores.items()},
        memory_bytes=max(0.0, memory - base_bytes) / racks,
        base_bytes=min(base_bytes, memory),
        tick_seconds=tick_seconds,
    )


def largest_site(load: Load, interval: float, cores: int, memory: float) -> Largest:
    """Return the largest site of racks of 64 GPUs that fits.

    Args:
        load: what a rack costs.
        interval: seconds between two frames of a rack.
        cores: processors of the machine.
        memory: bytes that are to be had.
    """
    together = sum(load.cpu_seconds.values())
    limits = {
        f"the {name}'s core": _USABLE * interval / cost
        for name, cost in load.cpu_seconds.items()
        if cost > 0
    }
    if together > 0:
        limits["all cores together"] = _USABLE * cores * interval / together
    if load.tick_seconds > 0:
        limits["the time of a tick"] = _BURST * interval / load.tick_seconds
    if load.memory_bytes > 0:
        limits["memory"] = max(0.0, _USABLE * memory - load.base_bytes) / load.memory_bytes
    limits["the model's largest site"] = MOST_RACKS
    least = min(limits, key=limits.__getitem__)
    return Largest(interval, int(limits[least]) * _GPUS_PER_RACK, least)
