"""Conditions are declared once, and whole."""

from __future__ import annotations

import copy
from dataclasses import fields

import numpy as np
import pytest

from twin.catalog import UnitKind
from twin.plant import Conditions, DraftConditions
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


def test_a_fault_copies_what_it_writes_to_and_nothing_else() -> None:
    """What a draft is asked for is an array of its own; the rest is that of the healthy site."""
    healthy = Conditions.healthy(LAYOUT)
    healthy.freeze()
    draft = DraftConditions(healthy)
    draft.pump_available[0] = False
    conditions = draft.done()
    assert not conditions.pump_available[0].any()
    assert healthy.pump_available.all()
    others = [name for name in Conditions.declared() if name != "pump_available"]
    assert all(getattr(conditions, name) is getattr(healthy, name) for name in others)
    with pytest.raises(AttributeError):
        _ = draft.no_such_condition


def test_what_is_faulty_is_told_anew_where_it_may_be_written_to() -> None:
    """A condition is faulty as soon as one value is not the healthy one."""
    conditions = Conditions.healthy(LAYOUT)
    assert not any(map(conditions.faulty, ("pump_head", "server_cap", "host_leak")))
    conditions.pump_head[3] = 0.5
    assert conditions.faulty("pump_head")
    assert conditions.ailing("pump_head") is conditions.pump_head
    conditions.freeze()
    assert conditions.ailing("server_cap") is None
    capped = conditions.but(server_cap=np.zeros_like(conditions.server_cap))
    assert capped.faulty("server_cap")
    assert not conditions.faulty("server_cap")


def test_a_healthy_site_can_be_written_to() -> None:
    """Two sites share no array, so a fault of one is none of the other."""
    first, second = Conditions.healthy(LAYOUT), Conditions.healthy(LAYOUT)
    for name in Conditions.declared():
        assert not np.shares_memory(getattr(first, name), getattr(second, name))


def test_copies_are_asked_anew() -> None:
    """A copy has arrays of its own, so what is known of the original is not known of it."""
    draft = DraftConditions(Conditions.healthy(LAYOUT))
    draft.gpu_attached[0, 0] = False
    conditions = draft.done()
    assert conditions.faulty("gpu_attached")
    for copied in (copy.copy(conditions), copy.deepcopy(conditions), conditions.copy()):
        assert copied.faulty("gpu_attached")
    deep = copy.deepcopy(conditions)
    deep.gpu_attached[0, 0] = True
    assert not deep.faulty("gpu_attached")
    assert conditions.faulty("gpu_attached")
