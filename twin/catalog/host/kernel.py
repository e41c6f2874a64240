"""The kernel: clock, boot, release, tables of files and connections, entropy."""

from __future__ import annotations

from collections.abc import Sequence

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, SeriesGroup
from twin.catalog.host.kind import NODE, HostKind
from twin.catalog.host.texts import constants, family
from twin.catalog.model import Labels
from twin.catalog.place import Place

__all__ = ["kernel_families"]

_RELEASE = "5.15.0-1065-nvidia"
_VERSION = "#66-Ubuntu SMP Fri Aug 30 13:30:05 UTC 2024"
_UNSYNCHRONISED, _SYNCHRONISED = 64.0, 8193.0
"""``status`` of adjtimex: STA_UNSYNC; STA_PLL with STA_NANO."""
_MOST_ERROR = 16.0
"""Greatest error that the kernel states, in s: it is not synchronised then."""
_OPEN_FILES = 4_600.0

_OS = {
    "build_id": "", "id": "ubuntu", "id_like": "debian", "image_id": "", "image_version": "",
    "name": "Ubuntu", "pretty_name": "Ubuntu 22.04.5 LTS", "variant": "", "variant_id": "",
    "version": "22.04.5 LTS (Jammy Jellyfish)", "version_codename": "jammy",
    "version_id": "22.04",
}  # fmt: skip


def kernel_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the families of stat, time, timex, uname, os, filefd, entropy and selinux."""
    group = SeriesGroup("host", NODE)

    def error(values: DeviceValues) -> Values:
        return np.where(values["clock_synchronized"] == 1.0, 0.016, _MOST_ERROR)

    def status(values: DeviceValues) -> Values:
        return np.where(values["clock_synchronized"] == 1.0, _SYNCHRONISED, _UNSYNCHRONISED)

    def files(values: DeviceValues) -> Values:
        return _OPEN_FILES + 60.0 * values["load5"].round()

    return (
        family("boot_time_seconds", group, lambda v: np.rint(v.ts - v["uptime"]), decimals=0),
        family("time_seconds", group, lambda v: v.ts + v["clock_ahead"]),
        family("timex_maxerror_seconds", group, error, decimals=6),
        family("timex_estimated_error_seconds", group, lambda v: abs(v["clock_offset"]),
               decimals=6),
        family("timex_status", group, status),
        family("filefd_allocated", group, files),
        *constants(group, _FIXED),
        family("timex_frequency_adjustment_ratio", group, lambda _: 1.0000123, steady=True),
        *constants(group, _PPS),
        *_labelled(kind),
    )  # fmt: skip


_FIXED = {
    "time_zone_offset_seconds": 0.0,
    "timex_loop_time_constant": 7.0,
    "timex_tick_seconds": 0.01,
    "timex_tai_offset_seconds": 37.0,
    "filefd_maximum": 9.223372036854776e18,
    "entropy_available_bits": 256.0,
    "entropy_pool_size_bits": 256.0,
    "selinux_enabled": 0.0,
    "kernel_hung_tasks_total": 0.0,
    "pressure_irq_stalled_seconds_total": 0.0,
}
_PPS = {
    f"timex_pps_{name}": 0.0
    for name in ("frequency_hertz", "jitter_seconds", "shift_seconds", "stability_hertz",
                 "jitter_total", "calibration_total", "error_total", "stability_exceeded_total")
}  # fmt: skip


def _labelled(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return what says something by its labels, always 1."""

    def uname(place: Place) -> Sequence[Labels]:
        return ((("domainname", "(none)"), ("machine", "x86_64"),
                 ("nodename", kind.hostname(place)), ("release", _RELEASE),
                 ("sysname", "Linux"), ("version", _VERSION)),)  # fmt: skip

    names = ("domainname", "machine", "nodename", "release", "sysname", "version")
    system = SeriesGroup("uname", NODE, names, labels=uname)
    release = SeriesGroup("os", NODE, tuple(_OS), labels=lambda _: (tuple(_OS.items()),))
    short = tuple((name, _OS[name]) for name in ("id", "id_like", "name"))
    version = SeriesGroup("os_version", NODE, ("id", "id_like", "name"), labels=lambda _: (short,))
    clock = SeriesGroup(
        "clocksource", NODE, ("clocksource", "device"),
        labels=lambda _: ((("clocksource", "tsc"), ("device", "0")),),
    )  # fmt: skip
    return (
        *constants(system, {"uname_info": 1.0}),
        *constants(release, {"os_info": 1.0}),
        family("os_version", version, lambda _: 22.04, steady=True, decimals=2),
        *constants(clock, {"time_clocksource_current_info": 1.0}),
    )
