"""Models of device classes added from outside: the physics behind their signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from twin.plant.conditions import Conditions
from twin.plant.facility import Facility
from twin.plant.halls import Halls
from twin.plant.units import Floats
from twin.registry import Registry
from twin.site import Layout

__all__ = ["MODELS", "DeviceModel", "MakeModel"]


class DeviceModel(Protocol):
    """The physics of a device class, or of a few that belong together."""

    def step(self, dt: float, halls: Halls, facility: Facility, conditions: Conditions) -> None:
        """Advance by ``dt`` seconds, at most about a second, after all that ships has done so.

        Args:
            dt: step in s.
            halls: what stands in the arrays, after its own step.
            facility: what serves them, likewise.
            conditions: what is wrong; its own by :meth:`Conditions.of`.
        """

    def outputs(self) -> Mapping[str, Mapping[str, Floats]]:
        """Return every signal: class, then signal, to (units, devices); NaN where none reports."""


MakeModel = Callable[[Layout, np.random.Generator], DeviceModel]

MODELS: Registry[MakeModel] = Registry()
"""What makes the models of a plant, each with a stream of random numbers of its own."""
