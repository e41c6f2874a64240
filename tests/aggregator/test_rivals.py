"""Two emulators of one part of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from twin.catalog import UnitKind

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

Said = tuple[str, str, str | None]
"""Name, process, shard."""
A, B, C = "aa", "bb", "cc"


def rivals(feed: Feed) -> float:
    """Return what is exposed of rivals."""
    (line,) = [line for line in feed.lines() if line.startswith("twin_emulator_rivals")]
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ([("plant-0", A, None)] * 5, 0),
        ([("plant-0", A, None)] * 3 + [("plant-0", B, None)] * 3, 0),
        ([("plant-0", A, None), ("plant-0", B, None), ("plant-0", C, None)], 0),
        ([("plant-0", A, None), ("plant-0", B, None), ("plant-0", A, None)], 1),
        ([("plant-0", A, None), ("other", B, None)], 2),
        ([("shard-0", A, "0/2"), ("shard-1", B, "1/2"), ("facility", C, "facility")] * 2, 0),
        ([("shard-0", A, "0/2"), ("shard-1", B, "0/3")] * 2, 0),
        ([("shard-0", A, "0/2"), ("other", B, "0/2"), ("shard-1", C, "1/2")], 2),
        ([("plant-0", A, None), ("shard-1", C, "1/2")], 2),
        ([("one", A, "facility"), ("two", B, "facility")], 2),
    ],
    ids=[
        "one", "restarted", "restarted twice", "same name", "two names", "shards",
        "another division comes", "same shard", "whole and shard", "two facilities",
    ],
)  # fmt: skip
def test_who_is_a_rival(feed: Feed, said: list[Said], count: int) -> None:
    """A restart, shards and their new division are none; the same part twice is one."""
    for name, instance, shard in said:
        feed.status(emulator=name, instance=instance, shard=shard)
        feed.wait(1.0)
    assert rivals(feed) == count


def test_said_once_and_over_when_one_is_gone(feed: Feed) -> None:
    """One line in the log, however long it lasts; a minute after the second's end all is well."""
    with capture_logs() as logs:
        for _ in range(20):
            feed.status(emulator="plant-0", instance=A)
            feed.wait(1.0)
            feed.status(emulator="plant-0", instance=B)
            feed.wait(1.0)
        assert rivals(feed) == 1
        for _ in range(62):
            feed.status(emulator="plant-0", instance=B)
            feed.wait(1.0)
    assert rivals(feed) == 0
    (line,) = logs
    assert line["emulators"] == "plant-0"
    assert "stop all but one" in line["event"]


def test_one_that_was_retained_is_none(feed: Feed) -> None:
    """What the broker kept of an emulator that is long gone makes it nobody's rival."""
    payload = b'{"v":1,"emulator":"gone","state":"online","instance":"aa"}'
    feed.send("twin/v1/small/status/gone", payload, retain=True)
    feed.status(emulator="plant-0", instance=B)
    feed.wait(1.0)
    assert rivals(feed) == 0


def test_their_frames_are_not_lost_ones(feed: Feed) -> None:
    """Two running numbers that alternate are no frames lost and no restarts."""
    feed.status(emulator="plant-0", instance=A)
    feed.status(emulator="other", instance=B)
    feed.wait(0.5)
    for number in range(5):
        feed.frame(UnitKind.RACK, 0, ts=10.0 + number, seq=5_000 + number)
        feed.frame(UnitKind.RACK, 0, ts=10.5 + number, seq=number)
    assert feed.tally("twin_frames_lost_total", "rack") == 0
    assert feed.tally("twin_unit_restarts_total", "rack") == 0
