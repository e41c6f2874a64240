"""NVLink switch trays, as NICo reads them: NVOS by gNMI, and the tray's controller by Redfish."""

from __future__ import annotations

from twin.catalog.device import DeviceClass
from twin.catalog.model import Detail, Exporter, MetricType, Signal, Unit
from twin.catalog.page import DEGRADED, DeviceColumn, PageTable, TroubleSign
from twin.catalog.place import DeviceAddress, Hosts, Place, UnitKind
from twin.catalog.rack_scale.nico import nico_gauge, part, sensor
from twin.catalog.rollup import Operation, Rollup

__all__ = ["SWITCH_TRAY", "SWITCH_TRAYS"]

SWITCH_TRAYS = Hosts(
    lambda site: site.nvlink.switch_trays, lambda place: f"{place.unit_name}-sw{place.host + 1}"
)
"""The NVLink switch trays of a rack."""


def _component(name: str) -> Exporter:
    return part(
        f"switch_{name.lower()}",
        switch_tray_index=lambda place: str(place.host),
        component_name=lambda _: name,
    )


def _sensor_of(name: str) -> Exporter:
    return part(
        f"switch_{name.lower()}",
        switch_tray_index=lambda place: str(place.host),
        sensor=lambda _: name,
    )


def _switch(_: Place) -> str:
    return "MGX_NVSwitch_0"


_POWER = sensor("switch_power", lambda _: "PDB_0_HSC_0_Pwr", "voltage_regulator", _switch)
_UP = Exporter(key="switch_target", job="nmx-telemetry", port=9352, labels=(), source="Prometheus")
_LEAKAGE = {0: "ok", 1: "leak", 2: "unknown"}

SWITCH_TRAY = DeviceClass(
    name="switch_tray",
    frame=UnitKind.RACK,
    title="NVLink switch tray",
    hosts=SWITCH_TRAYS,
    detail=Detail.RACK,
    address=DeviceAddress("switch", "NVLink switch trays", SWITCH_TRAYS.count),
    rollups=(
        Rollup("switch_trays_up", "power", Operation.COUNT, Unit.NONE,
               "NVLink switch trays of the {level} that report."),
        Rollup("switch_tray_power_watts", "power", Operation.SUM, Unit.WATTS,
               "Power of the NVLink switch trays of the {level}."),
    ),
    table=PageTable("NVLink switch trays", (
        DeviceColumn("up", "Answers", "", "up", states=("no", "yes")),
        DeviceColumn("power", "Power", Unit.WATTS, "power"),
        DeviceColumn("asic1", "Chip 1", Unit.CELSIUS, "asic1_temperature"),
        DeviceColumn("asic2", "Chip 2", Unit.CELSIUS, "asic2_temperature"),
    )),
    signs=(
        TroubleSign(DEGRADED, ("an NVLink switch tray does not answer",
                               "{} NVLink switch trays do not answer"), "up", equals=0, rank=5),
    ),
    signals=(
        Signal("up", "up", _UP, MetricType.GAUGE, Unit.NONE,
               "1 if the target's last scrape succeeded, 0 otherwise.", high=1,
               codes={0: "down", 1: "up"}),
        nico_gauge("power", "hw_sensor_power_watts", _POWER, unit=Unit.WATTS, decimals=1,
                   high=200_000),
        nico_gauge("asic1_temperature", "nvue_gnmi_component_asic_temperature_celsius_celsius",
                   _component("ASIC1"), unit=Unit.CELSIUS, decimals=1, low=-40, high=200),
        nico_gauge("asic2_temperature", "nvue_gnmi_component_asic_temperature_celsius_celsius",
                   _component("ASIC2"), unit=Unit.CELSIUS, decimals=1, low=-40, high=200),
        nico_gauge("leakage", "nvue_gnmi_leakage_state_state", _sensor_of("LEAKAGE1"),
                   unit=Unit.NONE, states=_LEAKAGE, high=2),
    ),
)  # fmt: skip
