"""Clock reasons: why a GPU's clock is below its maximum, in DCGM's bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.plant.gpu_model import BRAKED, ModelValues
from twin.plant.units import Floats
from twin.plant.workload import Demand, least

__all__ = ["at_rest", "clock_reasons"]

_IDLE, _POWER_CAP, _SW_THERMAL = 0x1, 0x4, 0x20
_HW_THERMAL = 0x8 | 0x40
"""Hardware slowdown, and that it is for heat."""
_HW_BRAKE = 0x8 | 0x80


def at_rest(demand: Demand) -> NDArray[np.bool_] | None:
    """Return where nothing holds a context, so that the clock falls to its idle one.

    A context keeps the boost clock, with a job that starts too. None where all GPUs have one.
    """
    if least(demand.framebuffer) > 0.0 or least(demand.busy) > 0.0:
        return None
    free = np.equal(demand.framebuffer, 0.0) & np.equal(demand.busy, 0.0)
    return np.asarray(free, dtype=np.bool_)


def clock_reasons(
    resting: Sequence[NDArray[np.bool_]],
    die: Floats,
    clock: Floats | None,
    capped: NDArray[np.bool_],
    model: ModelValues,
) -> Floats:
    """Return the bits of each GPU (NVIDIA/DCGM 4.6.0, ``dcgm_fields.h``).

    Args:
        resting: GPUs at their idle clock, each by a cause of its own (:func:`at_rest`, a failure).
        die: die temperatures in °C.
        clock: clock ratio that heat and the power brake leave, None where they leave all.
        capped: GPUs whose clock the power limit holds down.
        model: the numbers of the GPU models.
    """
    idle = np.zeros(die.shape, dtype=np.bool_)
    for own in resting:
        idle = idle | own
    hot = die >= model.temperature_slowdown_celsius
    warm = ~hot & (die > model.temperature_max_operating_celsius)
    reasons = np.where(idle, _IDLE, 0)
    reasons = reasons | np.where(capped & ~idle, _POWER_CAP, 0)
    reasons = reasons | np.where(warm, _SW_THERMAL, 0) | np.where(hot, _HW_THERMAL, 0)
    if clock is not None:
        braked = ~hot & ~warm & (clock <= BRAKED)
        reasons = reasons | np.where(braked, _HW_BRAKE, 0)
    found: Floats = reasons.astype(np.float64)
    return found
