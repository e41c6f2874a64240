"""Power limits of GPUs: the clock that a limit leaves each, and for how long it holds it back.

At the greatest clock dense training asks for more than the limit: the driver lowers the clock
until power fits, and tells `SwPowerCap`. What a job draws is measured under that limit, so a GPU
that is limited as usual is at its full pace; silicon that leaks more gets there at a lower clock.
The limit acts within milliseconds, the mean of a second is lower by the GPU's waits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.gpu_model import ModelValues, capped_clock
from twin.plant.units import Floats

__all__ = ["PowerLimit"]


class PowerLimit:
    """What the power limit does to each GPU; arrays are (racks, GPUs a rack).

    Args:
        model: the numbers of the GPU models.
        factor: power of each GPU over that of its model.
        rng: source of all randomness.

    Attributes:
        watts: limits in force.
        held: GPUs whose clock the limit holds down.
        limited: pace that a limit below the model's own leaves, None without one.
    """

    def __init__(self, model: ModelValues, factor: Floats, rng: np.random.Generator) -> None:
        self._model = model
        leaks = 1.0 + model.power_silicon_spread_ratio * rng.standard_normal(factor.shape)
        self._unlimited = np.maximum(leaks * model.power_unlimited_ratio, 0.5).astype(np.float32)
        """Dynamic power at the greatest clock over that which is drawn."""
        plateau = (model.power_training_watts - model.power_idle_watts) * factor
        self._plateau = (self._unlimited * plateau).astype(np.float32)
        self._usual = capped_clock(self._plateau, model)
        self._asked = np.zeros(factor.shape, np.float32)
        self._put(np.broadcast_to(model.power_limit_watts, factor.shape))
        self.held: NDArray[np.bool_] = np.zeros(factor.shape, np.bool_)
        self.limited: Floats | None = None

    def _put(self, limit: Floats) -> None:
        self.watts = limit
        self._room: Floats = limit - self._model.power_idle_watts
        self._least = self._room / self._unlimited
        """Dynamic power from which on a GPU is held back."""

    def set(self, limit: Floats | None) -> None:
        """Set the power limits in W that the servers' supplies leave, None where all is left."""
        own, shape = self._model.power_limit_watts, self._asked.shape
        if limit is not None and (limit < own).any():
            self._put(np.broadcast_to(np.minimum(own, limit), shape))
            self.limited = capped_clock(self._plateau, self._model, self.watts) / self._usual
        elif self.limited is not None:
            self._put(np.broadcast_to(own, shape))
            self.limited = None

    def apply(self, dynamic: Floats, clock: Floats | None) -> Floats:
        """Return the dynamic power in W that the limit leaves, and note whom it holds back.

        Args:
            dynamic: what is asked for, at the usual clock.
            clock: what else holds the clock, over the usual one; None where nothing does.
        """
        self._asked = dynamic.astype(np.float32, copy=False)
        self.held = self._asked > self._least
        if clock is not None:
            self.held &= self._left() <= self._usual * clock
        paces = [pace for pace in (clock, self.limited) if pace is not None]
        if paces:
            dynamic = dynamic * np.minimum.reduce(paces) ** self._model.power_clock_exponent
        limited: Floats = np.minimum(dynamic, self._room)
        return limited

    def _left(self) -> Floats:
        """Return the clock ratio that the limit leaves."""
        asked = np.maximum(self._unlimited * self._asked, 0.0)
        return capped_clock(asked, self._model, self.watts)

    def clock(self, clock: Floats | None) -> Floats:
        """Return the clock of each GPU over its model's greatest.

        Args:
            clock: what else holds it, over the usual one; None where nothing does.
        """
        left = self._left()
        if clock is None:
            return left
        return np.where(clock < 1.0, np.minimum(self._usual * clock, left), left)
