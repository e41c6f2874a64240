"""A hidden reality: a site whose parameters the observer does not know, with faults to be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import yaml

from twin.catalog import UnitKind
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.plant import Conditions
from twin.shadow import ShadowCore
from twin.site import Layout, load_gpu_model, parse_site
from twin.wire import Snapshot

__all__ = ["KNOWN", "Reality", "readings"]

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
"""
"""What the site file says."""
_HIDDEN: dict[str, dict[str, Any]] = {
    "server": {
        "base_power_watts": 1750.0,
        "base_power_per_gpu_watt": 0.1,
        "psu_class": "platinum",
    },
    "cooling": {"pump_head_pascals": 900_000.0, "liquid_ratio": 0.83},
    "gpu": {
        "thermal_resistance_kelvin_per_watt": 0.04,
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
}  # fmt: skip
"""Standard deviation of a reading over its value, beyond what the plant has."""
_NOISY_CELSIUS = {"cdu.supply_temperature": 0.05, "cdu.return_temperature": 0.05}


class Reality:
    """A hidden reality and an observer beside it.

    Args:
        seed: of all its random numbers.
        workload: that it runs.
        known: text of the site file.
        shadow: the observer; None for a new one.

    Attributes:
        layout: the site as its file has it.
        shadow: the observer.
        second: how far it is.
        alter: changes the columns of every frame on their way.
        rng: of the instruments' noise.
        conditions: changes the health of the plant, every second.
    """

    def __init__(
        self,
        seed: int,
        workload: str = "training",
        known: str = KNOWN,
        shadow: ShadowCore | None = None,
    ) -> None:
        self.layout = Layout(parse_site(known, "known"))
        hidden = yaml.safe_load(known)
        for part, own in _HIDDEN.items():
            before = (
                load_gpu_model("h100-sxm").model_dump(exclude_defaults=True)
                if part == "gpu"
                else hidden.get(part, {})
            )
            hidden[part] = {**before, **own}
        site = Layout(parse_site(yaml.safe_dump(hidden), "hidden"))
        self.shadow = shadow or ShadowCore(self.layout)
        config = EmulatorConfig(site, seed=seed, workload=workload)
        self._emulator = EmulatorCore(config, 1_000_000_000.0)
        self.rng = np.random.default_rng(seed)
        self._rows = readings(self.layout)
        self.second = 0
        self.alter: Callable[[int, dict[str, np.ndarray]], None] | None = None
        self.conditions: Callable[[Conditions], None] | None = None

    def frames(self, seconds: int) -> Iterator[tuple[int, Snapshot]]:
        """Yield rack and frame of so many seconds, as the instruments give it."""
        for rack, snapshot in self.exact(seconds):
            yield rack, self.measured(rack, snapshot)

    def exact(self, seconds: int) -> Iterator[tuple[int, Snapshot]]:
        """Yield rack and frame of so many seconds, as the plant shows it."""
        plant, faults = self._emulator.plant, self._emulator.faults
        for _ in range(seconds):
            conditions = faults.conditions(self._emulator.now)
            if self.conditions is not None:
                declared = Conditions.declared()
                own = {name: getattr(conditions, name).copy() for name in declared}
                conditions = replace(conditions, **own)
                self.conditions(conditions)
            plant.step(1.0, conditions)
            self._emulator.frames.advance(
                plant.outputs, self._emulator.now, faults.gateways(self._emulator.now)
            )
            self.second += 1
            for unit in self._emulator.frames.due():
                if unit.kind is not UnitKind.RACK:
                    continue
                stamp = self._emulator.frames.stamp(unit)
                if stamp is not None:
                    yield unit.row, self._emulator.frames.snapshot(stamp)

    def measured(self, rack: int, snapshot: Snapshot) -> Snapshot:
        """Return a frame as the instruments give it."""
        groups = {name: values.copy() for name, values in snapshot.groups.items()}
        columns = {name: groups[device][row] for name, (device, row) in self._rows.items()}
        if self.alter is not None:
            self.alter(rack, columns)
        for name, ratio in _NOISY.items():
            columns[name] *= 1.0 + ratio * self.rng.standard_normal(columns[name].shape)
        for name, kelvin in _NOISY_CELSIUS.items():
            columns[name] += kelvin * self.rng.standard_normal(columns[name].shape)
        return Snapshot(snapshot.ts, snapshot.seq, groups)

    def run(self, seconds: int) -> Iterator[int]:
        """Let the observer see so many seconds and yield each at which a block ended."""
        for rack, snapshot in self.frames(seconds):
            before = self.shadow.blocks
            self.shadow.take(rack, snapshot)
            if self.shadow.blocks > before:
                yield self.second


def readings(layout: Layout) -> dict[str, tuple[str, int]]:
    """Return class and row of every column of a rack's frame, by the name of the reading."""
    return {
        f"{device.name}.{signal.name}": (device.name, row)
        for device in layout.devices_of(UnitKind.RACK)
        for row, signal in enumerate(s for s in layout.reported[device.name] if s.on_wire)
    }
