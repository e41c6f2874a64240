"""GPUs: power, clock, temperature, and the fields that DCGM reads.

Power is idle power plus dynamic power, which goes with activity, a little with
temperature, and with a power of the clock. The die heats the cold plate or heat sink, whose
conductance goes with the flow of coolant or air; without flow it heats at P/C. Software slows the
clock from the greatest operating temperature of die or memory, hardware from the
slowdown temperature, and at the shutdown temperature the GPU leaves the bus until it
is reset. A GPU that is slow for any reason slows the whole job; one that has failed,
hangs or is off the bus stops it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GPU
from twin.plant.clock_reasons import at_rest, clock_reasons
from twin.plant.conditions import Conditions
from twin.plant.die_cooling import DieCooling
from twin.plant.gpu_errors import NVLINK_XID, Codes, GpuErrors
from twin.plant.gpu_fields import FurtherFields
from twin.plant.gpu_model import (
    BRAKED,
    ModelValues,
    capped_clock,
    cooled_die,
    die_temperature,
    memory_clock,
    memory_temperature,
    plate_conductance,
    power_noise,
    thermal_clock,
)
from twin.plant.host import HostStates
from twin.plant.nvlink import NvLinks
from twin.plant.pcie import NO_TRAFFIC, PcieTraffic
from twin.plant.power_limit import PowerLimit
from twin.plant.power_smoothing import GpuSmoothing
from twin.plant.ranks import Ranks
from twin.plant.units import Floats, Kept, all_of, any_of, approach, frozen
from twin.plant.working_gpus import WorkingGpus
from twin.plant.workload import Demand, Level, least
from twin.site import Layout

__all__ = ["Gpus", "ModelValues", "capped_clock", "die_temperature", "thermal_clock"]

_OF_MULTIPROCESSORS = frozenset({"sm_active", "sm_occupancy"})
_RESET_SECONDS = 120.0
"""A GPU that shut itself down is reset after so long once it is cool, est."""
_RESET_CELSIUS = 60.0
_CLOCK_RECOVERY_PER_SECOND = 0.05
_LEAKAGE_CELSIUS = 54.0
"""Die temperature at which the training power was measured, est. from its cooling."""


class Gpus(WorkingGpus):
    """State of all GPUs; arrays are (racks, GPUs a rack).

    Attributes:
        attached: GPUs that answer on their bus.
        exporter_up: (racks, servers): the server's dcgm-exporter answers.
        per_server: GPUs a server.
    """

    def __init__(
        self, layout: Layout, rng: np.random.Generator, workload: str = "training"
    ) -> None:
        site = layout.site
        model = ModelValues.of(layout)
        self._model = model
        self._servers, self.per_server = site.servers_per_rack, site.server.gpus
        self._rng = rng
        shape = layout.site.accelerators
        self._further = FurtherFields.of(layout, model)
        self._kept = Kept()
        shown = {signal.name for signal in layout.reported[GPU.name]}
        self._profiled = self._further is not None or not shown.isdisjoint(_OF_MULTIPROCESSORS)

        def spread(ratio: Floats) -> NDArray[np.float32]:
            return (1.0 + ratio * rng.standard_normal(shape)).astype(np.float32)

        self._power_factor = spread(model.power_spread_ratio)
        # A replayed node keeps its measured sum: the spread within a server adds up to nothing.
        servers = self._power_factor.reshape(site.racks, self._servers, self.per_server)
        balanced = servers / servers.mean(axis=2, keepdims=True)
        self._measured_factor = balanced.reshape(shape)
        resistance = model.thermal_resistance_kelvin_per_watt
        self._conductance = 1.0 / (resistance * spread(model.thermal_resistance_spread_ratio))
        self._cooling = DieCooling(model)
        memory = rng.normal(0.0, 1.0, shape).astype(np.float32)
        self._memory_offset = model.memory_offset_kelvin + memory
        self._warm = self._least_throttling_temperature()

        self.power = np.broadcast_to(model.power_idle_watts, shape).astype(np.float32)
        self.die = (site.cooling.supply_celsius + self.power / self._conductance).astype(np.float32)
        self.clock = np.ones(shape, dtype=np.float32)
        self.attached = np.ones(shape, dtype=np.bool_)
        self.exporter_up = np.ones((site.racks, self._servers), dtype=np.bool_)
        """Clock over the usual one: what heat, the power brake, a stuck clock, supplies leave."""
        self._slowed = False
        self._held: Floats | None = None
        """The same without the supplies; None where nothing holds a clock."""
        self._speed: Level = 1.0
        self._dead: NDArray[np.bool_] | None = None
        self._hung: NDArray[np.bool_] | None = None
        self._hosts: HostStates | None = None
        self._shut_down_for = np.full(shape, -1.0, dtype=np.float32)
        self._any_shut_down = self._answer = False
        uptime = rng.uniform(3.0, 30.0, shape) * 86_400.0
        self.energy_joules = uptime * 0.8 * model.power_training_watts
        self._power_violation = np.zeros(shape)
        self._thermal_violation = np.zeros(shape)
        own, silicon = rng.spawn(2)
        self.errors = GpuErrors(shape, rng, self.per_server)
        self.links = NvLinks(shape, rng)
        self.ranks = Ranks(layout, own, workload)
        self.limit = PowerLimit(model, self._power_factor, silicon)
        self.smoothing = GpuSmoothing.of(layout, rng)

    def _least_throttling_temperature(self) -> float:
        """Return the die temperature below which no GPU of the site is slowed by heat."""
        model = self._model
        memory = model.memory_temperature_max_celsius - 1.2 * self._memory_offset.max()
        return float(min(model.temperature_max_operating_celsius.min(), memory.min()))

    def adopt(
        self,
        *,
        resistance: Floats | float = np.nan,
        memory: Floats | float = np.nan,
        power: Floats | float = np.nan,
        die: Floats | float = np.nan,
    ) -> None:
        """Take over what is measured of each GPU; NaN leaves what it has.

        Args:
            resistance: thermal resistance over that of its model.
            memory: rise of the memory above the die over that of its model.
            power: over what it draws.
            die: temperature in °C.
        """

        def known(value: Floats | float, usual: Floats) -> NDArray[np.float32]:
            return np.where(np.isfinite(value), value, usual).astype(np.float32)

        model = self._model
        clean = 1.0 / (model.thermal_resistance_kelvin_per_watt * resistance)
        self._conductance = known(clean, self._conductance)
        self._memory_offset = known(model.memory_offset_kelvin * memory, self._memory_offset)
        self._warm = self._least_throttling_temperature()
        self._power_factor = known(self._power_factor * power, self._power_factor)
        self._measured_factor = known(self._measured_factor * power, self._measured_factor)
        self.die = known(die, self.die)

    def settle(
        self, demand: Demand, coolant: Floats | float, flow_ratio: Floats | float = 1.0
    ) -> None:
        """Put power and temperature where this demand would hold them.

        Args:
            demand: what the jobs ask.
            coolant: temperature of the coolant or air at each GPU in °C.
            flow_ratio: its flow over nominal.
        """
        self._draw(demand, 1.0)
        if self.smoothing is not None:
            self.power = self.smoothing.settle(self.power, self.utilization(demand))
        conductance = plate_conductance(self._conductance, flow_ratio, self._model)
        self.die = (coolant + self.power / conductance).astype(np.float32)

    def step(
        self,
        demand: Demand,
        speed: Level,
        coolant: Floats,
        flow_ratio: Floats,
        conditions: Conditions,
        dt: float,
        hosts: HostStates | None = None,
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            demand: what the jobs ask.
            speed: pace of each job, that of its slowest GPU.
            coolant: temperature of the coolant or air at each GPU in °C, (racks, GPUs a rack), or
                one a rack, (racks, 1).
            flow_ratio: its flow over nominal, likewise.
            conditions: of the site.
            dt: step in s, at most about a second.
            hosts: state of the servers, None while all are well.
        """
        self._hosts, self._speed = hosts, speed
        self._shutdown(conditions.gpu_attached, dt)
        self._fail(conditions, dt)
        self.limit.set(self._limits_of(hosts))
        self._draw(demand, speed)
        self._smooth(demand, conditions, dt)
        resistance = conditions.ailing("gpu_thermal_resistance")
        cooling = self._cooling(self._conductance, flow_ratio, resistance, dt)
        self.die = cooled_die(self.die, self.power, coolant, cooling).astype(np.float32)
        self.energy_joules += self.power * dt
        self._slow(conditions, dt)

    def _shutdown(self, attached: NDArray[np.bool_], dt: float) -> None:
        """Take overheated GPUs off the bus and bring cool ones back."""
        hot = self.die >= self._model.temperature_shutdown_celsius
        if self._any_shut_down or any_of(hot):
            off = hot | (self._shut_down_for >= 0)
            self._shut_down_for = np.where(off, np.maximum(self._shut_down_for, 0.0) + dt, -1.0)
            cool = (self._shut_down_for > _RESET_SECONDS) & (self.die < _RESET_CELSIUS)
            self._shut_down_for[cool] = -1.0
            attached = attached & (self._shut_down_for < 0)
            self._any_shut_down = bool((self._shut_down_for >= 0).any())
        self.attached = attached

    def _fail(self, conditions: Conditions, dt: float) -> None:
        """Let errors happen; what has failed, hangs or does not answer stops the job."""
        ailing = conditions.ailing
        self.links.step(ailing("nvlink_errors_per_second"), dt)
        codes: Codes | None = ailing("gpu_xid")
        if self.links.broken is not None:
            own = conditions.gpu_xid
            codes = np.where(self.links.broken & (own == 0), NVLINK_XID, own).astype(np.int16)
        self.errors.step(
            codes, ailing("gpu_single_bit_per_second"), ailing("gpu_pcie_replays_per_second"), dt
        )
        self._dead = self.errors.failed if any_of(self.errors.failed) else None
        self._hung = ~conditions.gpu_responding if conditions.faulty("gpu_responding") else None
        self.exporter_up = conditions.dcgm_running
        running = self.exporter_up if self._hosts is None else self.exporter_up & self._hosts.up
        answered, self._answer = self._answer, all_of(self.attached) and all_of(running)
        if not (answered and self._answer):
            self.errors.watch(self.attached, self._per_gpu(running), dt)

    def _draw(self, demand: Demand, speed: Level) -> None:
        """Set power and clock from the demand."""
        model = self._model
        activity = self._per_gpu(demand.activity)
        if least(speed) < 1.0:
            # The others wait at the barrier for the slowest of their job.
            held = np.where(np.greater(demand.compute, 0.0), speed, 1.0).astype(np.float32)
            share = np.minimum(1.0, held / np.maximum(self._pace_in(), 1e-3))
            activity = share * activity + (1.0 - share) * demand.wait
        factor = self._measured_factor if demand.measured else self._power_factor
        idle = model.power_idle_watts
        dynamic = activity * ((model.power_training_watts - idle) * factor)
        if not demand.measured:
            servers = 0 if demand.fluctuates else self._servers
            noise = power_noise(self._rng, model, self.die.shape, servers)
            dynamic = dynamic + noise * np.minimum(activity, 1.0)
            leakage = model.power_leakage_ratio_per_kelvin * (self.die - _LEAKAGE_CELSIUS)
            dynamic = dynamic * (1.0 + leakage)
        if self._dead is not None:
            dynamic = np.where(self._dead, 0.0, dynamic)
        if self._hung is not None:
            dynamic = np.where(self._hung, model.power_context_watts - idle, dynamic)
        dynamic = self.limit.apply(dynamic, self._held)
        power = np.maximum(idle + dynamic, 0.9 * idle)
        if not all_of(self.attached):
            # Off the bus a GPU idles; one that shut itself down draws nothing.
            power = np.where(self.attached, power, idle)
            power = np.where(self._shut_down_for < 0, power, 0.0)
        if self._hosts is not None:
            power = np.where(self._per_gpu(self._hosts.powered), power, 0.0)
        self.power = power.astype(np.float32)

    def _slow(self, conditions: Conditions, dt: float) -> None:
        """Set the clock ratio that heat, the power brake and a stuck clock leave."""
        short = self.limit.held
        limits = []
        if self.die.max() >= self._warm:
            thermal = np.minimum(
                thermal_clock(self.die, self._model),
                memory_clock(self._memory_temperature, self._model),
            )
            self._thermal_violation += np.where(thermal < 1.0, dt * 1e9, 0.0)
            limits.append(thermal)
        if conditions.faulty("power_brake_released"):
            braked = self._per_gpu(~conditions.power_brake_released)
            short = short | braked
            limits.append(np.where(braked, BRAKED, 1.0))
        self._power_violation += short * (dt * 1e9)
        if conditions.faulty("gpu_clock_limit"):
            limits.append(conditions.gpu_clock_limit)
        self._held = self._hold(limits, dt)
        left = [one for one in (self._held, self.limit.limited) if one is not None]
        if left or self._slowed:
            self._slowed = bool(left)
            self.clock = np.minimum.reduce([*left, np.ones_like(self.clock)])

    def _smooth(self, demand: Demand, conditions: Conditions, dt: float) -> None:
        """Let power smoothing hold what the GPUs draw, where there is any."""
        if self.smoothing is None:
            return
        self.power = self.smoothing.step(
            self.power,
            self.utilization(demand),
            self._of_gpus(demand.present),
            self.limit.watts,
            self.die,
            self._per_gpu(conditions.smoothing_enabled),
            dt,
        )

    def _limits_of(self, hosts: HostStates | None) -> Floats | None:
        """Return the power limit that supplies and smoothing leave each GPU, in W."""
        ceiling = None if self.smoothing is None else self.smoothing.ceiling
        if hosts is None or hosts.gpu_limit is None:
            return ceiling
        own = self._per_gpu(hosts.gpu_limit)
        return own if ceiling is None else np.minimum(own, ceiling)

    def _hold(self, limits: list[Floats], dt: float) -> Floats | None:
        """Return the clock ratio under these limits; one that is lifted gives way slowly."""
        if not limits and self._held is None:
            return None
        held = self._held if self._held is not None else np.ones(self.die.shape, np.float32)
        held = approach(held, 1.0, _CLOCK_RECOVERY_PER_SECOND * dt)
        for limit in limits:
            held = np.minimum(held, limit)
        return held.astype(np.float32) if held.min() < 1.0 else None

    @property
    def overheated(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """GPUs that heat slows: that of their die, and that of their memory."""
        model = self._model
        hot = self.die > model.temperature_max_operating_celsius
        return hot, self._memory_temperature > model.memory_temperature_max_celsius

    @property
    def _memory_temperature(self) -> Floats:
        return memory_temperature(self.die, self.power, self._memory_offset, self._model)

    def outputs(self, demand: Demand, traffic: PcieTraffic = NO_TRAFFIC) -> dict[str, Floats]:
        """Return all signals of the catalogue's GPU class, NaN where a GPU does not report.

        Args:
            demand: what the jobs ask.
            traffic: between GPUs and NICs.
        """
        return self.errors.reported(self.values(demand, traffic), self.reporting)

    def values(self, demand: Demand, traffic: PcieTraffic) -> dict[str, Floats]:
        """Return the same of all GPUs, whether or not they report."""
        model, shape = self._model, self.die.shape
        busy = self.utilization(demand)
        work = self._of_gpus(demand.compute) * np.minimum(self._per_gpu(demand.activity), 1.0)
        if self._stopped is not None:
            work = np.where(self._stopped, 0.0, work)
        pace = np.asarray(self._speed, np.float32)
        lateness = 1.0 / np.maximum(self._pace_in(), 1e-3)
        profile = self.ranks.profile(busy, work, pace, lateness, multiprocessors=self._profiled)
        sm = np.round(model.sm_clock_max_mhz * self.limit.clock(self._held) / 15.0) * 15.0
        idle = [own for own in (at_rest(demand), self._dead) if own is not None]
        for resting_or_dead in idle:
            sm = np.where(resting_or_dead, model.sm_clock_idle_mhz, sm)
        values: dict[str, Floats] = {
            "sm_clock": sm,
            "mem_clock": self._kept(
                "mem_clock", lambda: np.broadcast_to(model.mem_clock_mhz, shape)
            ),
            "memory_temp": self._memory_temperature,
            "gpu_temp": self.die,
            "power_usage": self.power,
            "energy": self.energy_joules * 1e3,
            "gpu_util": 100.0 * busy,
            "mem_copy_util": 100.0 * profile["dram_active"],
            "gr_engine_active": 0.995 * busy,
            "power_violation": self._power_violation,
            "thermal_violation": self._thermal_violation,
            **profile,
            **self.ranks.memory(demand.framebuffer, model),
            **traffic.outputs(busy),
            **self.errors.outputs(),
            **self.links.outputs(),
            **({} if self.smoothing is None else self.smoothing.outputs()),
        }
        if self._further is not None:
            values["clock_reasons"] = clock_reasons(
                idle, self.die, self._held, self.limit.held, model
            )
            values |= self._further.values(values, self.limit.watts, self.errors, self.links)
        return values

    @property
    def link_use(self) -> Floats:
        """NVLink traffic of computing GPUs over what their links carry, (racks,)."""
        nominal, used = np.maximum(self._model.nvlink_bytes_per_second, 1.0), self.ranks.nvlink
        use = self._kept("use", lambda: (used / nominal).mean(axis=1), frozen(used))
        return np.minimum(use, 1.0)

    @property
    def reporting(self) -> NDArray[np.bool_]:
        """GPUs that answer and whose exporter does."""
        up: NDArray[np.bool_] = self._per_gpu(self.exporter_up)
        return self.attached & up
