"""The plant: the order in which the subsystems act on each other.

One step goes workload → GPUs → NICs → servers → cooling → facility → Megapacks →
grid. What flows back (a throttled GPU slows the job, lost coolant heats the GPUs)
takes effect in the next step, which is at most a second later. The plant is pure:
no clock, no I/O; simulated time is the sum of its steps and the same seed gives the
same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np

from twin.plant.chiller import WaterPlant
from twin.plant.conditions import Conditions
from twin.plant.cooling import Cdus
from twin.plant.fabric import Fabric
from twin.plant.genset import Gensets
from twin.plant.gpu import Gpus
from twin.plant.grid import Grid, Meters
from twin.plant.megapack import Megapacks
from twin.plant.neuron import NeuronMonitor
from twin.plant.nic import Nics
from twin.plant.ripple import Ripple
from twin.plant.room import Room
from twin.plant.sensors import Sensors
from twin.plant.server import Servers
from twin.plant.storage import Storage
from twin.plant.supply import Supply
from twin.plant.units import Floats, silenced
from twin.plant.wear import Wear
from twin.plant.workload import Demand, Health, Jobs
from twin.site import Layout

__all__ = ["Plant"]

_FABRIC_STREAM, _STORAGE_STREAM, _SENSOR_STREAM = 20, 21, 22
_LONGEST_STEP = 1.0
"""Longer steps are cut: throttling acts within seconds."""


class Plant:
    """The whole site as arrays.

    Args:
        layout: the site.
        seed: of every random number of the plant.
        workload: what the training jobs run: ``training``, ``idle`` or ``trace:NAME``.
        epoch: unix time of the start, of which the time of day counts for the weather.

    Raises:
        ConfigError: there is no such workload.
    """

    def __init__(
        self, layout: Layout, seed: int = 0, workload: str = "training", epoch: float = 0.0
    ) -> None:
        streams = (np.random.default_rng([seed, stream]) for stream in range(7))
        site = layout.site
        self._layout = layout
        self._epoch = epoch
        self._liquid = site.cooling.liquid_ratio
        self.time = 0.0
        """Simulated seconds since the start."""
        self.jobs = Jobs(workload, layout, next(streams))
        self.gpus = Gpus(layout, next(streams))
        dcgm = site.gpu.exporter == "dcgm"
        self.neuron = None if dcgm else NeuronMonitor(layout, self.gpus)
        self.nics = Nics(layout, next(streams))
        self.fabric = Fabric(layout, np.random.default_rng([seed, _FABRIC_STREAM]))
        self.storage = Storage(layout, np.random.default_rng([seed, _STORAGE_STREAM]))
        self.servers = Servers(layout, next(streams))
        self.cdus = Cdus(layout, next(streams))
        self.water = WaterPlant(layout)
        self.room = Room(layout)
        self.megapacks = Megapacks(layout, next(streams))
        self.grid = Grid(layout, rng := next(streams))
        self.gensets = Gensets(layout, rng)
        self.supply = Supply(layout, self.grid, self.megapacks, self.gensets)
        self.meters = Meters(layout)
        self.ripple = Ripple(layout)
        self.sensors = Sensors(layout, np.random.default_rng([seed, _SENSOR_STREAM]))
        self._demand = self._settle()

    def step(self, dt: float, conditions: Conditions) -> None:
        """Advance by ``dt`` simulated seconds under ``conditions``."""
        parts = max(1, ceil(dt / _LONGEST_STEP - 1e-9))
        for _ in range(parts):
            self._advance(dt / parts, conditions)
        self.sensors.sense(conditions)
        self.time += dt

    def resume(self, epoch: float) -> None:
        """Go on after a pause: the start, by the clock of the weather, was at ``epoch``."""
        self._epoch = epoch

    def _settle(self) -> Demand:
        """Let the site have run for long: no transient at the start."""
        demand = self.jobs.step(1e-3, [Health()] * len(self.jobs.rows))
        self.gpus.settle(demand, self._layout.site.cooling.supply_celsius)
        self.nics.settle(demand)
        self.servers.step(self.gpus.power)
        self.servers.settle(self.cdus.power)
        self.water.weather(self._epoch, 0.0)
        self.cdus.settle(self._heat(), self.water.supply, self.water.room_dew)
        self.water.settle(*self._warmth())
        self.supply.settle(self._meter())
        return demand

    def _advance(self, dt: float, conditions: Conditions) -> None:
        gpus, cdus = self.gpus, self.cdus
        self.servers.sense(conditions, self.supply.powered, dt)
        conditions = self._with_power(conditions)
        healths = [self._health(job, conditions) for job in range(len(self.jobs.rows))]
        demand = self.jobs.step(dt, healths)
        gpus.step(
            demand,
            self.jobs.over_racks([health.speed for health in healths], elsewhere=1.0),
            cdus.supply[:, None],
            cdus.flow_ratio[:, None],
            conditions,
            dt,
            self.servers.hosts,
        )
        if self.neuron is not None:
            self.neuron.step(demand, conditions.gpu_responding, dt)
        self._communicate(demand, conditions, dt)
        self.servers.step(gpus.power)
        self._cool(conditions, dt)
        self.servers.meter(cdus.power, self.supply.voltage_ratio, conditions, dt)
        load = self._meter()
        self.meters.swing.add(load, dt)
        self.supply.step(load, self.servers.rack_load, conditions, dt)
        self.ripple.step(
            load, self.jobs.course, self.grid, self.megapacks, float(self.gensets.power.sum()), dt
        )
        self._demand = demand

    def _cool(self, conditions: Conditions, dt: float) -> None:
        """Let coolant units, chillers and air handlers carry off the heat."""
        water, supply, cooled = self.water, self.supply, self._layout.site.water
        volts = supply.voltage_ratio
        live = volts > 0.0
        fed = volts >= cooled.dropout_voltage_ratio and (supply.on_grid or cooled.backed_up)
        self.cdus.step(self._heat(), conditions, water.supply, water.room_dew, dt, pumped=live)
        now = self._epoch + self.time
        water.step(*self._warmth(), conditions, now, dt, powered=fed and live)
        self.room.step(self._air_heat(), water.supply, dt, live=live)
        self.servers.air = self.room.air

    def _with_power(self, conditions: Conditions) -> Conditions:
        """Return the conditions in which what has no power fails too."""
        hosts = self.servers.hosts
        if hosts is None:
            return conditions
        server = self._layout.site.server
        racks = self.servers.rack_powered[:, None]
        return replace(
            conditions,
            gpu_attached=conditions.gpu_attached & np.repeat(hosts.up, server.gpus, axis=1),
            nic_link=conditions.nic_link & np.repeat(hosts.up, server.nics, axis=1),
            cdu_psu_ok=conditions.cdu_psu_ok & racks,
        )

    def _health(self, job: int, conditions: Conditions) -> Health:
        """Return how the hardware of a job was doing at the end of the last step."""
        nics, fabric, rows = self.nics, self.fabric, self.jobs.rows[job]
        return Health(
            self.gpus.speed_in(rows.racks),
            self.gpus.missing_in(rows.racks),
            nics.links_down_in(rows.racks) + fabric.isolated_in(rows.arrays),
            network_speed=min(nics.pace_in(rows.racks), fabric.pace_in(rows.arrays)),
            storage_speed=self.storage.speed * nics.storage_pace_in(rows.racks),
            crashing=self.gpus.aborted_in(rows.racks) or not conditions.job_sound[job],
            hanging=not conditions.job_synchronous[job],
            input_ratio=float(conditions.job_input_ratio[job]),
            checkpoint_every=float(conditions.job_checkpoint_seconds[job]),
        )

    def _communicate(self, demand: Demand, conditions: Conditions, dt: float) -> None:
        """Let NICs, switches and storage move what the jobs ask."""
        nics, fabric, storage = self.nics, self.fabric, self.storage
        live = self.supply.voltage_ratio > 0.0
        storage.condition(conditions.storage_speed, conditions.service_available & live)
        fabric.condition(
            conditions.leaf_available & live,
            conditions.spine_available & live,
            adaptive=bool(conditions.adaptive_routing[0]),
        )
        if fabric.isolated:
            # There a collective does not get past its first packet.
            joined = [fabric.isolated_in(rows.arrays) == 0 for rows in self.jobs.rows]
            flows = self.jobs.over_racks([float(whole) for whole in joined])
            demand = replace(
                demand, network=demand.network * flows, congestion=demand.congestion * flows
            )
        nics.step(
            demand,
            fabric.links(conditions.nic_link),
            dt,
            wear=Wear.of(conditions),
            drops=fabric.drops(),
            storage=storage.limits,
        )
        fabric.step(nics, dt)
        storage.step(nics.stored, nics.loaded, dt)

    @property
    def _network_power(self) -> float:
        """Power of switches and service racks in W: IT that stands beside the GPU racks."""
        return self.fabric.power + self.storage.power

    def _heat(self) -> Floats:
        """Return the heat that each rack's coolant takes up, (racks,) in W."""
        heat: Floats = self._liquid * self.servers.power.sum(axis=1)
        return heat

    def _air_heat(self) -> float:
        """Return what the coolant leaves to the air, in W."""
        power = float(self.servers.power.sum()) + float(self.cdus.power.sum())
        power += self._network_power
        return power - float(self.cdus.absorbed.sum())

    def _warmth(self) -> tuple[float, float]:
        """Return the heat into the facility water in W and its flow in L/min."""
        cdus = self.cdus
        heat = float(cdus.rejected.sum()) + self._air_heat()
        return heat, float(cdus.facility_flow.sum()) + self.room.flow

    def _meter(self) -> float:
        it = float(self.servers.power.sum()) + self._network_power
        return self.meters.read(it, self.water.power, float(self.cdus.power.sum()))

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of the catalogue: class, then signal, to (units, devices).

        The arrays may be the plant's own: they are valid until the next step and must
        not be written to.
        """
        supply = self.supply
        outputs = {
            **self._accelerator_outputs(),
            "nic": self.nics.outputs(),
            "server": self.servers.outputs(self.gpus.exporter_up),
            "psu": self.servers.psu_outputs(),
            "pump": self.cdus.pump_outputs(),
            "cdu": self.cdus.outputs(),
            "cdu_psu": self.cdus.psu_outputs(),
            "pdu": self.servers.pdu_outputs(supply.voltage_ratio),
            "pdu_breaker": self.servers.breaker_outputs(supply.voltage_ratio),
            "leaf": self.fabric.leaf_outputs(self.nics),
            "port": self.fabric.port_outputs(self.nics),
            "spine": self.fabric.spine_outputs(),
            "storage": self.storage.outputs(),
            "cpu": self.storage.cpu_outputs(),
            "megapack": self.megapacks.outputs(supply.voltage_ratio, supply.frequency),
            "genset": self.gensets.outputs(),
            "grid": self.grid.outputs(self.ripple.grid.bands),
            "facility": self.meters.outputs(
                self.water.supply, supply.unserved, supply.shed, self.ripple.load.bands
            ),
            "chiller": self.water.chiller_outputs(),
            "water": self.water.outputs(self.room.air),
            "job": self.jobs.outputs(),
        }
        self.sensors.read(outputs)
        self._darken(outputs)
        return outputs

    def _accelerator_outputs(self) -> dict[str, dict[str, Floats]]:
        """Return the signals of the classes by which the site's exporter shows its chips."""
        if self.neuron is None:
            return {"gpu": self.gpus.outputs(self._demand)}
        return self.neuron.outputs(self._demand, self.servers.hosts)

    def _darken(self, outputs: dict[str, dict[str, Floats]]) -> None:
        """Make the signals of what has no power NaN: nobody answers there."""
        hosts = self.servers.hosts
        if hosts is None:
            return
        nics = np.repeat(hosts.up, self._layout.site.server.nics, axis=1)
        racks = self.servers.rack_powered[:, None]
        alive = {"nic": nics, "pump": racks, "cdu": racks, "cdu_psu": racks}
        for device, there in alive.items():
            outputs[device] = silenced(outputs[device], there)
