"""Hosts as node_exporter's default collectors show them: what travels, and what follows from it.

Names, types and help stand in ``node_exporter.txt``, taken from the exporter's own test output.
Which labels and values a host gives for them is here, a module for each group of collectors; the
same for GPU, storage and CPU servers, which differ by their :class:`HostKind` alone.
"""

from __future__ import annotations

from twin.catalog.derived import DerivedFamily
from twin.catalog.host.cpu import cpu_families
from twin.catalog.host.disk import disk_families
from twin.catalog.host.hardware import hardware_families
from twin.catalog.host.kernel import kernel_families
from twin.catalog.host.kind import HOT_THREADS, HostKind
from twin.catalog.host.memory import KERNEL_RATIO, memory_families
from twin.catalog.host.network import network_families, port_families
from twin.catalog.host.own import exporter_families
from twin.catalog.host.wire import host_signals

__all__ = [
    "HOT_THREADS",
    "KERNEL_RATIO",
    "HostKind",
    "host_families",
    "host_signals",
    "port_families",
]


def host_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return everything of a host that does not travel."""
    return (
        *cpu_families(kind),
        *memory_families(kind),
        *disk_families(kind),
        *network_families(kind),
        *kernel_families(kind),
        *hardware_families(kind),
        *exporter_families(kind),
    )
