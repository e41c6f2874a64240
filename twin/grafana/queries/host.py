"""The operating system of one server, by the names and labels of node_exporter alone."""

from __future__ import annotations

from twin.catalog import HOST
from twin.catalog.selectors import derived
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT, NUMBER, RATIO, SECONDS
from twin.grafana.values import NODE, of

_SHOWN = "the site may show no operating systems of hosts"
_ROOT = 'mountpoint="/"'
_ON_DISK = 'fstype!~"tmpfs|vfat|overlay|squashfs|ramfs"'
_PHYSICAL = 'device!~"(md|dm-|loop|sr).*"'
"""Disks themselves; arrays over them would count what is read and written twice."""
_BUSY = 'mode!="idle"'
_BYTES = "bytes"
"""Memory, by powers of 1024 as one buys it."""


def _host(signal: str) -> Expr:
    return of(HOST, signal, within=NODE).empty_when(_SHOWN)


def _family(name: str, *matchers: str, unit: str = NUMBER) -> Expr:
    return Expr(derived(HOST, name, *NODE, *matchers), unit).empty_when(_SHOWN)


# -- what is wrong --------------------------------------------------------------------

ROOT_READ_ONLY = _family("filesystem_readonly", _ROOT).max()
DISKS_FAILED = _family("md_disks", 'state="failed"', unit=COUNT).sum()
CLOCK_LOOSE = Expr(f"1 - {_host('clock_synchronized')}").empty_when(_SHOWN)
OOM_KILLS = Expr(f"round(increase({_host('oom_kills')}[$__range]))", COUNT).empty_when(_SHOWN)

# -- CPUs and memory ------------------------------------------------------------------

LOAD = tuple((minutes, _host(f"load{minutes}")) for minutes in (1, 5, 15))
CPU_MODES = Expr(
    f"avg by (mode) (rate({derived(HOST, 'cpu_seconds_total', *NODE, _BUSY)}[$__rate_interval]))",
    RATIO,
).empty_when(_SHOWN)
"""Shares of all threads. The mean holds too where a site shows some modes for one thread."""
PRESSURE = tuple(
    (what, _host(f"pressure_{what}_waiting").rate()) for what in ("cpu", "io", "memory")
)
MEMORY_TOTAL = _family("memory_MemTotal_bytes", unit=_BYTES)
MEMORY_AVAILABLE = _host("memory_available").in_unit(_BYTES)
MEMORY_CACHE = _family("memory_Cached_bytes", unit=_BYTES)
MEMORY_PROGRAMS = _host("memory_anonymous").in_unit(_BYTES)

# -- disks and clock ------------------------------------------------------------------

SPACE_USED = Expr(
    f"1 - {derived(HOST, 'filesystem_avail_bytes', *NODE, _ON_DISK)} "
    f"/ {derived(HOST, 'filesystem_size_bytes', *NODE, _ON_DISK)}",
    RATIO,
).empty_when(_SHOWN)
DISK_READ = _family("disk_read_bytes_total", _PHYSICAL, unit="decbytes").rate().sum()
DISK_WRITTEN = _family("disk_written_bytes_total", _PHYSICAL, unit="decbytes").rate().sum()
DISK_BUSY = _family("disk_io_time_seconds_total", _PHYSICAL, unit=SECONDS).rate()
CLOCK_OFFSET = _host("clock_offset")
ECC_CORRECTED = _family("edac_correctable_errors_total").rate("5m").sum()
ECC_UNCORRECTED = _family("edac_uncorrectable_errors_total").rate("5m").sum()
