"""Compute trays: their Grace CPUs and their leak detectors.

The CPUs take their part of what a tray draws beside its GPUs. Coolant that a tray loses gathers
under the cold plates first and at the manifold later; a detector's voltage falls as it gets wet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GRACE, LEAK_DETECTOR
from twin.plant.conditions import Conditions
from twin.plant.server import Servers
from twin.plant.units import Floats, any_of, silenced
from twin.site import Layout

__all__ = ["ComputeTrays"]

_CPU_KELVIN_PER_WATT = 0.055
"""Grace CPU above the coolant, est.: 37 °C with 88 W and coolant of 32 °C (Redfish: 37 °C)."""
_WET_VOLTS = 1.1
"""What water takes from a detector's voltage, est.: below its lower limit of 1.3 V."""
_MANIFOLD_RATIO = 0.25
"""Share of a tray's puddle that reaches the detectors at the manifold, est."""
_DRY_LITERS = 1e-6
_MOPPED_SECONDS = 60.0
"""Time constant in which a puddle goes once nothing leaks, est."""


class ComputeTrays:
    """Trays of all racks; arrays are (racks, trays) or (racks, devices a rack)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._tray, self._server = site.tray, site.server
        self._shape = (site.racks, site.servers_per_rack)
        self._cpus = layout.shape(GRACE)
        racks = range(site.racks)
        idle = np.array([[site.gpu_model(rack).power_idle_watts] for rack in racks])
        self._idle = idle * site.server.gpus / max(site.tray.cpus, 1)
        self._spread = 1.0 + rng.normal(0.0, 0.015, self._cpus)
        self._dry = site.tray.leak_volts + rng.normal(0.0, 0.002, layout.shape(LEAK_DETECTOR))
        self._puddle: Floats = np.zeros(self._shape)

    def step(self, conditions: Conditions, dt: float) -> None:
        """Let coolant leak for ``dt`` seconds."""
        leak = conditions.tray_leak
        if not conditions.faulty("tray_leak") and not any_of(self._puddle):
            return
        dried = np.where(leak > 0.0, 1.0, np.exp(-dt / _MOPPED_SECONDS))
        puddle = self._puddle * dried + leak * dt / 60.0
        self._puddle = np.where(puddle < _DRY_LITERS, 0.0, puddle)

    def outputs(
        self, gpus: Floats, servers: Servers, coolant: Floats, running: NDArray[np.bool_]
    ) -> dict[str, dict[str, Floats]]:
        """Return all signals of the catalogue's classes of Grace CPUs and leak detectors.

        Args:
            gpus: power of every GPU in W, (racks, GPUs a rack).
            servers: of the site.
            coolant: supply temperature of each rack in °C, (racks,).
            running: trays whose dcgm-exporter answers.
        """
        outputs = {}
        if self._cpus[1]:
            outputs[GRACE.name] = self._cpu_outputs(gpus, servers, coolant, running)
        if self._dry.shape[1]:
            outputs[LEAK_DETECTOR.name] = self._leak_outputs(servers)
        return outputs

    def _cpu_outputs(
        self, gpus: Floats, servers: Servers, coolant: Floats, running: NDArray[np.bool_]
    ) -> dict[str, Floats]:
        tray, per_watt = self._tray, self._server.base_power_per_gpu_watt
        of_module = gpus.reshape(*self._cpus, -1).sum(axis=2, dtype=np.float64)
        dynamic = tray.cpu_ratio * per_watt * np.maximum(of_module - self._idle, 0.0)
        power = np.minimum(tray.cpu_idle_watts * self._spread + dynamic, tray.cpu_limit_watts)
        values: dict[str, Floats] = {
            "power": power,
            "power_limit": np.full(self._cpus, tray.cpu_limit_watts),
            "module_power": of_module + power + tray.module_watts,
            "temperature": coolant[:, None] + _CPU_KELVIN_PER_WATT * power,
        }
        up = running if servers.hosts is None else running & servers.hosts.up
        return silenced(values, np.repeat(up, tray.cpus, axis=1)) if not up.all() else values

    def _leak_outputs(self, servers: Servers) -> dict[str, Floats]:
        detectors = self._tray.leak_detectors
        volts = self._dry
        if self._puddle.any():
            reach = np.where(np.arange(detectors) < max(detectors // 2, 1), 1.0, _MANIFOLD_RATIO)
            wet = np.minimum(self._puddle[:, :, None] * reach / self._tray.leak_liters, 1.0)
            volts = volts - _WET_VOLTS * wet.reshape(volts.shape)
        values: dict[str, Floats] = {"voltage": volts}
        if servers.hosts is None and servers.bmc is None:
            return values
        return silenced(values, np.repeat(servers.bmc_answers, detectors, axis=1))
