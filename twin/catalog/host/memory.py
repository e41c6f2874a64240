"""Memory: the fields of ``/proc/meminfo`` and ``/proc/vmstat``.

What a host has is divided up: programs, shared memory, page cache, the kernel's own, free.
"""

from __future__ import annotations

from twin.catalog.arrays import Values
from twin.catalog.derived import DerivedFamily, DeviceValues, SeriesGroup
from twin.catalog.host.kind import NODE, HostKind
from twin.catalog.host.texts import constants, family, words

__all__ = ["KERNEL_RATIO", "memory_families"]

KERNEL_RATIO = 0.012
"""Share of the memory that the kernel itself holds: slabs, page tables, stacks, est."""
_RECLAIMABLE, _UNRECLAIMABLE, _BUFFERS, _TABLES, _STACKS = 0.55, 0.30, 0.05, 0.07, 0.03
"""How it is divided, est."""
_LEAST_FREE = 0.0
_PAGE_KIB = 1024.0
_HUGE_PAGE = 2_097_152.0


def memory_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the families of the collectors meminfo and vmstat."""
    group = SeriesGroup("host", NODE)

    def total(values: DeviceValues) -> float:
        return kind.memory(values.site)

    def free(values: DeviceValues) -> Values:
        used = values["memory_anonymous"] + values["memory_shared"] + values["memory_cache"]
        left: Values = (1.0 - KERNEL_RATIO) * total(values) - used
        return left.clip(_LEAST_FREE)

    def field(name: str, values: object, *, steady: bool = False) -> DerivedFamily:
        return family(f"memory_{name}", group, values, steady=steady)  # type: ignore[arg-type]  # a formula

    def share(name: str, ratio: float) -> DerivedFamily:
        return field(name, lambda v: ratio * total(v), steady=True)

    kernels = {
        "SReclaimable_bytes": _RECLAIMABLE,
        "SUnreclaim_bytes": _UNRECLAIMABLE,
        "Slab_bytes": _RECLAIMABLE + _UNRECLAIMABLE,
        "Buffers_bytes": _BUFFERS,
        "PageTables_bytes": _TABLES,
        "KernelStack_bytes": _STACKS,
    }
    return (
        share("MemTotal_bytes", 1.0),
        field("MemFree_bytes", free),
        field("Cached_bytes", lambda v: v["memory_cache"] + v["memory_shared"]),
        *(share(name, ratio * KERNEL_RATIO) for name, ratio in kernels.items()),
        field("Active_anon_bytes", lambda v: 0.02 * v["memory_anonymous"]),
        field("Inactive_anon_bytes",
              lambda v: 0.98 * v["memory_anonymous"] + v["memory_shared"]),
        field("Active_file_bytes", lambda v: 0.2 * v["memory_cache"]),
        field("Inactive_file_bytes", lambda v: 0.8 * v["memory_cache"]),
        field("Active_bytes", lambda v: 0.02 * v["memory_anonymous"] + 0.2 * v["memory_cache"]),
        field("Inactive_bytes", lambda v: 0.98 * v["memory_anonymous"] + v["memory_shared"]
              + 0.8 * v["memory_cache"]),
        field("Mapped_bytes", lambda v: 0.1 * v["memory_anonymous"] + v["memory_shared"]),
        field("AnonHugePages_bytes", lambda v: 0.6 * v["memory_anonymous"]),
        field("Committed_AS_bytes",
              lambda v: 1.4 * v["memory_anonymous"] + v["memory_shared"]),
        share("CommitLimit_bytes", 0.5),
        share("DirectMap1G_bytes", 0.96),
        share("DirectMap2M_bytes", 0.038),
        share("DirectMap4k_bytes", 0.002),
        *constants(group, {f"memory_{name}": value for name, value in _FIXED.items()}),
        family("vmstat_pgpgin", group, lambda v: v["os_read_bytes"] / _PAGE_KIB),
        family("vmstat_pgpgout", group, lambda v: v["os_written_bytes"] / _PAGE_KIB),
        *constants(group, {"vmstat_pswpin": 0.0, "vmstat_pswpout": 0.0}),
    )  # fmt: skip


_ZERO = words("""
    SwapCached SwapTotal SwapFree WritebackTmp NFS_Unstable Bounce VmallocChunk
    HardwareCorrupted ShmemHugePages ShmemPmdMapped CmaTotal CmaFree Zswap Zswapped
""")
_FIXED = {
    **{f"{name}_bytes": 0.0 for name in _ZERO},
    **{f"HugePages_{name}": 0.0 for name in ("Total", "Free", "Rsvd", "Surp")},
    "Hugepagesize_bytes": _HUGE_PAGE,
    "Unevictable_bytes": 2.2e7,
    "Mlocked_bytes": 1.9e7,
    "VmallocTotal_bytes": 3.5184372087808e13,
    "VmallocUsed_bytes": 2.6e9,
    "Percpu_bytes": 4.6e8,
}
"""Fields that stay as they are: a training host has no swap and no huge pages set aside."""
