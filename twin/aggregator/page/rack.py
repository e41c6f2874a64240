"""Rack view of the live page: GPUs, NIC ports, pumps and power of one rack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.page.floor import LINE_SHARE, Floor
from twin.aggregator.page.trouble import Troubles
from twin.aggregator.store import Store
from twin.catalog import (
    CDU,
    GPU,
    LEAK_STATES,
    NEURONCORE,
    NIC,
    PDU,
    PUMP,
    PUMP_STATES,
    SERVER,
    DeviceClass,
    Unit,
    UnitKind,
)
from twin.site import Layout

__all__ = ["DeviceColumn", "DeviceTable", "Racks", "groups_of"]


@dataclass(frozen=True, slots=True)
class DeviceColumn:
    """One value of every device of a group.

    Attributes:
        key: its name in the answer.
        title: its name for people.
        unit: unit as sent.
        signal: signal of the device class.
        decimals: decimals that are sent.
        scale: what the signal is multiplied by.
        low: lower end of its colour scale, None for a value that is not coloured.
        high: upper end.
        states: names of the values, for a state.
        counter: whether people want its rate and not its value.
    """

    key: str
    title: str
    unit: str
    signal: str
    decimals: int = 0
    scale: float = 1.0
    low: float | None = None
    high: float | None = None
    states: tuple[str, ...] = ()
    counter: bool = False


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """All devices of one class in a rack.

    Attributes:
        key: name of the device class.
        title: its name for people, in the plural.
        device: the device class.
        rows: devices are shown in so many rows, one a server; 0 for a table.
        columns: what is shown of each.
    """

    key: str
    title: str
    device: DeviceClass
    rows: int
    columns: tuple[DeviceColumn, ...]


def groups_of(layout: Layout) -> tuple[DeviceTable, ...]:
    """Return the groups of devices that the racks of a site have."""
    site = layout.site
    gpu, line = site.gpu, LINE_SHARE * site.network.bytes_per_second
    servers = site.servers_per_rack
    groups = (
        DeviceTable("gpu", "GPUs", GPU, servers, (
            DeviceColumn("temperature", "Temperature", Unit.CELSIUS, "gpu_temp",
                         low=30.0, high=gpu.temperature_slowdown_celsius),
            DeviceColumn("power", "Power", Unit.WATTS, "power_usage", low=0.0,
                         high=gpu.power_limit_watts),
            DeviceColumn("utilization", "Utilisation", Unit.PERCENT, "gpu_util", low=0.0,
                         high=100.0),
            DeviceColumn("clock", "SM clock", Unit.MEGAHERTZ, "sm_clock", low=0.0,
                         high=gpu.sm_clock_max_mhz),
            DeviceColumn("memory", "Memory temperature", Unit.CELSIUS, "memory_temp",
                         low=30.0, high=105.0),
            DeviceColumn("xid", "Last XID", "", "xid"),
        )),
        DeviceTable("neuroncore", "NeuronCores", NEURONCORE, servers, (
            DeviceColumn("utilization", "Utilisation", Unit.PERCENT, "utilization", 0, 100.0, 0.0,
                         100.0),
        )),
        DeviceTable("nic", "NIC ports", NIC, servers, (
            DeviceColumn("sent", "Sent", "Gb/s", "tx_bytes", low=0.0, high=8e-9 * line, scale=8e-9,
                         decimals=3, counter=True),
            DeviceColumn("received", "Received", "Gb/s", "rx_bytes", low=0.0, high=8e-9 * line,
                         scale=8e-9, decimals=3, counter=True),
            DeviceColumn("module", "Optic temperature", Unit.CELSIUS, "module_temperature",
                         low=30.0, high=75.0),
            DeviceColumn("up", "Link", "", "up", states=("down", "up")),
            DeviceColumn("changes", "Carrier changes", "", "carrier_changes"),
        )),
        DeviceTable("pump", "Coolant pumps", PUMP, 0, (
            DeviceColumn("state", "State", "", "state", states=_names(PUMP_STATES)),
            DeviceColumn("speed", "Speed", Unit.PERCENT, "speed_ratio", 0, 100.0),
            DeviceColumn("flow", "Flow", Unit.LITERS_PER_MINUTE, "flow", 1),
            DeviceColumn("power", "Power", Unit.WATTS, "power"),
            DeviceColumn("pressure", "Inlet", "kPa", "inlet_pressure", 0, 1e-3),
        )),
        DeviceTable("cdu", "Coolant unit", CDU, 0, (
            DeviceColumn("flow", "Flow", Unit.LITERS_PER_MINUTE, "flow", 1),
            DeviceColumn("supply", "Supply", Unit.CELSIUS, "supply_temperature", 1),
            DeviceColumn("return", "Return", Unit.CELSIUS, "return_temperature", 1),
            DeviceColumn("heat", "Heat", "kW", "heat_removed", 1, 1e-3),
            DeviceColumn("level", "Level", Unit.PERCENT, "level", 0, 100.0),
            DeviceColumn("leak", "Leak", "", "leak", states=_names(LEAK_STATES)),
        )),
        DeviceTable("server", "Servers", SERVER, 0, (
            DeviceColumn("power", "Power", "kW", "power", 2, 1e-3),
            DeviceColumn("inlet", "Inlet air", Unit.CELSIUS, "inlet_temperature"),
            DeviceColumn("up", "Answers", "", "up_node", states=("no", "yes")),
        )),
        DeviceTable("pdu", "PDU phases", PDU, 0, (
            DeviceColumn("power", "Power", "kW", "power", 1, 1e-3),
            DeviceColumn("current", "Current", Unit.AMPERES, "current", 1),
            DeviceColumn("voltage", "Voltage", Unit.VOLTS, "voltage", 1),
        )),
    )  # fmt: skip
    return tuple(
        replace(group, columns=tuple(_reported(layout, group)))
        for group in groups
        if layout.per_unit(group.device)
    )


def _reported(layout: Layout, group: DeviceTable) -> Iterator[DeviceColumn]:
    names = {signal.name for signal in layout.reported[group.device.name] if signal.on_wire}
    return (column for column in group.columns if column.signal in names)


class Racks:
    """What can be said of a rack."""

    def __init__(self, store: Store, floor: Floor) -> None:
        self._store = store
        self._floor = floor
        self._troubles = Troubles(store)
        self.groups = groups_of(store.layout)
        """The groups of devices, in the order in which they are shown."""

    def describe(self, rack: int) -> dict[str, Any]:
        """Return everything of one rack, as JSON takes it; None for what is not reported."""
        store, layout = self._store, self._store.layout
        units = store.units[UnitKind.RACK]
        reporting = bool(units.reporting[rack])
        array = layout.array_of(rack)
        return {
            "rack": layout.unit_name(UnitKind.RACK, rack),
            "array": layout.array_name(array),
            "hall": layout.hall_name(array),
            "gpu_model": layout.gpu_model(rack).name,
            "reporting": reporting,
            "missing": None if reporting else dict(units.missing())[rack].value,
            "time": _one(units.ts[rack]),
            "figures": {key: _one(self._floor.values(key)[rack]) for key in self._floor.signals},
            "troubles": self._troubles.words(rack),
            "devices": {group.key: self._columns(group, rack) for group in self.groups},
        }

    def _columns(self, group: DeviceTable, rack: int) -> dict[str, list[float | None]]:
        return {
            column.key: _many(
                np.round(
                    self._store.column(group.device, column.signal)[rack] * column.scale,
                    column.decimals,
                )
            )
            for column in group.columns
        }


def _names(states: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(states[code] for code in range(len(states)))


def _one(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _many(values: NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
