"""A hidden reality: a site whose parameters the observer does not know, with faults to be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from twin.catalog import GPU, UnitKind
from twin.plant import Conditions, Plant
from twin.shadow import RELATIONS, ShadowCore
from twin.site import Layout, load_gpu_model, parse_site
from twin.wire import Snapshot, SnapshotTable

__all__ = ["HIDDEN", "KNOWN", "KNOWN_IN_AIR", "KNOWN_ON_SHELVES", "HiddenReality", "readings"]

KNOWN = """
name: small
racks: 6
servers_per_rack: 2
server: {nics: 3}
cooling:
  flow_liters_per_minute: 18
  facility_flow_liters_per_minute: 26
  pump_power_watts: 400
  control_power_watts: 16
  nominal_heat_watts: 14000
training: {checkpoint_every_seconds: 240}
telemetry: {interval_seconds: 5}
"""
"""What the site file says."""
KNOWN_IN_AIR = """
name: airy
racks: 6
servers_per_rack: 2
server: {nics: 3}
cooling: {medium: air}
training: {checkpoint_every_seconds: 240}
telemetry: {interval_seconds: 5}
"""
"""The same of a site that air cools."""
KNOWN_ON_SHELVES = """
name: shelved
racks: 6
rack: nvl72
servers_per_rack: 4
nvlink: {switch_trays: 2}
shelves: {count: 2, psus: 4}
cooling:
  flow_liters_per_minute: 28
  facility_flow_liters_per_minute: 40
  pump_power_watts: 600
  control_power_watts: 16
  nominal_heat_watts: 24000
training: {checkpoint_every_seconds: 240}
telemetry: {interval_seconds: 5}
"""
"""The same of racks with power shelves."""
HIDDEN: dict[str, dict[str, Any]] = {
    "server": {
        "base_power_watts": 1750.0,
        "base_power_per_gpu_watt": 0.1,
        "psu_class": "platinum",
    },
    "cooling": {"pump_head_pascals": 900_000.0, "liquid_ratio": 0.83},
    "gpu": {
        "thermal_resistance_kelvin_per_watt": 0.04,
        "air_resistance_kelvin_per_watt": 0.055,
        "thermal_resistance_spread_ratio": 0.1,
        "thermal_flow_exponent": 0.5,
        "heat_capacity_joules_per_kelvin": 300.0,
        "memory_offset_kelvin": 11.0,
    },
}
"""What is otherwise in reality."""
_NOISY = {
    "gpu.power_usage": 0.01, "psu.input_power": 0.003, "psu.output_power": 0.003,
    "server.power": 0.003, "pdu.power": 0.002, "cdu.flow": 0.01, "pump.flow": 0.01,
    "cdu.differential_pressure": 0.01, "cdu.filter_pressure": 0.02,
    "cdu.facility_heat": 0.01, "cdu.facility_flow": 0.01,
}  # fmt: skip
"""Standard deviation of a reading over its value, beyond what the plant has."""
_NOISY_CELSIUS = {
    "cdu.supply_temperature": 0.05, "cdu.return_temperature": 0.05,
    "cdu.facility_supply_temperature": 0.05, "cdu.facility_return_temperature": 0.05,
}  # fmt: skip
_NOISY_METERS = 0.002
"""The same of the site's meters of power."""

Columns = dict[str, NDArray[np.float64]]


class HiddenReality:
    """A hidden reality and an observer beside it.

    Args:
        seed: of all its random numbers.
        workload: that it runs.
        known: text of the site file.
        shadow: the observer; None for a new one.
        more: readings that frames have beside those of the observer.
        otherwise: parts of the site that reality has other than its file; None for the usual.

    Attributes:
        plant: the reality.
        healthy: conditions of a plant that is well.
        layout: the site as its file has it.
        shadow: the observer.
        second: how far it is.
        alter: changes the columns of every frame on their way.
        alter_site: likewise those of the site's meters.
        alter_unit: likewise those of each other unit that stands in no rack.
        rng: of the instruments' noise.
        conditions: changes the health of the plant, every second.
    """

    def __init__(
        self,
        seed: int,
        workload: str = "training",
        known: str = KNOWN,
        shadow: ShadowCore | None = None,
        more: tuple[str, ...] = (),
        otherwise: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.layout = Layout(parse_site(known, "known"))
        hidden = yaml.safe_load(known)
        for part, own in (HIDDEN if otherwise is None else otherwise).items():
            before = hidden.get(part, {})
            if part == "gpu":
                model = before or "h100-sxm"
                before = load_gpu_model(model).model_dump(exclude_defaults=True)
            hidden[part] = {**before, **own}
        site = Layout(parse_site(yaml.safe_dump(hidden), "hidden"))
        self.shadow = shadow or ShadowCore(self.layout)
        self.plant = Plant(site, seed, workload, 1_000_000_000.0)
        self.healthy = Conditions.healthy(site)
        self.rng = np.random.default_rng(seed)
        wanted = {own for relation in RELATIONS for own in relation.readings} | {*more}
        self._rows = {name: own for name, own in readings(self.layout).items() if name in wanted}
        self._groups = {
            device.name: np.full(
                (sum(s.on_wire for s in self.layout.reported[device.name]),
                 *self.layout.shape(device)), np.nan)
            for device in self.layout.devices_of(UnitKind.RACK)
        }  # fmt: skip
        self.second = 0
        self._energy = np.zeros((2, *self.layout.shape(GPU)))
        """Energy of each GPU as it is and as its counter has it, at the last frame."""
        self._energy[0] = np.nan
        self.alter: Callable[[int, Columns], None] | None = None
        self.alter_site: Callable[[Columns], None] | None = None
        self.alter_unit: Callable[[UnitKind, int, Columns], None] | None = None
        self._beside = {
            kind: (SnapshotTable(self.layout, kind), readings(self.layout, kind))
            for kind in (UnitKind.MEGAPACK, UnitKind.GENSET, UnitKind.GRID)
            if self.layout.units(kind)
        }
        self._site_rng = np.random.default_rng([seed, 1])
        self.conditions: Callable[[Conditions], None] | None = None

    def frames(self, seconds: int) -> Iterator[tuple[int, Snapshot]]:
        """Yield rack and frame of so many seconds, as the instruments give it."""
        for rack, snapshot in self.exact(seconds):
            yield rack, self.measured(rack, snapshot)

    def exact(self, seconds: int) -> Iterator[tuple[int, Snapshot]]:
        """Yield rack and frame of so many seconds, as the plant shows it."""
        interval = round(self.layout.site.telemetry.interval_seconds)
        for _ in range(seconds // interval):
            conditions = self.healthy
            if self.conditions is not None:
                conditions = Conditions.healthy(self.layout)
                self.conditions(conditions)
            self.plant.step(float(interval), conditions)
            self.second += interval
            outputs = self.plant.halls.outputs()
            for name, (device, row, decimals) in self._rows.items():
                values = outputs[device][name.partition(".")[2]]
                self._groups[device][row] = np.round(values, decimals)
            for rack in range(self.layout.site.racks):
                groups = {name: values[:, rack].copy() for name, values in self._groups.items()}
                yield rack, Snapshot(1e9 + self.second, self.second, groups)

    def measured(self, rack: int, snapshot: Snapshot) -> Snapshot:
        """Return a frame as the instruments give it."""
        exact = self.columns(snapshot)
        groups = {name: values.copy() for name, values in snapshot.groups.items()}
        snapshot = Snapshot(snapshot.ts, snapshot.seq, groups)
        columns = self.columns(snapshot)
        if self.alter is not None:
            self.alter(rack, columns)
        self._count(rack, exact, columns)
        for name, ratio in _NOISY.items():
            if name in columns:
                columns[name] *= 1.0 + ratio * self.rng.standard_normal(columns[name].shape)
        for name, kelvin in _NOISY_CELSIUS.items():
            if name in columns:
                columns[name] += kelvin * self.rng.standard_normal(columns[name].shape)
        return snapshot

    def _count(self, rack: int, exact: Columns, columns: Columns) -> None:
        """Let the counters of energy add up what the power sensors read."""
        energy = exact["gpu.energy"]
        passed = energy - self._energy[0, rack]
        read = np.where(np.isfinite(passed), passed, energy)
        read = read * columns["gpu.power_usage"] / np.maximum(exact["gpu.power_usage"], 1e-9)
        self._energy[1, rack] += read
        self._energy[0, rack] = energy
        columns["gpu.energy"][:] = self._energy[1, rack]

    def beside(self) -> Iterator[tuple[UnitKind, int, Snapshot]]:
        """Yield kind, unit and frame of what stands in no rack, as it is now."""
        outputs = self.plant.facility.outputs()
        for kind, (table, rows) in self._beside.items():
            table.load(outputs)
            for unit in range(self.layout.units(kind)):
                exact = table.snapshot(unit, 1e9 + self.second, self.second)
                groups = {name: values.copy() for name, values in exact.groups.items()}
                columns = {name: groups[device][row] for name, (device, row, _) in rows.items()}
                if self.alter_site is not None and kind is UnitKind.GRID:
                    self.alter_site(columns)
                elif self.alter_unit is not None:
                    self.alter_unit(kind, unit, columns)
                for name in (own for own in columns if own.endswith("power")):
                    noise = self._site_rng.standard_normal(columns[name].shape)
                    columns[name] *= 1.0 + _NOISY_METERS * noise
                yield kind, unit, Snapshot(exact.ts, exact.seq, groups)

    def columns(self, snapshot: Snapshot) -> Columns:
        """Return the columns of a frame that the observer reads, by the name of the reading."""
        return {name: snapshot.groups[device][row] for name, (device, row, _) in self._rows.items()}

    def run(self, seconds: int) -> Iterator[int]:
        """Let the observer see so many seconds and yield each at which a block ended."""
        for rack, snapshot in self.frames(seconds):
            before = self.shadow.blocks
            self.shadow.take(rack, snapshot)
            if rack == self.layout.site.racks - 1:
                for own in self.beside():
                    self.shadow.take_unit(*own)
            if self.shadow.blocks > before:
                yield self.second


def readings(layout: Layout, kind: UnitKind = UnitKind.RACK) -> dict[str, tuple[str, int, int]]:
    """Return class, row and decimals of every column of a unit's frame, by its reading."""
    return {
        f"{device.name}.{signal.name}": (device.name, row, signal.decimals)
        for device in layout.devices_of(kind)
        for row, signal in enumerate(s for s in layout.reported[device.name] if s.on_wire)
    }
