"""What shards say to each other survives the bus, and nonsense is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from twin.errors import FrameError
from twin.plant import Conditions
from twin.plant.ledger import Report
from twin.plant.shard import FacilityPlant, HallsPlant
from twin.site import Layout, parse_site
from twin.wire import FacilityFeedback, ShardDraw, decode_message

LAYOUT = Layout(
    parse_site(
        "{name: w, racks: 5, racks_per_array: 2, servers_per_rack: 1, server: {gpus: 2, nics: 3}}",
        "w",
    )
)


@pytest.fixture(scope="module")
def report() -> Report:
    """What two of three arrays drew in a tick of two steps."""
    halls = HallsPlant(LAYOUT, (0, 2), 1, "training", 0.0)
    halls.step(2.0, halls.own(Conditions.healthy(LAYOUT)))
    return halls.report((2,))


def test_a_report_survives_the_bus(report: Report) -> None:
    """All that the facility adds up is the same, bytes of spines and watts of racks but rounded."""
    payload = ShardDraw.of(report, 12.0).encode()
    got = decode_message(ShardDraw, payload).report(LAYOUT)
    assert (got.arrays, got.owned, got.flows) == (report.arrays, report.owned, report.flows)
    assert got.draw.healths == report.draw.healths
    assert got.draw.storage_ports == report.draw.storage_ports
    assert np.allclose(got.draw.racks, report.draw.racks, atol=0.05)
    assert np.allclose(got.draw.into_spines, report.draw.into_spines, atol=0.5)
    assert got.draw.into_spines.sum() > 0


def test_a_feedback_survives_the_bus() -> None:
    """Voltage, shed racks, water, storage and where the jobs stand, to the last bit."""
    feedback = FacilityPlant(LAYOUT, 1, "training", 0.0).feedback()
    powered = feedback.powered.copy()
    powered[[1, 2, 4]] = False
    feedback = replace(feedback, powered=powered)
    payload = FacilityFeedback.of(feedback, 12.0).encode()
    got = decode_message(FacilityFeedback, payload).feedback(LAYOUT)
    assert np.array_equal(got.powered, powered)
    assert got.storage_levels == feedback.storage_levels
    assert got.standings == feedback.standings
    assert replace(got, powered=powered) == replace(feedback, powered=powered)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["racks"].pop(),
        lambda d: d["racks"].append(-1.0),
        lambda d: d["arrays"].append([7, 9]),
        lambda d: d["arrays"].reverse(),
        lambda d: d.update(owned=[[1, 1]]),
        lambda d: d["jobs"].pop(),
        lambda d: d["into_spines"].append(1.0),
        lambda d: d["storage_ports"].append(1),
        lambda d: d.update(flows=[]),
        lambda d: d.update(more=1),
    ],
)
def test_a_report_that_does_not_fit_is_refused(
    report: Report, change: Callable[[dict[str, Any]], object]
) -> None:
    """A stranger on the bus gets an error, not into the facility."""
    document = orjson.loads(ShardDraw.of(report, 12.0).encode())
    change(document)
    with pytest.raises(FrameError):
        decode_message(ShardDraw, orjson.dumps(document)).report(LAYOUT)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["jobs"].pop(),
        lambda d: d["standings"].append({}),
        lambda d: d.update(shed=[[0, 5]]),
        lambda d: d.update(voltage_ratio=-1.0),
        lambda d: d.update(water=None),
    ],
)
def test_a_feedback_that_does_not_fit_is_refused(
    change: Callable[[dict[str, Any]], object],
) -> None:
    """Nor does it get into the halls."""
    feedback = FacilityPlant(LAYOUT, 1, "training", 0.0).feedback()
    document = orjson.loads(FacilityFeedback.of(feedback, 12.0).encode())
    change(document)
    with pytest.raises(FrameError):
        decode_message(FacilityFeedback, orjson.dumps(document)).feedback(LAYOUT)
