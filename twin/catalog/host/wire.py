"""Signals of a host: the some four dozen values of its operating system that travel.

Those that node_exporter shows as they are have its names; the others are *hidden*: families
are derived from them.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.host.kind import NODE, hosts_shown
from twin.catalog.host.texts import signal
from twin.catalog.model import MetricType, Signal, Unit

__all__ = ["host_signals"]


def _hidden(
    name: str,
    unit: Unit,
    what: str,
    *,
    decimals: int = 0,
    counter: bool = True,
    low: float | None = 0.0,
) -> Signal:
    """Return a value that travels and is not shown as it is."""
    kind = MetricType.COUNTER if counter else MetricType.GAUGE
    return Signal(
        name, f"host_{name}", NODE, kind, unit, what, decimals=decimals, low=low,
        hidden=True, needs=hosts_shown,
    )  # fmt: skip


_as_is = partial(signal, exporter=NODE, needs=hosts_shown)
_state = partial(_hidden, counter=False)


def host_signals(*, without: tuple[str, ...] = ()) -> tuple[Signal, ...]:
    """Return the signals of a host.

    Args:
        without: names of those that the device class declares itself.
    """
    return tuple(each for each in _SIGNALS if each.name not in without)


_SIGNALS = (
    _state("uptime", Unit.SECONDS, "Time since the host booted.", decimals=3),
    _as_is("load1", "load1", decimals=2),
    _as_is("load5", "load5", decimals=2),
    _as_is("load15", "load15", decimals=2),
    *(
        _hidden(f"cpu_{mode}", Unit.SECONDS, f"Time of all threads together {what}.", decimals=2)
        for mode, what in (
            ("hot", "of the training job's ranks, in user mode"),
            ("user", "in user mode, without the ranks"),
            ("system", "in the kernel"),
            ("iowait", "idle while a disk was waited for"),
            ("softirq", "in soft interrupts"),
            ("idle", "idle"),
        )
    ),
    _as_is("memory_available", "memory_MemAvailable_bytes"),
    _as_is("memory_anonymous", "memory_AnonPages_bytes"),
    _as_is("memory_shared", "memory_Shmem_bytes"),
    _state("memory_cache", Unit.BYTES, "Page cache of files."),
    _as_is("dirty", "memory_Dirty_bytes"),
    _as_is("writeback", "memory_Writeback_bytes"),
    _as_is("procs_running", "procs_running"),
    _as_is("procs_blocked", "procs_blocked"),
    _as_is("context_switches", "context_switches_total"),
    _as_is("interrupts", "intr_total"),
    _as_is("forks", "forks_total"),
    *(
        _as_is(f"pressure_{what}", f"pressure_{what}_seconds_total", decimals=3)
        for what in ("cpu_waiting", "io_waiting", "io_stalled", "memory_waiting", "memory_stalled")
    ),
    _as_is("page_faults", "vmstat_pgfault"),
    _as_is("major_faults", "vmstat_pgmajfault"),
    _as_is("oom_kills", "vmstat_oom_kill"),
    _state("cpu_frequency", Unit.HERTZ, "Mean clock of the threads."),
    _state("package0_temperature", Unit.CELSIUS, "First CPU package.", decimals=1),
    _state("package1_temperature", Unit.CELSIUS, "Second CPU package.", decimals=1),
    _as_is("clock_offset", "timex_offset_seconds", decimals=6, low=None),
    _state("clock_ahead", Unit.SECONDS, "Its clock over that which stamps the frame.", decimals=6,
           low=None),
    _as_is("clock_synchronized", "timex_sync_status", high=1),
    _hidden("management_rx_bytes", Unit.BYTES, "Octets received on the management port."),
    _hidden("management_tx_bytes", Unit.BYTES, "Octets sent on the management port."),
    _hidden("loopback_bytes", Unit.BYTES, "Octets over the loopback device."),
    _hidden("ecc_correctable", Unit.NONE, "Errors of the memory that ECC corrected."),
    _hidden("ecc_uncorrectable", Unit.NONE, "Errors of the memory that it could not correct."),
    _hidden("os_read_bytes", Unit.BYTES, "Octets read from the system's disks."),
    _hidden("os_written_bytes", Unit.BYTES, "Octets written to the system's disks."),
    _hidden("os_io_seconds", Unit.SECONDS, "Time in which the system's disks were busy.",
            decimals=2),
    _state("root_available", Unit.BYTES, "Space on the root file system."),
    _state("root_readonly", Unit.NONE, "1 while the root file system is read-only."),
    _state("os_disks_failed", Unit.NONE, "Failed disks of the system's mirror."),
)  # fmt: skip
