"""The tables of relations and causes."""

from __future__ import annotations

import string

import numpy as np
import yaml

from tests.every import every
from tests.shadow.reality import KNOWN
from twin.catalog import UnitKind, device_class
from twin.plant import Conditions, Plant
from twin.shadow.causes import CAUSES, Cause
from twin.shadow.readings import Readings, SiteModel, split
from twin.shadow.relations import RELATIONS, Relation
from twin.site import Layout, load_gpu_model, parse_site
from twin.wire import SnapshotTable

_NAMES = {relation.name: relation for relation in RELATIONS}
_WORDS = {"place", "residual", "direction", "more", "percent", "less"}


@every("relation", RELATIONS, lambda own: own.name)
def test_relation_reads_what_the_catalogue_has(relation: Relation) -> None:
    """Every reading is a signal of the catalogue, and no effect is one of its causes."""
    for name in relation.readings:
        device, signal = split(name)
        assert device_class(device)[signal].on_wire
    assert relation.effect not in relation.causes


@every("cause", CAUSES, lambda own: own.name)
def test_cause_names_relations_and_words_that_there_are(cause: Cause) -> None:
    """Its signs are of relations of the table, and its sentence has places for known words."""
    assert cause.signs
    for relation, part, sign in cause.signs:
        assert part == "own" or _NAMES[relation].shared
        assert sign in (-1, 1)
    fields = {field for _, field, _, _ in string.Formatter().parse(cause.text) if field}
    assert "place" in fields
    assert fields <= _WORDS


def test_every_deviation_has_a_cause() -> None:
    """Whatever a relation shows, above or below, some cause of the table leaves it."""
    told = {
        (relation, part, sign * turn)
        for cause in CAUSES
        for relation, part, sign in cause.signs
        for turn in ((1, -1) if cause.mirrored else (1,))
    }
    parts = [(own.name, "own") for own in RELATIONS]
    parts += [(own.name, "common") for own in RELATIONS if own.shared]
    assert {(name, part, sign) for name, part in parts for sign in (-1, 1)} <= told


@every("relation", RELATIONS, lambda own: own.name)
def test_relation_is_the_plants_own(relation: Relation) -> None:
    """With the plant's parameters its function gives what the plant shows, in training and dips."""
    alike = load_gpu_model("h100-sxm").model_dump(exclude_defaults=True)
    alike["thermal_resistance_spread_ratio"] = 0.0
    layout = Layout(parse_site(KNOWN + yaml.safe_dump({"gpu": alike}), "alike"))
    plant = Plant(layout, 3)
    conditions = Conditions.healthy(layout)
    table, model = SnapshotTable(layout, UnitKind.RACK), SiteModel.of(layout)
    readings = Readings(layout, relation.readings)
    state: dict[str, np.ndarray] = {}
    errors = []
    for second in range(400):
        plant.step(1.0, conditions)
        table.load(plant.outputs())
        for rack in range(layout.site.racks):
            readings.take(rack, table.snapshot(rack, float(second), second))
        moment = readings.moment(model)
        found = relation.function(moment, state)
        measured = moment.over(relation.effect, layout.per_unit(relation.device))
        if second > 300:
            errors.append(measured - found.base - found.driven)
    # What devices differ by all the time is for calibration.
    assert np.ptp(np.array(errors), axis=0).max() < 2.0 * _CLOSE[relation.unit]


_CLOSE = {"K": 1.6, "W": 45.0, "L/min": 0.05, "Pa": 60.0}
"""Rounding of the readings, and what a second of lag makes."""
