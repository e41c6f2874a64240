"""GPU model: power, clock and temperature from activity and coolant, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from twin.plant.units import Floats, clamp
from twin.site import GpuModel, Layout

__all__ = [
    "BRAKED",
    "Cooling",
    "ModelValues",
    "capped_clock",
    "cooled_die",
    "cooling_of",
    "die_temperature",
    "memory_clock",
    "memory_temperature",
    "plate_conductance",
    "power_noise",
    "thermal_clock",
]

BRAKED = 0.5
"""Clock ratio while the power brake is asserted, est.: NVML documents a factor of 2 or more."""
_HARDWARE_SLOWDOWN = 0.25
"""Clock ratio under hardware slowdown, est.: NVML documents a factor of 2 or more."""
_MEMORY_SPAN_KELVIN = 10.0
"""The clock is halved when the memory is so far above its greatest temperature, est."""


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
    power_context_watts: Floats
    power_training_watts: Floats
    power_clock_exponent: Floats
    power_unlimited_ratio: Floats
    power_silicon_spread_ratio: Floats
    power_spread_ratio: Floats
    power_noise_watts: Floats
    power_noise_correlation: Floats
    power_leakage_ratio_per_kelvin: Floats
    temperature_max_operating_celsius: Floats
    temperature_slowdown_celsius: Floats
    temperature_shutdown_celsius: Floats
    thermal_resistance_kelvin_per_watt: Floats
    thermal_resistance_spread_ratio: Floats
    thermal_flow_exponent: Floats
    heat_capacity_joules_per_kelvin: Floats
    memory_offset_kelvin: Floats
    memory_offset_power_ratio: Floats
    memory_temperature_max_celsius: Floats
    nvlink_bytes_per_second: Floats
    pcie_generation: Floats

    @classmethod
    def of(cls, layout: Layout) -> ModelValues:
        """Return the numbers of a site's racks, as what cools each of them leaves them."""
        site = layout.site
        blocks = [
            (block.racks, _in_air(block.gpu) if air else block.gpu)
            for block, air in zip(site.all_blocks, site.air_blocks, strict=True)
        ]
        return cls.of_models([model for racks, model in blocks for _ in range(racks)])

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


def _in_air(model: GpuModel) -> GpuModel:
    """Return the model with a heat sink in air in place of a cold plate."""
    return model.model_copy(
        update={
            "thermal_resistance_kelvin_per_watt": model.air_resistance_kelvin_per_watt,
            "heat_capacity_joules_per_kelvin": model.air_heat_capacity_joules_per_kelvin,
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
    ratio = clamp(1.0 - 0.5 * (die - low) / (high - low), 0.5, 1.0)
    return np.where(die >= high, _HARDWARE_SLOWDOWN, ratio)


def memory_clock(memory: Floats, model: ModelValues) -> Floats:
    """Return the clock ratio that the memory's temperature allows.

    Falls from 1 at the memory's greatest temperature to 0.5 ten kelvin above it (est.).

    Args:
        memory: memory temperatures in °C, any shape.
        model: the numbers of the GPU models.
    """
    excess = (memory - model.memory_temperature_max_celsius) / _MEMORY_SPAN_KELVIN
    ratio: Floats = clamp(1.0 - 0.5 * excess, 0.5, 1.0)
    return ratio


def capped_clock(dynamic: Floats, model: ModelValues, limit: Floats | None = None) -> Floats:
    """Return the clock ratio at which dynamic power fits under the power limit.

    Args:
        dynamic: dynamic power at full clock in W, any shape.
        model: the numbers of the GPU models.
        limit: power limit in W, broadcastable; None for the models' own.
    """
    limit = model.power_limit_watts if limit is None else limit
    room = np.maximum(limit - model.power_idle_watts, 1.0)
    excess = np.maximum(dynamic / room, 1.0)
    ratio: Floats = excess ** (-1.0 / model.power_clock_exponent)
    return ratio


class Cooling(NamedTuple):
    """How a coolant takes dies to the temperature at which their power holds them.

    Attributes:
        rate: G/C in 1/s.
        reach: what a change of 1 K/s at the begin of a step comes to in it, in K.
        capacity: C in J/K.
    """

    rate: Floats
    reach: Floats
    capacity: Floats


def cooling_of(conductance: Floats, capacity: Floats, dt: Floats | float) -> Cooling:
    """Return how dies are cooled in a step.

    As G goes to zero, heat ramps the temperature by P/C.

    Args:
        conductance: G in W/K, any shape.
        capacity: C in J/K.
        dt: step in s.
    """
    rate = np.maximum(conductance, 1e-6) / capacity
    return Cooling(rate, -np.expm1(-rate * dt) / rate, capacity)


def cooled_die(
    die: Floats, power: Floats | float, coolant: Floats | float, cooling: Cooling
) -> Floats:
    """Return die temperatures after a step: the exact solution of C dT/dt = P - G (T - Tc).

    Args:
        die: die temperatures in °C, (racks, GPUs).
        power: heat in W, (racks, GPUs).
        coolant: coolant temperature in °C, broadcastable.
        cooling: of the dies in this step.
    """
    rate, reach, capacity = cooling
    moved: Floats = die + (power / capacity - rate * (die - coolant)) * reach
    return moved


def die_temperature(
    die: Floats,
    power: Floats | float,
    coolant: Floats | float,
    conductance: Floats,
    capacity: Floats,
    dt: Floats | float,
) -> Floats:
    """Return die temperatures after ``dt`` seconds of constant power.

    Args:
        die: die temperatures in °C, (racks, GPUs).
        power: heat in W, (racks, GPUs).
        coolant: coolant temperature in °C, broadcastable.
        conductance: G in W/K, broadcastable.
        capacity: C in J/K.
        dt: step in s.
    """
    return cooled_die(die, power, coolant, cooling_of(conductance, capacity, dt))


def plate_conductance(clean: Floats, flow_ratio: Floats | float, model: ModelValues) -> Floats:
    """Return the conductance from die to coolant or air in W/K.

    Args:
        clean: at nominal flow in W/K, any shape.
        flow_ratio: flow over nominal, broadcastable.
        model: the numbers of the GPU models.
    """
    conductance: Floats = clean * flow_ratio**model.thermal_flow_exponent
    return conductance


def memory_temperature(
    die: Floats | float, power: Floats, offset: Floats, model: ModelValues
) -> Floats:
    """Return memory temperatures in °C: above the die by a part that goes with power.

    Args:
        die: die temperatures in °C, any shape.
        power: in W, same shape.
        offset: of the memory above the die at training power in K, broadcastable.
        model: the numbers of the GPU models.
    """
    share, of_power = power / model.power_training_watts, model.memory_offset_power_ratio
    memory: Floats = die + offset * ((1.0 - of_power) + of_power * share)
    return memory


def power_noise(
    rng: np.random.Generator, model: ModelValues, shape: tuple[int, ...], servers: int
) -> Floats:
    """Return the power noise of GPUs at full activity in W, (racks, GPUs).

    Args:
        rng: source of all randomness.
        model: the numbers of the GPU models.
        shape: racks, GPUs a rack.
        servers: servers a rack whose GPUs share a part of it; 0 where activity has that part.
    """
    common = model.power_noise_correlation
    noise = np.sqrt(1.0 - common) * rng.standard_normal(shape, dtype=np.float32)
    if servers:
        own = rng.standard_normal((shape[0], servers), dtype=np.float32)
        noise = noise + np.sqrt(common) * np.repeat(own, shape[1] // servers, axis=1)
    scaled: Floats = model.power_noise_watts * noise
    return scaled
