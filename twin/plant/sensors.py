"""Sensor errors: stuck, drifting and noisy readings.

The plant itself is well; only what is read of it is wrong. A fault of an instrument
changes the outputs after all physics is done, so nothing in the plant reacts to it,
just as a controller with its own sensor would not.
"""

from __future__ import annotations

import numpy as np

from twin.catalog import CDU, GPU, Signal
from twin.plant.conditions import Conditions
from twin.plant.units import Floats
from twin.site import Layout

__all__ = ["Sensors"]

_STUCK = (GPU["gpu_temp"], GPU["memory_temp"], GPU["power_usage"])
"""Readings that freeze together: they come from one poll of the GPU's management chip."""
_DRIFTING = CDU["supply_temperature"]
_NOISY = CDU["flow"]


class Sensors:
    """The instruments of all racks.

    Args:
        layout: the site.
        rng: of the noise.
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._rng = rng
        self._held: dict[str, Floats] = {}
        self._conditions: Conditions | None = None
        self._noise: Floats = np.zeros(layout.shape(CDU))

    def sense(self, conditions: Conditions) -> None:
        """Take over which instruments are wrong, once a step."""
        self._conditions = conditions
        if conditions.faulty("flow_noise"):
            self._noise = self._rng.standard_normal(self._noise.shape)
        if not conditions.faulty("gpu_sensor_stuck"):
            self._held = {}

    def read(self, outputs: dict[str, dict[str, Floats]]) -> None:
        """Write into ``outputs`` what the instruments show instead of the truth."""
        conditions = self._conditions
        if conditions is None:
            return
        if conditions.gpu_sensor_stuck.any() and "gpu" in outputs:
            for signal in _STUCK:
                self._freeze(outputs["gpu"], signal, conditions)
        if conditions.supply_sensor_drift.any():
            group = outputs["cdu"]
            drift = conditions.supply_sensor_drift[:, None]
            group[_DRIFTING.name] = _within(group[_DRIFTING.name] + drift, _DRIFTING)
        if conditions.flow_noise.any():
            group = outputs["cdu"]
            spread = 1.0 + conditions.flow_noise[:, None] * self._noise
            group[_NOISY.name] = _within(group[_NOISY.name] * spread, _NOISY)

    def _freeze(self, group: dict[str, Floats], signal: Signal, conditions: Conditions) -> None:
        truth = group[signal.name]
        held = self._held.get(signal.name, truth)
        # What does not answer shows nothing; the first reading after it stuck is kept for it.
        silent = np.isnan(truth)
        stuck = conditions.gpu_sensor_stuck & ~np.isnan(held)
        self._held[signal.name] = np.where(stuck, held, truth)
        group[signal.name] = np.where(stuck & ~silent, held, truth)


def _within(values: Floats, signal: Signal) -> Floats:
    """Return ``values`` held to the range that the instrument has."""
    shown: Floats = np.clip(values, signal.low, signal.high)
    return shown
