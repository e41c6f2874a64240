"""GPUs: power, clock, temperature and what DCGM reads of them.

Power is idle power plus dynamic power, which goes with activity and with a power of
the clock. The die heats the cold plate, whose conductance goes with coolant flow;
without flow it heats at P/C. Software slows the clock from the greatest operating
temperature, hardware from the slowdown temperature, and at the shutdown temperature
the GPU leaves the bus until it is reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GPU
from twin.plant.units import Floats, approach
from twin.plant.workload import Demand
from twin.site import GpuModel, Layout

__all__ = ["Gpus", "ModelValues", "capped_clock", "die_temperature", "thermal_clock"]

_RESET_SECONDS = 120.0
"""A GPU that shut itself down is reset after so long once it is cool, est."""
_RESET_CELSIUS = 60.0
_CLOCK_RECOVERY_PER_SECOND = 0.05
_REMAPPED_SHARE = 0.004
"""GPUs that have remapped a row in their life, est."""
_CAPPED = 0.999
"""Below this clock ratio the power limit counts as holding the GPU back."""
_HARDWARE_SLOWDOWN = 0.25
"""Clock ratio under hardware slowdown, est.: NVML documents a factor of 2 or more."""
_OCCUPANCY = {"tensor_active": 0.44, "dram_active": 0.47, "sm_active": 0.86,
              "sm_occupancy": 0.29, "nvlink": 0.28}  # fmt: skip
"""Profiling ratios on the plateau of a large dense training step, est."""


@dataclass(frozen=True, slots=True)
class ModelValues:
    """The numbers of the GPU models of all racks: one for all, or (racks, 1).

    The names are those of :class:`twin.site.GpuModel`, which has units and sources.
    """

    framebuffer_mib: Floats
    framebuffer_reserved_mib: Floats
    sm_clock_idle_mhz: Floats
    sm_clock_max_mhz: Floats
    mem_clock_mhz: Floats
    power_limit_watts: Floats
    power_idle_watts: Floats
    power_training_watts: Floats
    power_clock_exponent: Floats
    power_spread_ratio: Floats
    power_noise_watts: Floats
    power_noise_correlation: Floats
    temperature_max_operating_celsius: Floats
    temperature_slowdown_celsius: Floats
    temperature_shutdown_celsius: Floats
    thermal_resistance_kelvin_per_watt: Floats
    thermal_resistance_spread_ratio: Floats
    thermal_flow_exponent: Floats
    heat_capacity_joules_per_kelvin: Floats
    memory_offset_kelvin: Floats
    nvlink_bytes_per_second: Floats

    @classmethod
    def of(cls, layout: Layout) -> ModelValues:
        """Return the numbers of a site's racks."""
        return cls.of_models([layout.gpu_model(rack) for rack in range(layout.site.racks)])

    @classmethod
    def of_models(cls, models: Sequence[GpuModel]) -> ModelValues:
        """Return the numbers of these models, one a rack."""
        if all(model is models[0] for model in models):
            models = models[:1]
        return cls(
            **{
                field.name: np.array(
                    [[getattr(model, field.name)] for model in models], dtype=np.float32
                )
                for field in fields(cls)
            }
        )


def thermal_clock(die: Floats, model: ModelValues) -> Floats:
    """Return the clock ratio that temperature allows.

    Falls from 1 at the greatest operating temperature to 0.5 at the slowdown
    temperature, and to a quarter above it (est.; temperatures from nvidia-smi).

    Args:
        die: die temperatures in °C, any shape.
        model: the numbers of the GPU models.
    """
    low, high = model.temperature_max_operating_celsius, model.temperature_slowdown_celsius
    ratio = np.clip(1.0 - 0.5 * (die - low) / (high - low), 0.5, 1.0)
    return np.where(die >= high, _HARDWARE_SLOWDOWN, ratio)


def capped_clock(dynamic: Floats, model: ModelValues) -> Floats:
    """Return the clock ratio at which dynamic power fits under the power limit.

    Args:
        dynamic: dynamic power at full clock in W, any shape.
        model: the numbers of the GPU models.
    """
    room = model.power_limit_watts - model.power_idle_watts
    excess = np.maximum(dynamic / room, 1.0)
    ratio: Floats = excess ** (-1.0 / model.power_clock_exponent)
    return ratio


def die_temperature(
    die: Floats, power: Floats, coolant: Floats, conductance: Floats, capacity: Floats, dt: float
) -> Floats:
    """Return die temperatures after ``dt`` seconds of constant power.

    The exact solution of C dT/dt = P - G (T - Tc); as G goes to zero it becomes the
    ramp P/C.

    Args:
        die: die temperatures in °C, (racks, GPUs).
        power: heat in W, (racks, GPUs).
        coolant: coolant temperature in °C, broadcastable.
        conductance: G in W/K, broadcastable.
        capacity: C in J/K.
        dt: step in s.
    """
    rate = np.maximum(conductance, 1e-6) / capacity
    gain = -np.expm1(-rate * dt) / rate
    moved: Floats = die + (power / capacity - rate * (die - coolant)) * gain
    return moved


class Gpus:
    """State of all GPUs; arrays are (racks, GPUs a rack)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        model = ModelValues.of(layout)
        self._model = model
        self._servers = site.servers_per_rack
        self._per_server = site.server.gpus
        self._nic_bytes_per_second = site.network.bytes_per_second
        self._rng = rng
        shape = layout.shape(GPU)

        def spread(ratio: Floats) -> NDArray[np.float32]:
            return (1.0 + ratio * rng.standard_normal(shape)).astype(np.float32)

        self._power_factor = spread(model.power_spread_ratio)
        # A replayed node keeps its measured sum: the spread within a server adds up to nothing.
        servers = self._power_factor.reshape(site.racks, self._servers, self._per_server)
        balanced = servers / servers.mean(axis=2, keepdims=True)
        self._measured_factor = balanced.reshape(shape)
        resistance = model.thermal_resistance_kelvin_per_watt
        self._conductance = 1.0 / (resistance * spread(model.thermal_resistance_spread_ratio))
        memory = rng.normal(0.0, 1.0, shape).astype(np.float32)
        self._memory_offset = model.memory_offset_kelvin + memory

        self.power = np.broadcast_to(model.power_idle_watts, shape).astype(np.float32)
        self.die = (site.cooling.supply_celsius + self.power / self._conductance).astype(np.float32)
        self.clock = np.ones(shape, dtype=np.float32)
        self.attached = np.ones(shape, dtype=np.bool_)
        self._cap: Floats = np.ones(shape, dtype=np.float32)
        self._shut_down_for = np.full(shape, -1.0, dtype=np.float32)
        uptime = rng.uniform(3.0, 30.0, shape) * 86_400.0
        self.energy_joules = uptime * 0.8 * model.power_training_watts
        self._power_violation = np.zeros(shape)
        self._thermal_violation = np.zeros(shape)
        self._correctable_rows = (rng.random(shape) < _REMAPPED_SHARE).astype(np.float64)
        self._zeros = np.zeros(shape)

    def settle(self, demand: Demand, coolant: float) -> None:
        """Put power and temperature where this demand would hold them.

        Args:
            demand: what the job asks.
            coolant: supply temperature in °C.
        """
        self._draw(demand, 1.0)
        self.die = (coolant + self.power / self._conductance).astype(np.float32)

    def step(
        self,
        demand: Demand,
        speed: float,
        coolant: Floats,
        flow_ratio: Floats,
        attached: NDArray[np.bool_],
        dt: float,
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            demand: what the job asks.
            speed: pace of the job, the clock ratio of its slowest GPU.
            coolant: supply temperature of each rack in °C, (racks, 1).
            flow_ratio: coolant flow of each rack over nominal, (racks, 1).
            attached: GPUs that answer on their bus, faults considered.
            dt: step in s, at most about a second.
        """
        self._shutdown(attached, dt)
        self._draw(demand, speed)
        model = self._model
        conductance = self._conductance * flow_ratio**model.thermal_flow_exponent
        self.die = die_temperature(
            self.die, self.power, coolant, conductance, model.heat_capacity_joules_per_kelvin, dt
        ).astype(np.float32)
        self.energy_joules += self.power * dt

        thermal = thermal_clock(self.die, model)
        ceiling = np.minimum(thermal, approach(self.clock, 1.0, _CLOCK_RECOVERY_PER_SECOND * dt))
        self.clock = ceiling.astype(np.float32)
        self._thermal_violation += np.where(thermal < 1.0, dt * 1e9, 0.0)
        self._power_violation += np.where(self._cap < _CAPPED, dt * 1e9, 0.0)

    def _shutdown(self, attached: NDArray[np.bool_], dt: float) -> None:
        """Take overheated GPUs off the bus and bring cool ones back."""
        hot = self.die >= self._model.temperature_shutdown_celsius
        if hot.any() or (self._shut_down_for >= 0).any():
            off = hot | (self._shut_down_for >= 0)
            self._shut_down_for = np.where(off, np.maximum(self._shut_down_for, 0.0) + dt, -1.0)
            cool = (self._shut_down_for > _RESET_SECONDS) & (self.die < _RESET_CELSIUS)
            self._shut_down_for[cool] = -1.0
        self.attached = attached & (self._shut_down_for < 0)

    def _draw(self, demand: Demand, speed: float) -> None:
        """Set power and clock from the demand."""
        model = self._model
        activity = self._per_gpu(demand.activity)
        if speed < 1.0 and demand.compute > 0:
            # The others wait at the barrier for the slowest.
            share = np.minimum(1.0, speed / np.maximum(self.clock, 1e-3))
            activity = share * activity + (1.0 - share) * demand.wait
        factor = self._measured_factor if demand.measured else self._power_factor
        span = model.power_training_watts - model.power_idle_watts
        dynamic = activity * (span * factor)
        if not demand.measured:
            dynamic = dynamic + self._noise(activity)
        self._cap = capped_clock(np.maximum(dynamic, 0.0), model)
        clock = np.minimum(self.clock, self._cap)
        power = model.power_idle_watts + dynamic * clock**model.power_clock_exponent
        idle = model.power_idle_watts
        # Off the bus a GPU idles; one that shut itself down draws nothing.
        power = np.where(self.attached, np.maximum(power, 0.9 * idle), idle)
        self.power = np.where(self._shut_down_for < 0, power, 0.0).astype(np.float32)

    def _noise(self, activity: Floats) -> Floats:
        """Return power noise in W: partly common to a server's GPUs, in proportion to activity."""
        model = self._model
        racks = self.die.shape[0]
        common = self._rng.standard_normal((racks, self._servers), dtype=np.float32)
        own = self._rng.standard_normal(self.die.shape, dtype=np.float32)
        shared = model.power_noise_correlation
        noise = np.sqrt(shared) * self._per_gpu(common) + np.sqrt(1.0 - shared) * own
        scaled: Floats = model.power_noise_watts * noise * np.minimum(activity, 1.0)
        return scaled

    def _per_gpu(self, servers: Floats) -> Floats:
        """Return values of servers, (racks, servers) or (1, 1), spread to their GPUs."""
        return servers if servers.shape == (1, 1) else np.repeat(servers, self._per_server, axis=1)

    @property
    def speed(self) -> float:
        """Clock ratio of the slowest GPU that answers, which paces a synchronous job."""
        clocks = self.clock[self.attached]
        return float(clocks.min()) if clocks.size else 1.0

    def outputs(self, demand: Demand) -> dict[str, Floats]:
        """Return all signals of the catalogue's GPU class, NaN where a GPU is off the bus."""
        model, span = self._model, self._model.power_training_watts
        shape = self.die.shape
        clock = np.minimum(self.clock, self._cap)
        memory = self.die + self._memory_offset * (0.6 + 0.4 * self.power / span)
        work = demand.compute * np.minimum(self._per_gpu(demand.activity), 1.0) * clock
        used = np.broadcast_to(demand.framebuffer * model.framebuffer_mib, shape)
        idle = demand.busy == 0.0
        sm = np.where(idle, model.sm_clock_idle_mhz, model.sm_clock_max_mhz * clock)
        gpu_util = np.full(shape, 100.0 * demand.busy)
        nic = (demand.network * self._nic_bytes_per_second + 4e7) * max(demand.busy, 0.01)
        values: dict[str, Floats] = {
            "sm_clock": np.round(sm / 15.0) * 15.0,
            "mem_clock": np.broadcast_to(model.mem_clock_mhz, shape),
            "memory_temp": memory,
            "gpu_temp": self.die,
            "power_usage": self.power,
            "energy": self.energy_joules * 1e3,
            "pcie_replay": self._zeros,
            "gpu_util": gpu_util,
            "mem_copy_util": 100.0 * work * _OCCUPANCY["dram_active"],
            "xid": self._zeros,
            "fb_free": model.framebuffer_mib - model.framebuffer_reserved_mib - used,
            "fb_used": used,
            "fb_reserved": np.broadcast_to(model.framebuffer_reserved_mib, shape),
            "nvlink_bandwidth": work * (_OCCUPANCY["nvlink"] * model.nvlink_bytes_per_second / 1e6),
            "uncorrectable_rows": self._zeros,
            "correctable_rows": self._correctable_rows,
            "row_remap_failure": self._zeros,
            "gr_engine_active": np.full(shape, 0.995 * demand.busy),
            "tensor_active": work * _OCCUPANCY["tensor_active"],
            "dram_active": work * _OCCUPANCY["dram_active"],
            "pcie_tx": np.full(shape, nic),
            "pcie_rx": np.full(shape, nic),
            "power_violation": self._power_violation,
            "thermal_violation": self._thermal_violation,
            "ecc_sbe_volatile": self._zeros,
            "ecc_dbe_volatile": self._zeros,
            "nvlink_crc_flit": self._zeros,
            "nvlink_replay": self._zeros,
            "nvlink_recovery": self._zeros,
            "sm_active": work * _OCCUPANCY["sm_active"],
            "sm_occupancy": work * _OCCUPANCY["sm_occupancy"],
        }
        if self.attached.all():
            return values
        return {name: np.where(self.attached, value, np.nan) for name, value in values.items()}
