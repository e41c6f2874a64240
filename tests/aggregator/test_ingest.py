"""Every message is taken over or counted, and none does harm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from twin.aggregator.detail import DetailControl
from twin.aggregator.ingest import Elapsed
from twin.catalog import GPU, UnitKind
from twin.wire import MAX_FRAME_BYTES, ActiveFault, Decoder, Faults

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

REFUSED = "twin_messages_refused_total"
LOST = "twin_frames_lost_total"
RESTARTS = "twin_unit_restarts_total"
INGESTED = "twin_frames_ingested_total"
RACK = "twin/v1/small/rack/r0001"


def test_takes_over_every_unit(feed: Feed) -> None:
    """One frame of every unit fills the store, to the catalogue's resolution."""
    feed.site()
    for kind in UnitKind:
        assert feed.tally(INGESTED, kind.value) == feed.layout.units(kind)
    expected = np.round(feed.outputs["gpu"]["power_usage"], GPU["power_usage"].decimals)
    np.testing.assert_allclose(feed.core.store.column(GPU, "power_usage"), expected)


@pytest.mark.parametrize(
    "topic",
    [
        "nonsense",
        "twin/v2/small/rack/r0001",
        "twin/v1/other/rack/r0001",
        "twin/v1/small/rack/r0004",
        "twin/v1/small/rack",
        "twin/v1/small/grid/1",
        "twin/v1/small/toaster/t1",
        "twin/v1/small/job/other",
        "twin/v1/small/meta/pump/r0001",
        "twin/v1/small/meta",
    ],
)
def test_refuses_foreign_topics(feed: Feed, topic: str) -> None:
    """A topic that is not of this site, or names no unit of it, is foreign."""
    feed.send(topic, feed.payload(UnitKind.RACK, 0))
    assert feed.tally(REFUSED, "foreign") == 1
    assert feed.core.store.version == 0


def test_ignores_what_the_site_says_to_others(feed: Feed) -> None:
    """Commands and answers are neither taken over nor refused."""
    for topic in ("command/inject", "ack/1"):
        feed.send(f"twin/v1/small/{topic}", b"anything")
    assert sum(feed.core.telemetry.tallies()[REFUSED].values()) == 0


def _edited(feed: Feed, **changes: object) -> bytes:
    frame = orjson.loads(feed.payload(UnitKind.RACK, 0))
    frame.update(changes)
    return orjson.dumps(frame)


def test_refuses_what_is_no_frame(feed: Feed) -> None:
    """Each way of being no valid frame is counted under its own reason."""
    gpu = orjson.loads(feed.payload(UnitKind.RACK, 0))["gpu"]
    bad = {
        "oversized": b" " * (MAX_FRAME_BYTES + 1),
        "malformed": b"{",
        "version": _edited(feed, v=2),
        "schema": _edited(feed, surprise={}),
        "shape": _edited(feed, gpu=gpu | {"gpu_temp": [1]}),
        "value": _edited(feed, gpu=gpu | {"gpu_temp": [1e6] * len(gpu["gpu_temp"])}),
    }
    for reason, payload in bad.items():
        feed.send(RACK, payload)
        assert feed.tally(REFUSED, reason) == 1, reason
    assert feed.core.store.version == 0


def test_refuses_retained_frames(feed: Feed) -> None:
    """Nobody knows how old a retained frame is, so it is stale."""
    feed.send(RACK, feed.payload(UnitKind.RACK, 0), retain=True)
    assert feed.tally(REFUSED, "stale") == 1


def test_refuses_an_older_frame(feed: Feed) -> None:
    """A frame from before the last one does not overwrite it."""
    feed.frame(UnitKind.RACK, 0, ts=10.0, seq=10)
    feed.frame(UnitKind.RACK, 0, ts=9.0, seq=9)
    assert feed.tally(REFUSED, "stale") == 1
    assert feed.core.store.units[UnitKind.RACK].ts[0] == 10.0


@pytest.mark.parametrize(("ts", "seq"), [(10.0, 10), (11.0, 10), (10.0, 9)])
def test_refuses_a_frame_seen_already(feed: Feed, ts: float, seq: int) -> None:
    """A running number that was seen already is a duplicate."""
    feed.frame(UnitKind.RACK, 0, ts=10.0, seq=10)
    feed.frame(UnitKind.RACK, 0, ts=ts, seq=seq)
    assert feed.tally(REFUSED, "duplicate") == 1


def test_counts_lost_frames(feed: Feed) -> None:
    """A gap in the running numbers counts what is missing, per kind."""
    feed.frame(UnitKind.RACK, 0, ts=1.0, seq=1)
    feed.frame(UnitKind.RACK, 0, ts=5.0, seq=5)
    feed.frame(UnitKind.MEGAPACK, 0, ts=1.0, seq=7)
    feed.frame(UnitKind.MEGAPACK, 0, ts=2.0, seq=8)
    assert feed.tally(LOST, "rack") == 3
    assert feed.tally(LOST, "megapack") == 0


def test_first_frame_loses_nothing(feed: Feed) -> None:
    """What came before the aggregator listened is not lost."""
    feed.frame(UnitKind.RACK, 0, ts=1.0, seq=4_000)
    assert feed.tally(LOST, "rack") == 0


def test_restart_is_no_loss(feed: Feed) -> None:
    """A running number that begins anew at a newer time is taken over and counted."""
    feed.frame(UnitKind.RACK, 0, ts=100.0, seq=100)
    feed.frame(UnitKind.RACK, 0, ts=101.0, seq=0)
    feed.frame(UnitKind.RACK, 0, ts=102.0, seq=1)
    assert feed.tally(RESTARTS, "rack") == 1
    assert feed.tally(LOST, "rack") == 0
    assert feed.core.store.units[UnitKind.RACK].ts[0] == 102.0


def test_absurd_jump_is_a_restart(feed: Feed) -> None:
    """One hostile number cannot spoil the count of lost frames for ever."""
    feed.frame(UnitKind.RACK, 0, ts=1.0, seq=1)
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2**62)
    assert feed.tally(LOST, "rack") == 0
    assert feed.tally(RESTARTS, "rack") == 1


@pytest.mark.parametrize("seq", [6, 4_000])
def test_hears_an_emulator_whose_clock_went_back(feed: Feed, seq: int) -> None:
    """After the timeout a unit has nothing to defend, so an earlier clock is accepted."""
    feed.frame(UnitKind.RACK, 0, ts=3_600.0, seq=3_600)
    feed.frame(UnitKind.RACK, 0, ts=1.0, seq=0)
    assert feed.tally(REFUSED, "stale") == 1
    feed.wait(6.0)
    feed.frame(UnitKind.RACK, 0, ts=7.0, seq=seq)
    assert feed.core.store.units[UnitKind.RACK].ts[0] == 7.0
    assert feed.tally(RESTARTS, "rack") == 1
    assert feed.tally(LOST, "rack") == 0


def test_harm_stays_with_its_unit(feed: Feed) -> None:
    """A refused frame changes no value, not even those of its own unit."""
    feed.site()
    before = {name: values.copy() for name, values in feed.core.store.values.items()}
    gpu = orjson.loads(feed.payload(UnitKind.RACK, 0))["gpu"]
    feed.send(RACK, _edited(feed, ts=2.0, seq=2, gpu=gpu | {"gpu_temp": ["hot"] * 4}))
    for name, values in before.items():
        np.testing.assert_array_equal(feed.core.store.values[name], values)


def test_logs_one_line_a_reason_and_period(feed: Feed) -> None:
    """A flood of bad messages makes one line in ten seconds, which counts the rest."""
    with capture_logs() as logs:
        for _ in range(50):
            feed.send(RACK, b"{")
        feed.send("nonsense", b"")
        feed.now += 11.0
        feed.send(RACK, b"{")
    assert [(line["reason"], line["suppressed"]) for line in logs] == [
        ("malformed", 0),
        ("foreign", 0),
        ("malformed", 49),
    ]


def test_log_shows_no_control_characters(feed: Feed) -> None:
    """What comes from the network cannot write to the terminal."""
    with capture_logs() as logs:
        feed.send("twin/v1/\x1b[2J\n", b"")
    assert "\x1b" not in logs[0]["topic"]
    assert "\n" not in logs[0]["topic"]


@pytest.mark.parametrize("ts", [32_503_680_000.0, 99_999_999_999.0, 1.8e12])
def test_refuses_a_frame_of_the_far_future(feed: Feed, ts: float) -> None:
    """Milliseconds and the year 5138 are no time, so they do not make all that follows old."""
    feed.send(RACK, _edited(feed, ts=ts))
    assert feed.tally(REFUSED, "value") == 1
    feed.frame(UnitKind.RACK, 0)
    assert feed.tally(REFUSED, "stale") == 0


def test_refuses_a_frame_ahead_of_its_emulators(feed: Feed) -> None:
    """No frame is of a time that no emulator can have reached; a wrong clock of a rack is."""
    feed.clock(simulated=1e9)
    feed.frame(UnitKind.RACK, 0, ts=1e9 + 3 * 86_400)
    assert feed.tally(REFUSED, "value") == 1
    feed.frame(UnitKind.RACK, 0, ts=1e9 + 3_600, seq=1)
    assert feed.tally(INGESTED, "rack") == 1


def test_each_unit_is_given_up_by_its_own_pace(feed: Feed) -> None:
    """A slow emulator, or one that says so, does not let the units of another look alive."""
    feed.status(emulator="slow", interval=1_000.0)
    for number in range(6):
        feed.frame(UnitKind.RACK, 0, ts=1.0 + number, seq=number)
        feed.wait(1.0)
    feed.frame(UnitKind.RACK, 1)
    feed.wait(6.0)
    assert feed.core.store.units[UnitKind.RACK].reporting.tolist() == [False, True, False]


def test_a_slower_pace_is_followed(feed: Feed) -> None:
    """A unit whose emulator begins anew with a longer interval is not given up between frames."""
    for number in range(10):
        feed.frame(UnitKind.RACK, 0, ts=1.0 + number, seq=number)
        feed.wait(1.0)
    feed.status(interval=60.0)
    for number in range(6):
        feed.frame(UnitKind.RACK, 0, ts=100.0 + 60.0 * number, seq=number)
        assert feed.core.store.units[UnitKind.RACK].reporting[0]
        for _ in range(6):
            feed.wait(10.0)
            assert feed.core.store.units[UnitKind.RACK].reporting[0]


def test_no_error_of_any_kind_leaves(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is counted and logged like any refusal, and the next message is taken."""
    feed.frame(UnitKind.RACK, 0)
    for error in (MemoryError(), RecursionError(), KeyError("x"), OverflowError()):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as broken:
            broken.setattr(Decoder, "decode", fail)
            broken.setattr(DetailControl, "handle", fail)
            feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
            feed.send("twin/v1/small/command/detail", b"{}")
    assert feed.tally(REFUSED, "unexpected") == 8
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
    assert feed.tally(INGESTED, "rack") == 2


def test_takes_over_the_faults_in_force(feed: Feed) -> None:
    """The list of faults replaces the one before it."""
    fault = ActiveFault(id="f1", fault="pump-failure", target="r0001/pump1", since=1.0, until=None)
    feed.send("twin/v1/small/faults", Faults(active=(fault,)).encode())
    assert [own["fault"] for own in feed.core.summary().faults] == ["pump-failure"]
    feed.send("twin/v1/small/faults", Faults(active=()).encode())
    assert feed.core.summary().faults == ()


def test_status_must_be_its_topics(feed: Feed) -> None:
    """An emulator cannot speak for another one."""
    payload = json.dumps({"emulator": "a", "state": "lost"}).encode()
    feed.send("twin/v1/small/status/b", payload)
    assert feed.tally(REFUSED, "foreign") == 1


def test_malformed_announcements_are_counted(feed: Feed) -> None:
    """Status and faults are validated like frames."""
    feed.send("twin/v1/small/status/a", b"{}")
    feed.send("twin/v1/small/faults", b"[]")
    assert feed.tally(REFUSED, "malformed") == 2


def test_elapsed_never_runs_backwards() -> None:
    """A wall clock that is set back neither freezes nor reverses the elapsed time."""
    elapsed = Elapsed()
    readings = [elapsed.read(now) for now in (100.0, 101.0, 50.0, 52.0)]
    assert readings == [0.0, 1.0, 1.0, 3.0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    topic=st.sampled_from(
        [RACK, "twin/v1/small/grid", "twin/v1/small/status/a", "twin/v1/small/faults"]
    ),
    payload=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    group=st.dictionaries(st.sampled_from(["gpu", "seq", "ts", "v"]), JSON),
)
def test_no_message_raises(
    feed: Feed, topic: str, payload: bytes, group: dict[str, object]
) -> None:
    """Whatever bytes come, handling ends, and the site can be exposed afterwards."""
    feed.send(topic, payload)
    frame = json.loads(feed.payload(UnitKind.RACK, 0)) | group
    feed.send(RACK, json.dumps(frame).encode())
    feed.lines()
    feed.lines(array=0)
