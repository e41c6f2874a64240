"""What a rack complains of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin.aggregator.page.trouble import Troubles
from twin.catalog import UnitKind
from twin.site import Layout

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed


@pytest.fixture
def healthy(feed: Feed) -> Feed:
    """A site on which nothing is wrong."""
    for device, signal, value in (
        ("gpu", "gpu_temp", 50), ("nic", "up", 1), ("pump", "state", 1), ("cdu", "leak", 0),
        ("cdu_psu", "state", 0), ("server", "up_node", 1), ("pdu", "voltage", 415),
    ):  # fmt: skip
        feed.outputs[device][signal][:] = value
    return feed


def test_nothing(healthy: Feed) -> None:
    """A healthy rack complains of nothing."""
    healthy.site()
    troubles = Troubles(healthy.core.store)
    assert troubles.levels().tolist() == [0, 0, 0]
    assert troubles.words(0) == []


@pytest.mark.parametrize(
    ("device", "signal", "value", "level", "words"),
    [
        ("gpu", "gpu_temp", [88, 50, 50, 50], 2, ["a GPU is too hot"]),
        ("gpu", "gpu_temp", [np.nan, np.nan, 50, 50], 1, ["2 GPUs do not report"]),
        ("nic", "up", [1, 0, 1, 1], 1, ["a NIC port is down"]),
        ("pump", "state", [2, 1], 1, ["a pump has failed"]),
        ("pump", "state", [2, 2], 2, ["no coolant pump runs", "2 pumps have failed"]),
        ("cdu", "leak", [1], 1, ["the leak detector warns"]),
        ("cdu", "leak", [2], 2, ["the coolant leaks"]),
        ("cdu_psu", "state", [1, 0], 1, ["a power supply of the coolant unit has failed"]),
        ("server", "up_node", [0, 1], 1, ["a server does not answer"]),
        ("pdu", "voltage", [0, 415, 415], 1, ["a PDU phase is dead"]),
    ],
)
def test_signs(
    healthy: Feed, device: str, signal: str, value: list[float], level: int, words: list[str]
) -> None:
    """Every sign of trouble gives its rack a level and a word, and no other rack."""
    healthy.outputs[device][signal][1] = value
    healthy.site()
    troubles = Troubles(healthy.core.store)
    assert troubles.levels().tolist() == [0, level, 0]
    assert troubles.words(1) == words


def test_silence_is_not_trouble(layout: Layout, healthy: Feed) -> None:
    """A silent rack has neither a level nor words: it is silent, and that is shown apart."""
    healthy.frame(UnitKind.RACK, 0)
    troubles = Troubles(healthy.core.store)
    assert np.isnan(troubles.levels()[1:]).all()
    assert [troubles.words(rack) for rack in range(layout.site.racks)] == [[], [], []]
