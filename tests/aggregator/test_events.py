"""What happens, noticed by comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.aggregator import Core
from twin.aggregator.events import MOST_EVENTS, EventLog
from twin.catalog import JOB_STATES, UnitKind
from twin.site import Layout, parse_site
from twin.wire import ActiveFault, Faults, Topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.aggregator.conftest import Feed
    from twin.wire import Outputs


def apply(feed: Feed, *faults: tuple[str, str, str]) -> None:
    """Publish the list of faults in force: identifier, kind, target."""
    active = tuple(
        ActiveFault(id=key, fault=kind, target=target, since=1.0, until=61.0)
        for key, kind, target in faults
    )
    feed.send(Topics(feed.layout.site.name).faults, Faults(active=active).encode(), retain=True)


def job(feed: Feed, state: str, seq: int) -> None:
    """Publish a frame of a job that is in a state."""
    code = next(code for code, name in JOB_STATES.items() if name == state)
    feed.outputs["job"]["state"][:] = code
    feed.frame(UnitKind.JOB, 0, ts=float(seq), seq=seq)


@pytest.fixture
def watch(feed: Feed) -> EventLog:
    """What watches the fed core, connected."""
    feed.core.connected(True)
    watch = feed.core.live.watch
    watch.look(connected=True, ts=1.0)
    return watch


def texts(watch: EventLog, since: int = 0) -> list[str]:
    """Return the events as sentences, without that of the connection."""
    return [event.text for event in watch.since(since) if event.kind != "broker"]


def test_faults_come_and_go(feed: Feed, watch: EventLog) -> None:
    """A fault is told when it strikes, with target and length, and when it is over."""
    apply(feed, ("1", "pump-failure", "r0001/pump1"))
    watch.look(connected=True, ts=2.0)
    watch.look(connected=True, ts=3.0)
    apply(feed)
    watch.look(connected=True, ts=4.0)
    events = [event for event in watch.since(0) if event.kind == "fault"]
    assert [(event.ts, event.level, event.text, event.target) for event in events] == [
        (2.0, "warning", "pump-failure is applied to r0001/pump1 for 60 s.", "r0001/pump1"),
        (4.0, "good", "pump-failure on r0001/pump1 is over.", "r0001/pump1"),
    ]


def test_a_reconnect_ends_no_fault(feed: Feed, watch: EventLog) -> None:
    """While the broker is away nobody knows the faults, and its return repeats none."""
    apply(feed, ("1", "pump-failure", "r0001/pump1"))
    watch.look(connected=True, ts=2.0)
    before = watch.last
    feed.core.connected(False)
    watch.look(connected=False, ts=3.0)
    feed.core.connected(True)
    watch.look(connected=True, ts=4.0)
    apply(feed, ("1", "pump-failure", "r0001/pump1"))
    watch.look(connected=True, ts=5.0)
    assert [event.text for event in watch.since(before)] == [
        "The connection to the broker is lost.",
        "The broker is connected.",
    ]


def test_job_states(feed: Feed, watch: EventLog) -> None:
    """Every change of a job's state is told once."""
    for seq, state in enumerate(("training", "training", "crashed", "training")):
        job(feed, state, seq)
        watch.look(connected=True, ts=float(seq))
    assert texts(watch) == [f"Job pretrain: {s}." for s in ("training", "crashed", "training")]


def test_units_lost_and_back(feed: Feed, watch: EventLog) -> None:
    """Racks that fall silent are told with the reason, and again when they are back."""
    feed.site()
    watch.look(connected=True, ts=1.0)
    assert "All 3 racks report." in texts(watch)
    before = watch.last
    feed.wait(10.0)
    for _ in range(10):
        watch.look(connected=True, ts=None)
    feed.frame(UnitKind.RACK, 1, ts=2.0, seq=2)
    for _ in range(10):
        watch.look(connected=True, ts=2.0)
    racks = [text for text in texts(watch, before) if text.startswith("Rack")]
    assert racks == [
        "Racks r0001, r0002, r0003 are lost: silent for too long.",
        "Rack r0002 is back.",
    ]


def test_a_single_rack_is_no_plural(
    new_feed: type[Feed], outputs: Callable[[Layout], Outputs]
) -> None:
    """A site of one rack says that the rack reports."""
    layout = Layout(parse_site("{name: small, racks: 1, servers_per_rack: 2}", "small"))
    feed = new_feed(Core(layout), outputs(layout))
    feed.core.connected(True)
    feed.site()
    feed.core.live.watch.look(connected=True, ts=1.0)
    assert "The rack reports." in texts(feed.core.live.watch)


def test_a_wave_is_one_event(feed: Feed, watch: EventLog) -> None:
    """Units that are lost one after the other within seconds make two events, not many."""
    for rack in range(3):
        feed.frame(UnitKind.RACK, rack)
    watch.look(connected=True, ts=1.0)
    for _ in range(10):
        watch.look(connected=True, ts=1.0)
    before = watch.last
    for rack in range(3):
        feed.core.store.units[UnitKind.RACK].reporting[rack] = False
        watch.look(connected=True, ts=1.0)
    for _ in range(10):
        watch.look(connected=True, ts=1.0)
    assert len(texts(watch, before)) == 2


def test_emulators(feed: Feed, watch: EventLog) -> None:
    """An emulator's coming, its orderly end and its loss are told apart."""
    for state in ("online", "online", "offline", "online", "lost"):
        feed.status(state)
        watch.look(connected=True, ts=1.0)
    words = ("is online", "has ended", "is online", "is lost")
    assert texts(watch) == [f"Emulator emulator {word}." for word in words]


def test_few_are_kept(feed: Feed, watch: EventLog) -> None:
    """Old events are forgotten, and numbers go on."""
    for seq in range(2 * MOST_EVENTS):
        job(feed, "training" if seq % 2 else "stalled", seq)
        watch.look(connected=True, ts=float(seq))
    kept = watch.since(0)
    assert len(kept) == MOST_EVENTS
    assert [event.id for event in kept] == list(range(watch.last - MOST_EVENTS + 1, watch.last + 1))
    assert watch.since(watch.last) == []
