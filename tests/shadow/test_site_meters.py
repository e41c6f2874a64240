"""The observer beside the meters of a hidden reality's site, from its racks up to the grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, HiddenReality
from twin.catalog import UnitKind
from twin.errors import FrameError
from twin.shadow import ShadowCore
from twin.shadow.reports import reports
from twin.site import Layout, parse_site
from twin.wire import Codec, Encoder, ShadowReport, Snapshot, decode_message

Columns = dict[str, np.ndarray]
_SMALL = KNOWN.replace("racks: 6", "racks: 3") + "megapacks: {count: 2}\n"
_METERS = ("it_power", "distribution_loss", "facility_power", "grid_power")


@pytest.fixture(scope="module")
def calibrated() -> bytes:
    """Return the calibration of a hidden reality, which was silent meanwhile."""
    reality = HiddenReality(7, known=_SMALL)
    for _ in reality.run(1_320):
        assert not reality.shadow.findings
    watches = reality.shadow.watches
    assert [name for name in _METERS if watches[name].own.watching.all()] == list(_METERS)
    return reality.shadow.state()


def _it(columns: Columns) -> None:
    columns["facility.it_power"] *= 1.03


def _facility(columns: Columns) -> None:
    columns["facility.power"] *= 0.98


def _grid(columns: Columns) -> None:
    columns["grid.power"] *= 1.02


def _loss(columns: Columns) -> None:
    """Let transformers lose a fifth more, on all meters above them."""
    lost = 0.2 * columns["facility.loss_power"]
    columns["facility.loss_power"] += lost
    columns["facility.power"] += lost
    columns["grid.power"] += lost / columns["grid.power"].size


def _unmetered(columns: Columns) -> None:
    """Let 4 % of the IT power flow past the racks' PDUs."""
    load = 0.04 * columns["facility.it_power"]
    columns["facility.it_power"] += load
    columns["facility.power"] += load
    columns["grid.power"] += load / columns["grid.power"].size


@pytest.mark.parametrize(
    ("cause", "strike"),
    [
        pytest.param("it_meter", _it, marks=pytest.mark.full),
        pytest.param("facility_meter", _facility, marks=pytest.mark.full),
        pytest.param("grid_meter", _grid, marks=pytest.mark.full),
        ("distribution_loss", _loss),
        pytest.param("unmetered_load", _unmetered, marks=pytest.mark.full),
    ],
)
def test_meter_is_told_from_what_it_measures(
    calibrated: bytes, cause: str, strike: Callable[[Columns], None]
) -> None:
    """A meter of the site, a loss and a load that no PDU sees are told apart, one at a time."""
    shadow = ShadowCore(Layout(parse_site(_SMALL, "known")))
    shadow.restore(calibrated)
    reality = HiddenReality(7, known=_SMALL, shadow=shadow)
    for _ in reality.run(120):
        assert not shadow.findings
    reality.alter_site = strike
    for _ in reality.run(360):
        pass
    assert [(own.cause, own.place) for own in shadow.findings] == [(cause, "grid")]
    told = [decode_message(ShadowReport, own.payload) for own in reports(shadow)]
    assert [[own.cause for own in report.findings] for report in told] == [[], [cause]]


def test_report_of_the_site_names_no_rack() -> None:
    """What stands in no array has a report of its own, on the topic of the grid."""
    shadow = ShadowCore(Layout(parse_site(_SMALL, "known")))
    *_, site = reports(shadow)
    assert site.topic == shadow.topics.shadow("grid")
    relations = {own.relation: own for own in decode_message(ShadowReport, site.payload).relations}
    assert relations.keys() == {
        *_METERS, "megapack_charge", "cells_apart", "step_time", "step_time_of_most"
    }  # fmt: skip
    assert all(relations[name].devices == 1 for name in _METERS)
    assert not any(own.racks for own in relations.values())


def test_frames_of_the_site_are_taken_as_those_of_racks_are() -> None:
    """They travel as bytes; an old, retained or foreign one is refused, a set clock followed."""
    reality = HiddenReality(1, known=_SMALL)
    layout, shadow = reality.layout, reality.shadow
    topics = shadow.topics
    for kind in (UnitKind.GRID, UnitKind.MEGAPACK):
        assert topics.frames(kind) in shadow.subscriptions
    encoder = Encoder(layout, UnitKind.GRID, Codec.CBOR)
    encoder.load(reality.plant.outputs())
    topic = topics.frame(UnitKind.GRID, "grid")
    shadow.handle(topic, encoder.encode(0, 1e9, 1))
    shadow.handle(topic, encoder.encode(0, 1e9, 1))
    shadow.handle(topic, encoder.encode(0, 1e9 + 5, 2), retain=True)
    shadow.handle(topics.frame(UnitKind.MEGAPACK, "mp999"), b"{}")
    assert shadow.refused == {"stale": 2, "foreign": 1}
    for number in range(4):
        old = Snapshot(9e8 + number, number, {})
        if number < 3:
            with pytest.raises(FrameError, match="older than the last"):
                shadow.take_unit(UnitKind.GRID, 0, old)
        else:
            shadow.take_unit(UnitKind.GRID, 0, old)


@pytest.mark.full
def test_a_rack_that_is_silent_leaves_the_sum_unjudged(calibrated: bytes) -> None:
    """Without one rack the meters above racks are not covered, those above them still are."""
    shadow = ShadowCore(Layout(parse_site(_SMALL, "known")))
    shadow.restore(calibrated)
    reality = HiddenReality(7, known=_SMALL, shadow=shadow)
    for rack, snapshot in reality.frames(300):
        if rack != 1 or reality.second <= 60:
            shadow.take(rack, snapshot)
        if rack == 2:
            for own in reality.beside():
                shadow.take_unit(*own)
    assert not shadow.findings
    covered = {name: shadow.watches[name].covered.all() for name in _METERS}
    assert covered == dict(zip(_METERS, (False, False, True, True), strict=True))
