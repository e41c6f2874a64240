"""The tables of relations and causes."""

from __future__ import annotations

import string

import numpy as np
import pytest
import yaml

from tests.every import every
from twin.bench.hidden_reality import KNOWN, KNOWN_IN_AIR, KNOWN_ON_SHELVES
from twin.catalog import UnitKind, device_class
from twin.plant import Conditions, Plant
from twin.plant.units import Floats
from twin.shadow import ShadowCore
from twin.shadow.cause_table import CAUSES, DeviationCause
from twin.shadow.functions import Memory
from twin.shadow.readings import SiteModel, UnitReadings, split
from twin.shadow.relations import RELATIONS, Relation
from twin.site import Layout, load_gpu_model, parse_site
from twin.wire import SnapshotTable

_NAMES = {relation.name: relation for relation in RELATIONS}
_WORDS = {
    "place",
    "residual",
    "direction",
    "more",
    "percent",
    "less",
    "points",
    "millivolts",
    "slowest",
}


@every("relation", RELATIONS, lambda own: own.name)
def test_relation_reads_what_the_catalogue_has(relation: Relation) -> None:
    """Every reading is a signal of the catalogue, and no effect is one of its causes."""
    for name in relation.readings:
        device, signal = split(name)
        assert device_class(device)[signal].on_wire
    assert relation.effect not in relation.causes


@every("cause", CAUSES, lambda own: own.name)
def test_cause_names_relations_and_words_that_there_are(cause: DeviationCause) -> None:
    """Its signs are of relations of the table, and its sentence says where, but of the site."""
    assert cause.signs
    for relation, part, sign in cause.leaves:
        assert part == "own" or _NAMES[relation].shared
        assert sign in (-1, 1)
    fields = {field for _, field, _, _ in string.Formatter().parse(cause.text) if field}
    assert ("place" in fields) == (cause.device.frame is not UnitKind.GRID)
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


@pytest.mark.parametrize(
    "known", [KNOWN, KNOWN_IN_AIR, KNOWN_ON_SHELVES], ids=["liquid", "air", "shelves"]
)
def test_relations_are_the_plants_own(known: str) -> None:
    """With the plant's parameters each gives what the plant shows, in training and in dips."""
    key = "gb200" if "nvl72" in known else "h100-sxm"
    alike = load_gpu_model(key).model_dump(exclude_defaults=True)
    alike["thermal_resistance_spread_ratio"] = 0.0
    layout = Layout(parse_site(known + yaml.safe_dump({"gpu": alike}), "alike"))
    plant, conditions = Plant(layout, 3), Conditions.healthy(layout)
    table, model = SnapshotTable(layout, UnitKind.RACK), SiteModel.of(layout)
    # Those of the site's meters read other frames: test_site_meters.py has them.
    watched = [own.relation for own in ShadowCore(layout).watches.values()]
    relations = [relation for relation in watched if relation.frame is UnitKind.RACK]
    readings = UnitReadings(layout, [own for relation in relations for own in relation.readings])
    states: dict[str, Memory] = {relation.name: {} for relation in relations}
    errors: dict[str, list[Floats]] = {relation.name: [] for relation in relations}
    for second in range(340):
        plant.step(1.0, conditions)
        table.load(plant.halls.outputs())
        for rack in range(layout.site.racks):
            readings.take(rack, table.snapshot(rack, float(second), second))
        moment = readings.moment(model)
        for relation in relations:
            found = relation.function(moment, states[relation.name])
            measured = relation.measured(moment, relation.shape(layout)[1])
            if second >= 200:
                errors[relation.name].append(measured - found.base - found.driven)
    # What devices differ by all the time is for calibration.
    worst = {name: float(np.ptp(np.array(own), axis=0).max()) for name, own in errors.items()}
    close = {name: _STORED.get(name, _CLOSE[_NAMES[name].unit]) for name in worst}
    assert {name: own for name, own in worst.items() if own > 2.0 * close[name]} == {}


_STORED = {"heat_balance": 150.0, "heat_exchanger": 0.05}
"""Heat that the coolant between thermometers and exchanger stores in a second, of 24 kW, and what
that makes of its temperature."""
_CLOSE = {"K": 1.6, "W": 45.0, "L/min": 0.05, "Pa": 60.0, "rpm": 150.0, "B/s": 1e8}
"""Rounding of the readings, and what a second of lag makes."""
