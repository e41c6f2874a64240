"""Conditions are declared once, and whole."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from twin.catalog import UnitKind
from twin.plant import Conditions
from twin.site import Layout, load_site

LAYOUT = Layout(load_site("demo"))


def test_every_condition_says_whose_it_is() -> None:
    """Each declares its owner, and its rows are the units of that kind."""
    declared = Conditions.declared()
    assert list(declared) == [field.name for field in fields(Conditions) if field.name != "added"]
    healthy = Conditions.healthy(LAYOUT)
    for name, condition in declared.items():
        rows = getattr(healthy, name).shape[0]
        if condition.kind is not UnitKind.GRID:
            assert rows == LAYOUT.units(condition.kind), name
    assert declared["leaf_available"].kind is UnitKind.ARRAY
    assert declared["pump_head"].kind is UnitKind.RACK


def test_a_healthy_site_can_be_written_to() -> None:
    """Two sites share no array, so a fault of one is none of the other."""
    first, second = Conditions.healthy(LAYOUT), Conditions.healthy(LAYOUT)
    for name in Conditions.declared():
        assert not np.shares_memory(getattr(first, name), getattr(second, name))
