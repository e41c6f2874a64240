"""A server's board controller as ipmi_exporter's default collectors show it.

Names, types and help follow prometheus-community/ipmi_exporter 3693ada (``collector*.go``, MIT).
Power and inlet travel; fans follow from both, and all that is well stays as it is. In the
exporter's own words a chassis state of 1 is *no* fault. Sensors are those of a server with two CPU
sockets, est.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, Formula, SeriesGroup
from twin.catalog.host.kind import hosts_shown
from twin.catalog.model import Exporter, Labels, MetricType, Unit
from twin.catalog.place import Place

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["bmc_families"]

_FANS = 10
_MOST_RPM, _LEAST_RPM, _RPM_PER_KELVIN, _RPM_PER_WATT = 16_000.0, 4_500.0, 180.0, 0.35
"""Fans: what they reach, turn at least, and add for warm air and for power, est."""
_COOL_CELSIUS = 22.0
_VOLTAGES = (("P0_VDDCR", 0.9), ("P1_VDDCR", 0.9), ("P12V", 12.08), ("P5V", 5.02), ("P3V3", 3.31),
             ("VBAT", 3.05))  # fmt: skip
_CURRENTS = ("PS1 Output Current", "PS2 Output Current", "PS3 Output Current", "PS4 Output Current")
_OUTPUT_VOLTS = 54.0
_SENSORS = (
    ("101", "PS1 Status", "Power Supply"), ("102", "PS2 Status", "Power Supply"),
    ("103", "PS3 Status", "Power Supply"), ("104", "PS4 Status", "Power Supply"),
    ("110", "CPU0 Status", "Processor"), ("111", "CPU1 Status", "Processor"),
    ("120", "Drive 0", "Drive Slot"), ("121", "Drive 1", "Drive Slot"),
    ("130", "Watchdog2", "Watchdog 2"), ("131", "SEL", "Event Logging Disabled"),
)  # fmt: skip
_EXTRA_COLLECTORS = ("bmc", "chassis", "sel")
_STATE = "Reported state of a {} sensor (0=nominal, 1=warning, 2=critical)."
_KNOWN = "power"


def bmc_families(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    """Return what the exporter shows of a server beside the signals.

    Args:
        exporter: a server as its scrape target.
    """
    return (*_fans(exporter), *_electric(exporter), *_states(exporter), *_whole(exporter))


def _fans_follow(site: Site) -> bool:
    """Return whether fans are shown that no device stands for: the few beside liquid."""
    return hosts_shown(site) and not site.has_air


def _family(metric: str, unit: Unit, text: str, group: SeriesGroup, values: Formula, *,
            steady: bool = True, decimals: int = 0,
            shown: Callable[[Site], bool] = hosts_shown) -> DerivedFamily:  # fmt: skip
    return DerivedFamily(
        f"ipmi_{metric}", MetricType.GAUGE, unit, text, group, values, _KNOWN,
        steady=steady, decimals=decimals, shown=shown,
    )  # fmt: skip


def _group(key: str, exporter: Exporter, names: tuple[str, ...],
           rows: Sequence[Sequence[str]]) -> SeriesGroup:  # fmt: skip
    """Return a group with a series for each row of label values."""
    labels: tuple[Labels, ...] = tuple(tuple(zip(names, row, strict=True)) for row in rows)

    def every(_: Place) -> Sequence[Labels]:
        return labels

    return SeriesGroup(key, exporter, names, lambda _: len(labels), every)


def _fans(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    group = _group("ipmi_fans", exporter, ("id", "name"),
                   [(str(20 + fan), f"FAN{fan + 1}") for fan in range(_FANS)])  # fmt: skip

    def speed(values: DeviceValues) -> Values:
        warm = np.maximum(values["inlet_temperature"] - _COOL_CELSIUS, 0.0)
        wanted = _LEAST_RPM + _RPM_PER_KELVIN * warm + _RPM_PER_WATT * values["power"]
        turned: Values = np.round(np.minimum(wanted, _MOST_RPM) / 60.0) * 60.0
        return turned[:, None] + 0.0 * np.zeros(_FANS)

    return (
        _family("fan_speed_rpm", Unit.RPM, "Fan speed in rotations per minute.", group, speed,
                steady=False, shown=_fans_follow),
        _family("fan_speed_ratio", Unit.RATIO, "Fan speed as a proportion of the maximum speed.",
                group, lambda v: speed(v) / _MOST_RPM, steady=False, decimals=2,
                shown=_fans_follow),
        _family("fan_speed_state", Unit.NONE, _STATE.format("fan speed"), group, _nominal,
                shown=_fans_follow),
    )  # fmt: skip


def _electric(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    volts = _group("ipmi_volts", exporter, ("id", "name"),
                   [(str(40 + i), name) for i, (name, _) in enumerate(_VOLTAGES)])  # fmt: skip
    amperes = _group("ipmi_amperes", exporter, ("id", "name"),
                     [(str(70 + i), name) for i, name in enumerate(_CURRENTS)])  # fmt: skip

    def current(values: DeviceValues) -> Values:
        each = values.each("power") / len(_CURRENTS) / _OUTPUT_VOLTS
        return each + np.zeros(len(_CURRENTS))

    return (
        _family("voltage_volts", Unit.VOLTS, "Voltage reading in Volts.", volts,
                lambda _: np.array([value for _, value in _VOLTAGES]), decimals=2),
        _family("voltage_state", Unit.NONE, _STATE.format("voltage"), volts, _nominal),
        _family("current_amperes", Unit.AMPERES, "Current reading in Amperes.", amperes, current,
                steady=False, decimals=1),
        _family("current_state", Unit.NONE, _STATE.format("current"), amperes, _nominal),
    )  # fmt: skip


def _states(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    sensors = _group("ipmi_sensors", exporter, ("id", "name", "type"), _SENSORS)
    return (
        _family("sensor_state", Unit.NONE, "Indicates the severity of the state reported by an "
                "IPMI sensor (0=nominal, 1=warning, 2=critical).", sensors, _nominal),
        _family("sensor_value", Unit.NONE, "Generic data read from an IPMI sensor of unknown type, "
                "relying on labels for context.", sensors, lambda _: 1.0),
    )  # fmt: skip


def _whole(exporter: Exporter) -> tuple[DerivedFamily, ...]:
    plain = SeriesGroup("ipmi", exporter)
    collectors = _group("ipmi_up", exporter, ("collector",),
                        [(name,) for name in _EXTRA_COLLECTORS])  # fmt: skip
    names = ("bmc_url", "firmware_revision", "manufacturer_id", "system_firmware_version")
    bmc = _group("ipmi_bmc", exporter, names, [("N/A", "24.01.05", "NVIDIA (5703)", "1.3.2")])
    return (
        _family("up", Unit.NONE, "'1' if a scrape of the IPMI device was successful, '0' "
                "otherwise.", collectors, lambda _: 1.0),
        _family("scrape_duration_seconds", Unit.SECONDS,
                "Returns how long the scrape took to complete in seconds.", plain, lambda _: 1.4,
                decimals=1),
        _family("chassis_power_state", Unit.NONE, "Current power state (1=on, 0=off).", plain,
                lambda _: 1.0),
        _family("chassis_drive_fault_state", Unit.NONE,
                "Current drive fault state (1=false, 0=true).", plain, lambda _: 1.0),
        _family("chassis_cooling_fault_state", Unit.NONE,
                "Current Cooling/fan fault state (1=false, 0=true).", plain, lambda _: 1.0),
        _family("sel_logs_count", Unit.NONE, "Current number of log entries in the SEL.", plain,
                lambda _: 24.0),
        _family("sel_free_space_bytes", Unit.BYTES,
                "Current free space remaining for new SEL entries.", plain, lambda _: 15_872.0),
        _family("bmc_info", Unit.NONE,
                "Constant metric with value '1' providing details about the BMC.", bmc,
                lambda _: 1.0),
    )  # fmt: skip


def _nominal(_: DeviceValues) -> float:
    return 0.0
