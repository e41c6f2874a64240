"""node_exporter about itself: its collectors, its build and its process."""

from __future__ import annotations

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, SeriesGroup
from twin.catalog.host.kind import NODE, HostKind
from twin.catalog.host.texts import constants, family, words

__all__ = ["exporter_families"]

_WORKING = words("""
    arp btrfs conntrack cpu cpufreq diskstats dmi edac entropy filefd filesystem hwmon
    infiniband kernel_hung loadavg mdadm meminfo netclass netdev netstat nvme os pressure
    schedstat selinux sockstat softnet stat textfile thermal_zone time timex udp_queues uname
    vmstat watchdog
""")
_WITHOUT_DATA = words("""
    bcache bonding fibrechannel ipvs nfs nfsd powersupplyclass rapl tapestats xfs zfs
""")
"""Collectors that find nothing on such a host and so report no success."""
_BUILD = (
    ("branch", "HEAD"), ("goarch", "amd64"), ("goos", "linux"), ("goversion", "go1.26.1"),
    ("revision", "a7dcc3a01545180d4f2087db70994cbc3abfed13"), ("tags", "unknown"),
    ("version", "1.12.1"),
)  # fmt: skip
_PROCESS = {
    "process_max_fds": 524_288.0,
    "process_open_fds": 11.0,
    "process_resident_memory_bytes": 26_476_544.0,
    "process_virtual_memory_bytes": 1_278_361_600.0,
    "process_virtual_memory_max_bytes": 1.8446744073709552e19,
    "go_goroutines": 9.0,
    "go_threads": 14.0,
    "go_memstats_alloc_bytes": 3_914_816.0,
    "go_memstats_heap_alloc_bytes": 3_914_816.0,
    "go_memstats_heap_inuse_bytes": 6_520_832.0,
    "go_memstats_heap_sys_bytes": 15_990_784.0,
    "go_memstats_sys_bytes": 25_778_440.0,
}
_CPU_RATIO = 0.004
"""CPU seconds that the exporter takes a second, est."""


def exporter_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the exporter's families about itself."""
    names = sorted((*_WORKING, *_WITHOUT_DATA))
    labels = tuple((("collector", name),) for name in names)
    group = SeriesGroup("collectors", NODE, ("collector",), lambda _: len(labels),
                        lambda _: labels)  # fmt: skip
    worked = [float(name in _WORKING) for name in names]
    took = [1e-4 * (1 + len(name)) for name in names]
    host = SeriesGroup("host", NODE)
    build = SeriesGroup("build", NODE, tuple(n for n, _ in _BUILD), labels=lambda _: (_BUILD,))
    found = (
        family("scrape_collector_success", group, lambda _: np.array(worked), steady=True),
        family("scrape_collector_duration_seconds", group, lambda _: np.array(took), steady=True,
               decimals=6),
        *constants(host, {"textfile_scrape_error": 0.0}),
        *constants(build, {"exporter_build_info": 1.0}),
    )  # fmt: skip
    if not kind.in_array:
        return found

    def started(values: DeviceValues) -> Values:
        return np.rint(values.ts - values["uptime"]) + 18.0

    version = (("version", "go1.26.1"),)
    go = SeriesGroup("go", NODE, ("version",), labels=lambda _: (version,))
    return (
        *found,
        family("process_cpu_seconds_total", host, lambda v: _CPU_RATIO * v["uptime"]),
        family("process_start_time_seconds", host, started, decimals=0),
        *constants(host, _PROCESS),
        *constants(go, {"go_info": 1.0}),
    )
