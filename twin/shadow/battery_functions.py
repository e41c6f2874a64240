"""Functions of the relations of Megapacks: the charge from the energy at the terminals, the cells.

A charge has no zero but its own past: what is judged is how far it has moved within some hours.
"""

from __future__ import annotations

import numpy as np

from twin.plant.megapack import cell_spread, stored
from twin.plant.units import Floats
from twin.shadow.functions import Expected, Memory
from twin.shadow.readings import LONGEST_GAP, Moment

__all__ = ["PAST_SECONDS", "cells_apart", "charge"]

PAST_SECONDS = 7_200.0
"""Time constant with which a charge's own past is forgotten, est.: what a unit takes for itself is
known to 1 kW, which within it makes a twentieth of a percent of 3.9 MWh."""
_FROM_ENDS = 0.005
"""Charge from the ends of the window within which a unit may sleep."""
_CELLS_FROM = 0.2
"""Charge below which the weakest cell runs away from the others."""


def charge(m: Moment, state: Memory) -> Expected:
    """State of charge from the energy over the terminals, above what it was in the last hours.

    Both are what is left of them with the same time constant, so that the sum of what a unit takes
    for itself, and of what its meters miss, stays small.
    """
    p = m.model.layout.site.megapacks
    soc = m["megapack.soc"]
    taken = _passed(m, "megapack.charged_energy", -1.0)
    given = _passed(m, "megapack.discharged_energy", 1.0)
    share = stored(taken, given, p.round_trip_ratio) / p.energy_joules
    own = p.auxiliary_watts * m.dt / p.energy_joules
    kept = np.exp(-m.dt / PAST_SECONDS)
    before = {name: state.get(name, np.full(soc.shape, np.nan)) for name in _STATE}
    moved = {
        "past": kept * before["past"] + (1.0 - kept) * before["soc"],
        "driven": kept * before["driven"] + share,
        "own": kept * before["own"] - own,
    }
    # A missed frame is bridged; what passed in a longer gap, or unread, is not known.
    told = np.isfinite(share) & (m.dt <= LONGEST_GAP)
    anew = np.isfinite(soc) & np.isfinite(m.dt) & ~told | ~np.isfinite(before["soc"])
    begun = {"past": soc, "driven": np.zeros(soc.shape), "own": np.zeros(soc.shape)}
    for name, first in begun.items():
        after = np.where(np.isfinite(moved[name]), moved[name], before[name])
        state[name] = np.where(anew, first, after)
    state["soc"] = np.where(np.isfinite(soc), soc, before["soc"])
    holds = told & (soc > p.soc_min_ratio + _FROM_ENDS) & (soc < 1.0 - _FROM_ENDS)
    return Expected(state["past"] + state["own"], state["driven"], holds=holds)


_STATE = ("soc", "past", "driven", "own")


def _passed(m: Moment, counter: str, sign: float) -> Floats:
    """Return the energy that has passed since the last instant: by its counter, else by power."""
    rate, read = m.rate(counter), np.maximum(sign * m["megapack.power"], 0.0)
    passed: Floats = np.where(np.isfinite(rate), rate, read) * m.dt
    return passed


def cells_apart(m: Moment, _: Memory) -> Expected:
    """Lowest cell voltage from the highest, by the spread that cells have at a charge."""
    soc = m["megapack.soc"]
    return Expected(m["megapack.cell_voltage_max"], -cell_spread(soc), holds=soc > _CELLS_FROM)
