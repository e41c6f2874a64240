"""Traces of relations over a past: base, driven part and effect of every device at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.catalog import DeviceClass
from twin.fleet.calibration.past import FleetPast
from twin.plant.units import Floats
from twin.shadow.functions import Memory
from twin.shadow.readings import SiteModel
from twin.shadow.relations import Relation
from twin.site import Layout, address_of

__all__ = ["Trace", "blocks", "device_names", "traced"]

_SETTLED = 0.5
"""Share of a relation's tolerance of its lag up to which a sample counts."""
_BLOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One relation over a past; arrays are (steps, devices), NaN where it does not hold.

    Attributes:
        names: of the devices.
        step: seconds.
        effect: measured.
        base: of the expected effect.
        driven: part of it.
    """

    names: Sequence[str]
    step: float
    effect: Floats
    base: Floats
    driven: Floats

    @property
    def error(self) -> Floats:
        """Measured less expected."""
        return self.effect - (self.base + self.driven)


def traced(relations: Sequence[Relation], model: SiteModel, past: FleetPast) -> dict[str, Trace]:
    """Return the traces of the relations whose readings the past has."""
    found: dict[str, Trace] = {}
    for relation in relations:
        shape = model.layout.shape(relation.device)
        if not shape[1] or not all(_has(past, name) for name in relation.readings[:2]):
            continue
        rows: tuple[list[Floats], ...] = ([], [], [])
        state: Memory = {}
        for index, moment in enumerate(past.moments(model)):
            effect = moment.over(relation.effect, shape[1])
            expected = relation.function(moment, state)
            there = np.isfinite(effect) & (index * past.step >= relation.warm)
            if expected.holds is not None:
                there = there & expected.holds
            if expected.assumed is not None:
                there = there & ~expected.assumed
            if expected.unsettled is not None:
                with np.errstate(invalid="ignore"):
                    there = there & (np.abs(expected.unsettled) < _SETTLED * relation.lag)
            base = np.broadcast_to(expected.base, shape)
            for row, values in zip(rows, (effect, base, expected.driven), strict=True):
                row.append(np.where(there, values, np.nan).reshape(-1))
        names = device_names(model.layout, relation.device)
        found[relation.name] = Trace(names, past.step, *(np.array(row) for row in rows))
    return found


def _has(past: FleetPast, name: str) -> bool:
    return name in past.values and bool(np.isfinite(past.values[name]).any())


def device_names(layout: Layout, device: DeviceClass) -> list[str]:
    """Return the addresses of all devices of a class on the racks, such as ``r0001/n1/gpu3``."""
    racks, each = layout.shape(device)
    return [address_of(layout, device, rack, own) for rack in range(racks) for own in range(each)]


def blocks(values: Floats, step: float) -> Floats:
    """Return means over blocks of a minute or of four steps; NaN where half of one is missing."""
    length = max(round(_BLOCK_SECONDS / step), 4)
    count = len(values) // length
    parts = values[: count * length].reshape(count, length, -1)
    there = np.isfinite(parts)
    enough = there.sum(axis=1) * 2 >= length
    total = np.where(there, parts, 0.0).sum(axis=1)
    means: Floats = np.where(enough, total / np.maximum(there.sum(axis=1), 1), np.nan)
    return means
