"""Strangers on the bus: replayed, reordered, forged and foreign messages, in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from twin.aggregator import Core
from twin.catalog import UnitKind
from twin.site import Layout
from twin.wire import Outputs

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

RACKS = 3
frames = st.tuples(st.integers(0, RACKS - 1), st.integers(1, 12))


@settings(deadline=None, max_examples=60)
@given(
    sent=st.lists(st.tuples(frames, st.sampled_from(["new", "retained", "elsewhere", "cut"]))),
    names=st.lists(st.text(max_size=80), max_size=4),
)
def test_only_the_newest_frame_of_its_own_unit_is_shown(
    layout: Layout,
    outputs: Callable[[Layout], Outputs],
    new_feed: type[Feed],
    sent: list[tuple[tuple[int, int], str]],
    names: list[str],
) -> None:
    """Whatever comes in whatever order, a unit shows its newest frame, and no label is forged."""
    feed = new_feed(Core(layout), outputs(layout))
    newest = [0.0] * RACKS
    for (rack, number), how in sent:
        payload = feed.payload(UnitKind.RACK, rack, ts=float(number), seq=number)
        topic = feed.topic(UnitKind.RACK, rack)
        if how == "elsewhere":
            feed.send(topic.replace("/small/", "/other/"), payload)
        elif how == "cut":
            feed.send(topic.replace("/rack/", "/rack/x"), payload[: number * 10])
        else:
            feed.send(topic, payload, retain=how == "retained")
        if how == "new":
            newest[rack] = max(newest[rack], float(number))
    for name in names:
        feed.send(f"twin/v1/small/status/{name}", b'{"v":1,"emulator":"x","state":"online"}')
        feed.send(f"twin/v1/small/rack/{name}", b"{}")
    seen = feed.core.store.units[UnitKind.RACK]
    shown = np.where(seen.seen, seen.ts, 0.0)
    np.testing.assert_array_equal(shown, newest)
    text = bytes(feed.core.metrics()).decode()
    labels = {
        sample.labels["rack"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "rack" in sample.labels
    }
    assert labels <= {"r0001", "r0002", "r0003"}
