"""Description of the machine that a figure was measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from twin import __version__

__all__ = ["Machine", "describe_machine"]

_GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine and the day on which it was measured.

    Attributes:
        date: of the measurement, UTC, as ISO 8601 writes it.
        processor: model, as the system names it.
        cores: logical processors that this process may use.
        memory_gb: memory of the machine, 10⁹ bytes.
        system: kernel.
        python: version of Python.
        twin: version of the twin.
    """

    date: str
    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    twin: str


def describe_machine() -> Machine:
    """Return what this machine is, today."""
    return Machine(
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        processor=_processor(),
        cores=cores(),
        memory_gb=round(memory_bytes() / _GIGABYTE, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        twin=__version__,
    )


def cores() -> int:
    """Return how many logical processors this process may use."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Return the memory of the machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def available_bytes() -> int:
    """Return how many bytes of memory are to be had without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
