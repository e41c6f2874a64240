"""Functions of the relations of the site as a whole: its meters, from the racks up to the grid."""

from __future__ import annotations

import numpy as np

from twin.catalog import GENSET, MEGAPACK
from twin.plant.units import Floats
from twin.shadow.functions import Expected, Memory
from twin.shadow.readings import Moment

__all__ = ["distribution_loss", "facility_meter", "feed_meters", "it_meter"]


def _racks(m: Moment) -> tuple[Floats, Floats]:
    """Return what the PDUs of all racks deliver, and what of it coolant units take, (1, 1)."""
    units = np.where(m.model.liquid.reshape(1, -1), m["cdu.power"], 0.0)
    return m.over("pdu.power", 1), units.sum(axis=1, keepdims=True)


def it_meter(m: Moment, _: Memory) -> Expected:
    """Power of the site's IT equipment from the PDUs of its racks less their coolant units.

    Switches and storage take the rest, which is learnt.
    """
    total, units = _racks(m)
    return Expected(0.0, total - units)


def distribution_loss(m: Moment, _: Memory) -> Expected:
    """Loss of transformers and cables from what racks draw."""
    total, _units = _racks(m)
    return Expected(0.0, m.model.layout.site.facility.loss_ratio * total)


def facility_meter(m: Moment, _: Memory) -> Expected:
    """Power of the facility from IT, cooling and losses."""
    parts = ("facility.it_power", "facility.cooling_power", "facility.loss_power")
    total: Floats = np.sum([m[name] for name in parts], axis=0)
    return Expected(0.0, total)


def feed_meters(m: Moment, _: Memory) -> Expected:
    """Import of all feeds from what the facility takes less Megapacks and generators."""
    layout = m.model.layout
    others: Floats = m["facility.unserved_power"]
    for device in (MEGAPACK, GENSET):
        if layout.units(device.frame):
            others = others + m.over(f"{device.name}.power", 1)
    return Expected(0.0, m["facility.power"] - others)
