"""The halls: the equipment of all arrays.

One step goes workload → GPUs → NICs → leaf switches → servers → cooling → PDUs. What
comes from outside, voltage, water, air and how the rest of a job is doing, is the feedback
of the facility on the step before; what goes out is the draw.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twin.catalog import AMD_GPU, NEURON
from twin.plant.amd import AmdExporter
from twin.plant.compute_trays import ComputeTrays
from twin.plant.conditions import Conditions
from twin.plant.engines import InferenceEngines
from twin.plant.fabric import Fabric
from twin.plant.gpu import Gpus
from twin.plant.gpu_hosts import GpuHosts
from twin.plant.hall_facility_link import Feedback, Flows, LoadReport
from twin.plant.heat_paths import HeatPaths
from twin.plant.instruments import Instruments
from twin.plant.neuron import NeuronMonitor
from twin.plant.nic import Nics
from twin.plant.nvlink_domain import NvlinkDomains
from twin.plant.pcie import PcieTraffic
from twin.plant.pdu_shares import with_live_pdus
from twin.plant.port_degradation import PortDegradation
from twin.plant.power_shelf import ShelfFedServers
from twin.plant.readings import SensorReadings
from twin.plant.scheduled import ScheduledHalls
from twin.plant.sensors import Sensors
from twin.plant.server import Servers
from twin.plant.since_boot import SinceBoot
from twin.plant.units import Floats, silenced, sum_of
from twin.plant.workload import Demand, Health, Jobs
from twin.site import Layout

__all__ = ["FABRIC_STREAM", "Halls"]

_JOBS_STREAM, _GPU_STREAM, _NIC_STREAM, _SERVER_STREAM, _CDU_STREAM = range(5)
FABRIC_STREAM, _SENSOR_STREAM, _SCHEDULER_STREAM, _HOST_STREAM, _FAN_STREAM = 20, 22, 23, 25, 26
_ENGINE_STREAM = 27
_DOMAIN_STREAM, _TRAY_STREAM = 28, 29
_OF_JOBS = ("job_sound", "job_synchronous", "job_input_ratio", "job_checkpoint_seconds",
            "job_request_ratio")  # fmt: skip
"""Conditions of jobs."""


class Halls:
    """What stands in the arrays of a site.

    Args:
        layout: the site.
        seed: of every random number.
        workload: what the training jobs run.
    """

    def __init__(self, layout: Layout, seed: int, workload: str) -> None:
        site = layout.site
        self._layout = layout

        def random(stream: int) -> np.random.Generator:
            return np.random.default_rng([seed, stream])

        self.jobs = Jobs(workload, layout, random(_JOBS_STREAM))
        self.gpus = Gpus(layout, random(_GPU_STREAM), workload)
        exporter = site.gpu.exporter
        of_neuron, of_amd = exporter == NEURON.accelerators, exporter == AMD_GPU.accelerators
        self.neuron = NeuronMonitor(layout, self.gpus) if of_neuron else None
        self.amd = AmdExporter(layout, self.gpus) if of_amd else None
        self.nics = Nics(layout, random(_NIC_STREAM))
        self.fabric = Fabric(layout, random(FABRIC_STREAM))
        make = ShelfFedServers if site.shelves.count else Servers
        self.servers = make(layout, random(_SERVER_STREAM))
        joined = site.nvlink.switch_trays > 0
        self.domains = NvlinkDomains(layout, random(_DOMAIN_STREAM)) if joined else None
        own = site.tray.cpus or site.tray.leak_detectors
        self.trays = ComputeTrays(layout, random(_TRAY_STREAM)) if own else None
        self.heat = HeatPaths(layout, random(_CDU_STREAM), random(_FAN_STREAM))
        self.cdus = self.heat.cdus
        self.sensors = Sensors(layout, random(_SENSOR_STREAM))
        averaged = site.telemetry.averaged_power
        self._instruments = Instruments(layout) if averaged else None
        self._readings = SensorReadings.of(layout)
        shown = site.telemetry.shows_hosts
        self.systems = GpuHosts(layout, random(_HOST_STREAM)) if shown else None
        self.batch = ScheduledHalls(layout, random(_SCHEDULER_STREAM)) if site.scheduled else None
        served = self.jobs.served + (() if self.batch is None else self.batch.served)
        self.engines = InferenceEngines(layout, served, random(_ENGINE_STREAM)) if served else None
        self._since_boot = SinceBoot(layout)
        self._voltage = 1.0
        self._demand: Demand

    def settle(self, water: float, dew: float) -> LoadReport:
        """Let the halls have run for long, and return what they draw.

        Args:
            water: facility water supply in °C.
            dew: dew point of the halls in °C.
        """
        demand = self.jobs.step(1e-3, [Health()] * len(self.jobs.rows))
        if self.batch is not None:
            demand = self.batch.settle(demand, self.nics)
        self._demand = demand
        self.nics.settle(demand)
        supply = self._layout.site.cooling.supply_celsius
        self.heat.settle(demand, self.gpus, self.servers, supply, water, dew)
        return self._draw()

    def step(self, dt: float, feedback: Feedback, conditions: Conditions) -> LoadReport:
        """Advance by ``dt`` seconds, at most about a second, and return what they draw.

        Args:
            dt: step in s.
            feedback: of the facility, on the step before.
            conditions: of the site.
        """
        gpus = self.gpus
        self.servers.sense(conditions, feedback.powered, dt)
        conditions = self._with_power(conditions)
        healths = [
            _with_software(health, job, conditions) for job, health in enumerate(feedback.healths)
        ]
        demand = self.jobs.step(dt, healths)
        speed = self.jobs.over_racks([health.speed for health in healths], elsewhere=1.0)
        if self.batch is not None:
            demand, speed = self.batch.step(demand, speed, dt, conditions, self)
        self._demand = demand
        coolant, flow = self.heat.at_gpus(gpus, self.servers)
        if conditions.faulty("tray_flow_ratio"):
            flow = flow * np.repeat(
                conditions.tray_flow_ratio, self._layout.site.server.gpus, axis=1
            )
        if self.domains is not None:
            conditions = self._join(self.domains, demand, conditions, dt)
        gpus.step(demand, speed, coolant, flow, conditions, dt, self.servers.hosts)
        if self.neuron is not None:
            self.neuron.step(demand, conditions.gpu_responding, dt)
        if self.amd is not None:
            self.amd.step(demand, conditions, dt)
        if self.engines is not None:
            loads = self.jobs.served_loads + (() if self.batch is None else self.batch.served_loads)
            self.engines.step(loads, gpus, self.servers.hosts, dt)
        self._communicate(demand, feedback, conditions, dt)
        if (booted := self._since_boot.booted(self.servers.hosts)).size:
            shown = self._accelerator_outputs() | {"nic": self.nics.outputs()}
            self._since_boot.begin(booted, shown)
        self.servers.step(gpus.power, self.heat.fan_power)
        if self.systems is not None:
            self.systems.step(
                demand, self.nics, self.servers.inlet, conditions, self.servers.hosts, dt
            )
        if self.trays is not None:
            self.trays.step(conditions, dt)
        self.heat.step(gpus, self.servers, conditions, feedback, dt)
        self.servers.meter(self.heat.unit_power, feedback.voltage_ratio, conditions, dt)
        self._measure(demand, dt)
        return self._draw()

    def _measure(self, demand: Demand, dt: float) -> None:
        """Let the instruments take in a step."""
        if self._instruments is not None:
            self._instruments.step(self.gpus.power, self.servers, demand.flicker, dt)
        if self._readings is not None:
            self._readings.step(dt)

    def _join(
        self, domains: NvlinkDomains, demand: Demand, conditions: Conditions, dt: float
    ) -> Conditions:
        """Let the NVLink domains of the racks step, and return the conditions that they leave."""
        compute = np.asarray(demand.compute, dtype=np.float64)
        busy = compute.mean(axis=1) if compute.ndim else compute
        use = np.broadcast_to(self.gpus.link_use * busy, domains.power.shape[:1])
        conditions, recovered, lost = domains.step(conditions, demand, use, dt)
        self.gpus.links.shared = domains.pace
        if recovered is not None and lost is not None:
            self.gpus.links.count(recovered, lost)
        if isinstance(self.servers, ShelfFedServers):
            self.servers.switches = domains.power.sum(axis=1)
        return conditions

    def take(self, air: float, voltage: float) -> None:
        """Take over what instruments show of the facility's last step.

        Args:
            air: that the handlers supply in °C.
            voltage: of the site's bus over nominal.
        """
        self.servers.air = air
        self._voltage = voltage

    def _with_power(self, conditions: Conditions) -> Conditions:
        """Return the conditions in which what has no power fails too."""
        hosts = self.servers.hosts
        if conditions.faulty("tray_leak"):
            lost = conditions.coolant_leak + conditions.tray_leak.sum(axis=1)
            conditions = conditions.but(coolant_leak=lost)
        if hosts is None:
            return conditions
        server, live = self._layout.site.server, self.servers.live
        cdus = conditions.cdu_psu_ok
        return conditions.but(
            gpu_attached=conditions.gpu_attached & np.repeat(hosts.up, server.gpus, axis=1),
            nic_link=conditions.nic_link & np.repeat(hosts.up, server.nics, axis=1),
            cdu_psu_ok=cdus if live is None else with_live_pdus(cdus, live),
        )

    def _communicate(
        self, demand: Demand, feedback: Feedback, conditions: Conditions, dt: float
    ) -> None:
        """Let NICs and leaf switches move what the jobs ask."""
        nics, fabric = self.nics, self.fabric
        fabric.condition(
            conditions.leaf_available,
            conditions.spine_available,
            adaptive=bool(conditions.adaptive_routing[0]),
            live=feedback.live,
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
            wear=PortDegradation.of(conditions),
            drops=fabric.drops(),
            storage=feedback.storage,
        )
        fabric.step(nics, dt)

    # -- what goes out ----------------------------------------------------------

    def _draw(self) -> LoadReport:
        cdus, nics = self.cdus, self.nics
        return LoadReport(
            flows=Flows(
                it=self.servers.total,
                cdus=sum_of(cdus.power),
                leaves=self.fabric.power,
                absorbed=sum_of(cdus.absorbed),
                rejected=sum_of(cdus.rejected),
                water=sum_of(cdus.facility_flow),
                exhaust=self.heat.exhaust,
                stored=nics.stored,
                loaded=nics.loaded,
            ),
            racks=self.servers.rack_load,
            into_spines=self.fabric.into_spines,
            from_spines=self.fabric.from_spines,
            healths=tuple(self._health(job) for job in range(len(self.jobs.rows))),
        )

    def _health(self, job: int) -> Health:
        """Return how the hardware of a job was doing in the last step."""
        nics, fabric, rows = self.nics, self.fabric, self.jobs.rows[job]
        return Health(
            self.gpus.speed_in(rows.racks),
            self.gpus.missing_in(rows.racks),
            nics.links_down_in(rows.racks) + fabric.isolated_in(rows.arrays),
            network_speed=min(nics.pace_in(rows.racks), fabric.pace_in(rows.arrays)),
            storage_speed=nics.storage_pace_in(rows.racks),
            crashing=self.gpus.aborted_in(rows.racks),
        )

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of what stands in the halls: class, then signal, to its values."""
        outputs = {
            **self._accelerator_outputs(),
            **self._rack_outputs(),
            "nic": self.nics.outputs(),
            "server": self.servers.outputs(self.gpus.exporter_up),
            **({} if self.systems is None else {"host": self.systems.outputs()}),
            **({} if self.engines is None else self.engines.outputs()),
            "psu": self.servers.psu_outputs(),
            **self.heat.outputs(),
            "pdu": self.servers.pdu_outputs(self._voltage),
            "pdu_breaker": self.servers.breaker_outputs(self._voltage),
            "leaf": self.fabric.leaf_outputs(self.nics),
            "port": self.fabric.port_outputs(self.nics),
        }
        self._since_boot.read(outputs)
        if self._instruments is not None:
            self._instruments.read(outputs, self.servers)
        if self._readings is not None:
            self._readings.read(outputs)
        self.sensors.read(outputs)
        self._darken(outputs)
        return outputs

    def _accelerator_outputs(self) -> dict[str, dict[str, Floats]]:
        """Return the signals of the classes by which the site's exporter shows its chips."""
        if self.neuron is not None:
            return self.neuron.outputs(self._demand, self.servers.hosts)
        site = self._layout.site
        traffic = PcieTraffic.of(self.nics, site.fabric.rails, site.server.gpus)
        if self.amd is not None:
            return self.amd.outputs(self._demand, traffic, self.servers.hosts)
        values = self.gpus.outputs(self._demand, traffic)
        if self.domains is not None:
            values |= silenced(self.domains.gpu_outputs(), self.gpus.reporting)
        return {"gpu": values}

    def _rack_outputs(self) -> dict[str, dict[str, Floats]]:
        """Return the signals of what a rack has as one machine."""
        outputs: dict[str, dict[str, Floats]] = {}
        coolant = np.full(self._layout.site.racks, self._layout.site.cooling.supply_celsius)
        if self.heat.liquid.size:
            coolant[self.heat.liquid] = self.cdus.supply
        if self.domains is not None:
            outputs |= self.domains.outputs(coolant)
        if isinstance(self.servers, ShelfFedServers):
            outputs |= self.servers.shelf_outputs()
        if self.trays is not None:
            running = self.gpus.exporter_up
            outputs |= self.trays.outputs(self.gpus.power, self.servers, coolant, running)
        return outputs

    def _darken(self, outputs: dict[str, dict[str, Floats]]) -> None:
        """Make the signals of devices without power NaN: they do not answer."""
        hosts = self.servers.hosts
        if hosts is None:
            return
        nics = np.repeat(hosts.up, self._layout.site.server.nics, axis=1)
        racks = self.servers.rack_powered[:, None]
        alive = {"nic": nics, "pump": racks, "cdu": racks, "cdu_psu": racks}
        if "fan" in outputs:
            fans = self._layout.site.fans.per_server
            alive["fan"] = np.repeat(hosts.powered, fans, axis=1)
        for device, there in alive.items():
            if device in outputs:
                outputs[device] = silenced(outputs[device], there)


def _with_software(health: Health, job: int, conditions: Conditions) -> Health:
    """Return the health of a job with what ails the job itself."""
    if not any(map(conditions.faulty, _OF_JOBS)):
        return health
    return replace(
        health,
        crashing=health.crashing or not conditions.job_sound[job],
        hanging=not conditions.job_synchronous[job],
        input_ratio=float(conditions.job_input_ratio[job]),
        checkpoint_every=float(conditions.job_checkpoint_seconds[job]),
        request_ratio=float(conditions.job_request_ratio[job]),
    )
