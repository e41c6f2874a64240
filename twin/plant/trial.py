"""Trial of a restored plant: refuses a state from which no plant can run."""

from __future__ import annotations

import copy

import numpy as np

from twin.catalog import DEVICES, MetricType
from twin.plant.conditions import Conditions
from twin.plant.plant import Plant
from twin.plant.state import PlantState, PlantStateError, restore_plant
from twin.site import Layout

__all__ = ["try_out"]

_MOST = 2.0**63
"""No counter of any exporter gets there."""
_COUNTERS = frozenset(
    (device.name, signal.name)
    for device in DEVICES
    for signal in device.signals
    if signal.kind is MetricType.COUNTER
)
_UNFIT = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    MemoryError,
)
"""What a step may raise that finds another value than it left."""


def try_out(plant: Plant, state: PlantState, layout: Layout) -> None:
    """Let a plant of its own take a step from a state, and look at what it shows.

    Args:
        plant: a new one, which is not used afterwards.
        state: to begin with; it is left as it is.
        layout: of the site.

    Raises:
        PlantStateError: it does not fit, cannot be run from, or shows what no device shows.
    """
    restore_plant(plant, copy.deepcopy(state))
    try:
        with np.errstate(all="ignore"):
            plant.step(1.0, Conditions.healthy(layout))
            shown = plant.outputs()
    except _UNFIT as error:
        raise PlantStateError(f"the plant cannot run from it ({error!r})") from error
    for device, group in shown.items():
        for name, values in group.items():
            if (device, name) not in _COUNTERS:
                continue  # a sensor of what is off shows no number
            counted = np.asarray(values, np.float64)
            counted = counted[~np.isnan(counted)]
            if wrong := counted[(counted < 0.0) | (counted >= _MOST)].tolist():
                raise PlantStateError(f"{name} of a {device} counts {wrong[0]:g}")
