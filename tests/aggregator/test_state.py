"""Units, emulators and faults as series."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from twin.catalog import UnitKind
from twin.faults import FaultSchedule
from twin.wire import ActiveFault, Faults

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

R0001 = 'site="small",hall="h1",array="a001",rack="r0001"'


def _series(feed: Feed, prefix: str) -> list[str]:
    return [line for line in feed.lines() if line.startswith(prefix)]


def _emulators(feed: Feed) -> list[str]:
    return [line for line in _series(feed, "twin_emulator") if "emulator=" in line]


def test_every_unit_says_whether_it_reports(feed: Feed) -> None:
    """A unit has a 0 or a 1 from the start, with its place."""
    feed.frame(UnitKind.RACK, 0)
    lines = _series(feed, "twin_unit_reporting{")
    assert f'twin_unit_reporting{{kind="rack",unit="r0001",{R0001}}} 1' in lines
    assert 'twin_unit_reporting{kind="megapack",unit="mp002",site="small"} 0' in lines
    assert len(lines) == sum(feed.layout.units(kind) for kind in UnitKind)


def test_missing_unit_says_why(feed: Feed) -> None:
    """The reason is a label, and the series goes when the unit is back."""
    feed.site()
    assert _series(feed, "twin_unit_missing") == []
    feed.wait(6.0)
    line = f'twin_unit_missing{{kind="rack",unit="r0001",reason="timeout",{R0001}}} 1'
    assert line in _series(feed, "twin_unit_missing")
    feed.site(ts=2.0, seq=2)
    assert _series(feed, "twin_unit_missing") == []


def test_time_of_the_last_frame_outlives_the_unit(feed: Feed) -> None:
    """When a unit was last heard is known only of those that were, and stays known."""
    feed.frame(UnitKind.RACK, 0, ts=1_700_000_000.25)
    feed.wait(6.0)
    assert _series(feed, "twin_unit_last_frame_timestamp_seconds") == [
        f'twin_unit_last_frame_timestamp_seconds{{kind="rack",unit="r0001",{R0001}}} 1700000000.25'
    ]


def test_simulated_time_is_the_newest_reported(feed: Feed) -> None:
    """It stands while a unit reports, and disappears with the last one."""
    feed.frame(UnitKind.RACK, 0, ts=20.0)
    feed.frame(UnitKind.GRID, 0, ts=19.0)
    assert _series(feed, "twin_simulation_time") == [
        'twin_simulation_time_seconds{site="small"} 20.0'
    ]
    feed.wait(6.0)
    assert _series(feed, "twin_simulation_time") == []


def test_emulator_that_is_online(feed: Feed) -> None:
    """What an emulator counts is exposed under its name."""
    feed.status(
        emulator="plant-0",
        ticks=10,
        late_ticks=2,
        restarts=1,
        frames=300,
        queued=7,
        unsent=4,
        overdue=5,
        blocked_seconds=1.25,
        interval=3.0,
        slowdown=1.5,
    )
    assert _emulators(feed) == [
        'twin_emulator_up{emulator="plant-0"} 1',
        'twin_emulator_ticks_total{emulator="plant-0"} 10',
        'twin_emulator_late_ticks_total{emulator="plant-0"} 2',
        'twin_emulator_clock_restarts_total{emulator="plant-0"} 1',
        'twin_emulator_frames_total{emulator="plant-0"} 300',
        'twin_emulator_frames_queued{emulator="plant-0"} 7',
        'twin_emulator_frames_unsent_total{emulator="plant-0",reason="disconnected"} 4',
        'twin_emulator_frames_unsent_total{emulator="plant-0",reason="overdue"} 5',
        'twin_emulator_blocked_seconds_total{emulator="plant-0"} 1.25',
        'twin_emulator_interval_seconds{emulator="plant-0"} 3.0',
        'twin_emulator_slowdown_ratio{emulator="plant-0"} 1.5',
    ]


def test_emulator_that_is_lost(feed: Feed) -> None:
    """A Last Will knows no counts, so they disappear instead of falling to zero."""
    feed.status(emulator="plant-0", ticks=10)
    feed.status("lost", emulator="plant-0")
    assert _emulators(feed) == ['twin_emulator_up{emulator="plant-0"} 0']


def test_a_part_of_a_site_in_shards_is_named(feed: Feed) -> None:
    """Alive or lost, an emulator's part is a label, since its name is anybody's choice."""
    feed.status(emulator="pod-1", shard="1/3")
    feed.status("lost", emulator="pod-f", shard="facility")
    assert _series(feed, "twin_emulator_up") == [
        'twin_emulator_up{emulator="pod-1",part="1/3"} 1',
        'twin_emulator_up{emulator="pod-f",part="facility"} 0',
    ]


def test_nothing_is_known_without_a_broker(feed: Feed) -> None:
    """Emulators and faults are not frozen at their last word when the broker goes."""
    feed.status()
    fault = ActiveFault(id="f1", fault="pump-failure", target="r0001/pump1", since=1.0, until=None)
    feed.send("twin/v1/small/faults", Faults(active=(fault,)).encode())
    feed.core.connected(connected=False)
    assert _emulators(feed) == []
    assert _series(feed, "twin_fault_active") == []
    assert _series(feed, "twin_broker_connected") == ["twin_broker_connected 0.0"]


def test_active_faults(feed: Feed) -> None:
    """Each fault in force is a series; one that is listed twice is still one."""
    fault = ActiveFault(id="f1", fault="pump-failure", target="r0001/pump1", since=1.0, until=2.0)
    feed.send("twin/v1/small/faults", Faults(active=(fault, fault)).encode())
    (series,) = _series(feed, "twin_fault_active")
    assert series.startswith('twin_fault_active{fault="pump-failure",target="r0001/pump1",id="f1",')


@pytest.mark.parametrize(
    ("fault", "target", "place"),
    [
        ("gpu-off-bus", "r0002/n1/gpu1", 'hall="h1",array="a001",rack="r0002",host="r0002-n1"'),
        ("server-down", "r0001/n2", 'hall="h1",array="a001",rack="r0001",host="r0001-n2"'),
        ("pump-failure", "r0002/pump1", 'hall="h1",array="a001",rack="r0002"'),
        ("leaf-down", "a001/leaf1", 'hall="h1",array="a001"'),
        ("megapack-trip", "mp001", ""),
        ("grid-outage", "grid", ""),
    ],
)
def test_a_fault_says_where_it_is(feed: Feed, fault: str, target: str, place: str) -> None:
    """A fault has the labels of its target's place, so that a chart can show those of its own."""
    told = ActiveFault(id="f1", fault=fault, target=target, since=1.0, until=None)
    feed.send("twin/v1/small/faults", Faults(active=(told,)).encode())
    (series,) = _series(feed, "twin_fault_active")
    assert series == f'twin_fault_active{{fault="{fault}",target="{target}",id="f1"' + (
        f",{place}}} 1" if place else "} 1"
    )


@pytest.mark.parametrize(
    ("fault", "target", "count", "reason"),
    [
        ("pump-failure", "r0004/pump1", 1, "foreign"),
        ("pump-failure", "r0001", 1, "foreign"),
        ("pump-failure", 'a"b', 1, "foreign"),
        ("earthquake", "r0001/pump1", 1, "foreign"),
        ("pump-failure", "r" * 65, 1, "malformed"),
        ("pump-failure", "r0001/pump1", FaultSchedule.MOST + 1, "malformed"),
    ],
)
def test_faults_that_do_not_fit_the_site(
    feed: Feed, fault: str, target: str, count: int, reason: str
) -> None:
    """A list with a fault or a place that the site has not, or of too many, changes nothing."""
    known = ActiveFault(id="f1", fault="pump-failure", target="r0001/pump1", since=1.0, until=2.0)
    feed.send("twin/v1/small/faults", Faults(active=(known,)).encode())
    before = _series(feed, "twin_fault_active")
    told = {"id": "f2", "fault": fault, "target": target, "since": 1.0, "until": None}
    payload = json.dumps({"v": 1, "active": [told] * count}).encode()
    feed.send("twin/v1/small/faults", payload)
    assert feed.tally("twin_messages_refused_total", reason) == 1
    assert _series(feed, "twin_fault_active") == before


@pytest.mark.parametrize(
    "fields",
    [
        {"ticks": 10**400}, {"frames": 2**53 + 2}, {"interval": 1e6}, {"interval": 0},
        {"speed": 1e-300}, {"blocked_seconds": 1e300}, {"slowdown": 1e300},
        {"clock": {"simulated": 1e11, "wall": 1.0}}, {"clock": {"simulated": 1.0, "wall": 1e12}},
    ],
)  # fmt: skip
def test_absurd_statuses_are_refused(feed: Feed, fields: dict[str, object]) -> None:
    """A status out of all bounds does not break the scrape, and not the timeout of any unit."""
    feed.site()
    status = {"v": 1, "emulator": "e", "state": "online", **fields}
    feed.send("twin/v1/small/status/e", json.dumps(status).encode())
    assert feed.tally("twin_messages_refused_total", "malformed") == 1
    assert _emulators(feed) == []
    feed.wait(6.0)
    assert not any(units.reporting.any() for units in feed.core.store.units.values())
