"""Hardware: sensors, memory errors, thermal zones and the machine's own names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, HostLevel, SeriesGroup
from twin.catalog.host.kind import NODE, HostKind, serial
from twin.catalog.host.texts import constants, family, words
from twin.catalog.model import Labels
from twin.catalog.place import Count, Place

__all__ = ["hardware_families"]

_CONTROLLERS, _FAULTY = 8, 2
"""Memory controllers of a host, four a socket (Sapphire Rapids), and the one of a bad module."""
_CHANNELS = 2
_MOST_CELSIUS, _CRITICAL_CELSIUS = 90.0, 100.0
_NVME_CELSIUS, _NVME_MOST, _NVME_CRITICAL = 36.0, 76.9, 84.9
_DMI_DATE, _DMI_VERSION = "03/18/2024", "1.3.2"


def hardware_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the families of hwmon, edac, thermal_zone and dmi."""
    return (*_packages(kind), *_cores(kind), *_disks(kind), *_chips(kind), *_memory(), *_zones(),
            _dmi(kind))  # fmt: skip


def _temperatures(group: SeriesGroup, limit: float, critical: float) -> tuple[DerivedFamily, ...]:
    return constants(group, {
        "hwmon_temp_max_celsius": limit,
        "hwmon_temp_crit_celsius": critical,
        "hwmon_temp_crit_alarm_celsius": 0.0,
    })  # fmt: skip


def _sensors(key: str, rows: Callable[[Place], Sequence[tuple[str, str]]],
             count: Count) -> SeriesGroup:  # fmt: skip
    """Return a group with a series for each chip and sensor."""
    return SeriesGroup(
        key, NODE, ("chip", "sensor"), count,
        lambda place: tuple((("chip", chip), ("sensor", sensor)) for chip, sensor in rows(place)),
    )  # fmt: skip


def _packages(kind: HostKind) -> tuple[DerivedFamily, ...]:
    chips = tuple(f"platform_coretemp_{package}" for package in range(kind.SOCKETS))
    group = _sensors("packages", lambda _: [(chip, "temp1") for chip in chips],
                     lambda _: kind.SOCKETS)  # fmt: skip

    def warmth(values: DeviceValues) -> Values:
        return np.stack([values["package0_temperature"], values["package1_temperature"]], axis=1)

    labels = tuple(
        (("chip", chip), ("label", f"Package id {package}"), ("sensor", "temp1"))
        for package, chip in enumerate(chips)
    )
    named = SeriesGroup("package_labels", NODE, ("chip", "label", "sensor"),
                        lambda _: kind.SOCKETS, lambda _: labels)  # fmt: skip
    return (
        family("hwmon_temp_celsius", group, warmth),
        *_temperatures(group, _MOST_CELSIUS, _CRITICAL_CELSIUS),
        *constants(named, {"hwmon_sensor_label": 1.0}),
    )


def _cores(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the sensors of the cores, which are a series a core."""

    def each(site_threads: int) -> int:
        return site_threads // (2 * kind.SOCKETS)

    def rows(place: Place) -> Sequence[tuple[str, str]]:
        return [
            (f"platform_coretemp_{package}", f"temp{core + 2}")
            for package in range(kind.SOCKETS)
            for core in range(each(kind.threads(place.site)))
        ]

    def count_cores(site: object) -> int:
        return kind.SOCKETS * each(kind.threads(site))  # type: ignore[arg-type]  # a site

    group = _sensors("cores", rows, count_cores)

    def warmth(values: DeviceValues) -> Values:
        cores = each(kind.threads(values.site))
        spread = -2.0 - 0.5 * (np.arange(cores) % 7)
        return np.concatenate(
            [values.each(f"package{p}_temperature") + spread for p in range(kind.SOCKETS)], axis=1
        )

    def labels(place: Place) -> Sequence[Labels]:
        return tuple(
            (("chip", chip), ("label", f"Core {int(sensor[4:]) - 2}"), ("sensor", sensor))
            for chip, sensor in rows(place)
        )

    named = SeriesGroup("core_labels", NODE, ("chip", "label", "sensor"), count_cores, labels)
    full = (HostLevel.FULL,)
    return (
        family("hwmon_temp_celsius", group, warmth, levels=full),
        *(
            family(name, group, lambda _, value=value: value, steady=True, levels=full)  # type: ignore[misc]  # a default keeps the value of each
            for name, value in (
                ("hwmon_temp_max_celsius", _MOST_CELSIUS),
                ("hwmon_temp_crit_celsius", _CRITICAL_CELSIUS),
                ("hwmon_temp_crit_alarm_celsius", 0.0),
            )
        ),
        family("hwmon_sensor_label", named, lambda _: 1.0, steady=True, levels=full),
    )


def _disks(kind: HostKind) -> tuple[DerivedFamily, ...]:
    rows = [(f"nvme_nvme{number}", "temp1") for number in range(kind.nvmes)]
    group = _sensors("nvme_sensors", lambda _: rows, lambda _: kind.nvmes)

    def warmth(values: DeviceValues) -> Values:
        return _NVME_CELSIUS + np.arange(kind.nvmes) % 4 + 0.0 * values.each("uptime")

    labels = tuple(
        (("chip", chip), ("label", "Composite"), ("sensor", sensor)) for chip, sensor in rows
    )
    named = SeriesGroup("nvme_labels", NODE, ("chip", "label", "sensor"), lambda _: kind.nvmes,
                        lambda _: labels)  # fmt: skip
    return (
        family("hwmon_temp_celsius", group, warmth, steady=True),
        *_temperatures(group, _NVME_MOST, _NVME_CRITICAL),
        *constants(named, {"hwmon_sensor_label": 1.0}),
    )


def _chips(kind: HostKind) -> tuple[DerivedFamily, ...]:
    names = [(f"platform_coretemp_{package}", "coretemp") for package in range(kind.SOCKETS)]
    names += [(f"nvme_nvme{number}", "nvme") for number in range(kind.nvmes)]
    labels = tuple((("chip", chip), ("chip_name", name)) for chip, name in names)
    group = SeriesGroup("chips", NODE, ("chip", "chip_name"), lambda _: len(labels),
                        lambda _: labels)  # fmt: skip
    return constants(group, {"hwmon_chip_names": 1.0})


def _memory() -> tuple[DerivedFamily, ...]:
    """Return the counters of memory errors; those of a bad module are of one controller."""

    def labels(more: Sequence[Labels]) -> Callable[[Place], Sequence[Labels]]:
        every = tuple(
            tuple(sorted((("controller", str(number)), *own)))
            for number in range(_CONTROLLERS)
            for own in more
        )
        return lambda _: every

    def group(key: str, names: tuple[str, ...], more: Sequence[Labels]) -> SeriesGroup:
        return SeriesGroup(key, NODE, names, lambda _: _CONTROLLERS * len(more), labels(more))

    row = (("csrow", "0"),)
    channels = tuple((("channel", str(channel)), *row) for channel in range(_CHANNELS))
    groups = {
        "": group("edac", ("controller",), ((),)),
        "csrow_": group("edac_csrow", ("controller", "csrow"), (row,)),
    }
    slots = tuple(
        (("channel", str(channel)), ("controller", str(number)), ("csrow", "0"),
         ("dimm_label", f"CPU_SrcID#{number // 4}_MC#{number % 4}_Chan#{channel}_DIMM#0"))
        for number in range(_CONTROLLERS)
        for channel in range(len(channels))
    )  # fmt: skip
    groups["channel_"] = SeriesGroup(
        "edac_channel", NODE, ("channel", "controller", "csrow", "dimm_label"),
        lambda _: len(slots), lambda _: slots,
    )  # fmt: skip

    def errors(kind: str, count: int) -> Callable[[DeviceValues], Values]:
        at = [float(number == _FAULTY * count // _CONTROLLERS) for number in range(count)]
        return lambda v: v.each(f"ecc_{kind}") * np.array(at)

    sizes = {"": _CONTROLLERS, "csrow_": _CONTROLLERS, "channel_": len(slots)}
    return tuple(
        family(f"edac_{part}{kind}_errors_total", own, errors(kind, sizes[part]))
        for part, own in groups.items()
        for kind in ("correctable", "uncorrectable")
    )


def _zones() -> tuple[DerivedFamily, ...]:
    labels = tuple((("type", "x86_pkg_temp"), ("zone", str(zone))) for zone in range(2))
    zones = SeriesGroup("zones", NODE, ("type", "zone"), lambda _: 2, lambda _: labels)

    def warmth(values: DeviceValues) -> Values:
        return np.stack([values["package0_temperature"], values["package1_temperature"]], axis=1)

    coolers = tuple((("name", str(n)), ("type", "Processor")) for n in range(2))
    cooling = SeriesGroup("coolers", NODE, ("name", "type"), lambda _: 2, lambda _: coolers)
    return (
        family("thermal_zone_temp", zones, warmth, decimals=1),
        *constants(cooling, {"cooling_device_cur_state": 0.0, "cooling_device_max_state": 10.0}),
    )


def _dmi(kind: HostKind) -> DerivedFamily:
    def labels(place: Place) -> Sequence[Labels]:
        return (
            (("bios_date", _DMI_DATE), ("bios_release", "5.32"),
             ("bios_vendor", "American Megatrends International, LLC."),
             ("bios_version", _DMI_VERSION), ("board_name", kind.product),
             ("board_serial", serial(place, "board")), ("board_vendor", kind.vendor),
             ("board_version", "A0"), ("chassis_asset_tag", ""),
             ("chassis_serial", serial(place, "chassis")), ("chassis_vendor", kind.vendor),
             ("chassis_version", "A0"), ("product_family", ""), ("product_name", kind.product),
             ("product_serial", serial(place, "chassis")), ("product_sku", ""),
             ("product_uuid", ""), ("product_version", "A0"), ("system_vendor", kind.vendor)),
        )  # fmt: skip

    names = words("""
    bios_date bios_release bios_vendor bios_version board_name board_serial board_vendor
    board_version chassis_asset_tag chassis_serial chassis_vendor chassis_version
    product_family product_name product_serial product_sku product_uuid product_version
    system_vendor
""")
    group = SeriesGroup("dmi", NODE, names, labels=labels)
    return family("dmi_info", group, lambda _: 1.0, steady=True)
