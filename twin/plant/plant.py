"""The plant: the order in which the subsystems act on each other.

One step goes workload → GPUs → NICs → servers → cooling → facility → Megapacks →
grid. What flows back (a throttled GPU slows the job, lost coolant heats the GPUs)
takes effect in the next step, which is at most a second later. The plant is pure:
no clock, no I/O; simulated time is the sum of its steps and the same seed gives the
same bytes.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from twin.catalog import GPU
from twin.plant.conditions import Conditions
from twin.plant.cooling import Cdus
from twin.plant.gpu import Gpus
from twin.plant.grid import Gensets, Grid, Meters
from twin.plant.megapack import Megapacks
from twin.plant.nic import Nics
from twin.plant.server import Servers
from twin.plant.units import Floats
from twin.plant.workload import Demand, Health, workload_of
from twin.site import Layout

__all__ = ["Plant"]

_LONGEST_STEP = 1.0
"""Longer steps are cut: throttling acts within seconds."""


class Plant:
    """The whole site as arrays.

    Args:
        layout: the site.
        seed: of every random number of the plant.
        workload: ``training``, ``idle`` or ``trace:NAME``.

    Raises:
        ConfigError: there is no such workload.
    """

    def __init__(self, layout: Layout, seed: int = 0, workload: str = "training") -> None:
        streams = (np.random.default_rng([seed, stream]) for stream in range(7))
        site = layout.site
        self._layout = layout
        self._liquid = site.cooling.liquid_ratio
        self.time = 0.0
        """Simulated seconds since the start."""
        self.workload = workload_of(workload, site, next(streams))
        self.gpus = Gpus(layout, next(streams))
        self.nics = Nics(layout, next(streams))
        self.servers = Servers(layout, next(streams))
        self.cdus = Cdus(layout, next(streams))
        self.megapacks = Megapacks(layout, next(streams))
        self.grid = Grid(layout, rng := next(streams))
        self.gensets = Gensets(layout, rng)
        self.meters = Meters(layout)
        self._demand = self._settle()

    def step(self, dt: float, conditions: Conditions) -> None:
        """Advance by ``dt`` simulated seconds under ``conditions``."""
        parts = max(1, ceil(dt / _LONGEST_STEP - 1e-9))
        for _ in range(parts):
            self._advance(dt / parts, conditions)
        self.time += dt

    def _settle(self) -> Demand:
        """Let the site have run for long: no transient at the start."""
        demand = self.workload.step(1e-3, Health())
        self.gpus.settle(demand, self._layout.site.cooling.supply_celsius)
        self.nics.settle(demand)
        self.servers.step(self.gpus.power, self.cdus.power, 0.0)
        self.cdus.settle(self._heat())
        load = self._meter()
        self.megapacks.settle(load)
        self.grid.settle(load)
        return demand

    def _advance(self, dt: float, conditions: Conditions) -> None:
        gpus, cdus = self.gpus, self.cdus
        speed = gpus.speed
        missing = int(gpus.attached.size - gpus.attached.sum())
        demand = self.workload.step(dt, Health(speed, missing, self.nics.links_down))
        gpus.step(
            demand,
            speed,
            cdus.supply[:, None],
            cdus.flow_ratio[:, None],
            conditions.gpu_attached,
            dt,
        )
        self.nics.step(demand, conditions.nic_link, dt)
        self.servers.step(gpus.power, cdus.power, dt)
        cdus.step(self._heat(), conditions.pump_available, dt)
        load = self._meter()
        self.megapacks.step(load, conditions.megapack_available, dt)
        self.grid.step(load - float(self.megapacks.power.sum()), dt)
        self._demand = demand

    def _heat(self) -> Floats:
        """Return the heat that each rack's coolant takes up, (racks,) in W."""
        heat: Floats = self._liquid * self.servers.power.sum(axis=1)
        return heat

    def _meter(self) -> float:
        it = float(self.servers.power.sum())
        return self.meters.read(it, it, float(self.cdus.power.sum()))

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of the catalogue: class, then signal, to (units, devices).

        The arrays may be the plant's own: they are valid until the next step and must
        not be written to.
        """
        grid = self.grid
        return {
            "gpu": self.gpus.outputs(self._demand),
            "nic": self.nics.outputs(),
            "server": self.servers.outputs(),
            "psu": self.servers.psu_outputs(),
            "pump": self.cdus.pump_outputs(),
            "cdu": self.cdus.outputs(),
            "pdu": self.servers.pdu_outputs(grid.voltage_ratio),
            "megapack": self.megapacks.outputs(grid.voltage_ratio, grid.frequency),
            "genset": self.gensets.outputs(),
            "grid": grid.outputs(),
            "facility": self.meters.outputs(),
            "job": self._job_outputs(),
        }

    def _job_outputs(self) -> dict[str, Floats]:
        progress = self.workload.progress
        gpus = int(np.prod(self._layout.shape(GPU)))
        values = {
            "state": float(progress.state),
            "steps": float(progress.steps),
            "step_seconds": progress.step_seconds,
            "goodput": progress.goodput,
            "checkpoints": float(progress.checkpoints),
            "interruptions": float(progress.interruptions),
            "stalled_seconds": progress.stalled_seconds,
            "gpus": float(gpus),
        }
        return {name: np.full((1, 1), value) for name, value in values.items()}
