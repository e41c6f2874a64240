"""A unit that falls silent disappears, and it is known why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin.aggregator import Missing
from twin.catalog import GPU, UnitKind

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed


def _why(feed: Feed, kind: UnitKind = UnitKind.RACK) -> dict[int, Missing]:
    return dict(feed.core.store.units[kind].missing())


def test_nothing_is_known_at_first(feed: Feed) -> None:
    """Before the first frame every value is missing and no unit was ever seen."""
    assert set(_why(feed).values()) == {Missing.NEVER_SEEN}
    assert np.isnan(feed.core.store.values["gpu"]).all()


def test_reporting_unit_is_not_missing(feed: Feed) -> None:
    """A frame makes its unit report, and no other one."""
    feed.frame(UnitKind.RACK, 1)
    assert set(_why(feed)) == {0, 2}


def test_silent_unit_expires_alone(feed: Feed) -> None:
    """After five silent seconds the rows of a unit are blank, those of others are not."""
    feed.site()
    feed.wait(3.0)
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
    feed.wait(3.0)
    assert _why(feed) == {1: Missing.TIMEOUT, 2: Missing.TIMEOUT}
    temperatures = feed.core.store.column(GPU, "gpu_temp")
    assert np.isfinite(temperatures[0]).all()
    assert np.isnan(temperatures[1:]).all()


def test_silence_below_the_timeout_is_nothing(feed: Feed) -> None:
    """Three lost frames do not make a unit disappear."""
    feed.site()
    feed.wait(4.9)
    assert _why(feed) == {}


def test_slow_emulators_have_more_time(feed: Feed) -> None:
    """The timeout follows the interval and the speed that emulators announce."""
    feed.status(interval=10.0, speed=0.5)
    feed.site()
    feed.wait(69.0)
    assert _why(feed) == {}
    feed.wait(2.0)
    assert set(_why(feed).values()) == {Missing.TIMEOUT}


def test_unit_that_sends_rubbish_says_so(feed: Feed) -> None:
    """A unit whose frames cannot be decoded is missing for that reason, while it sends."""
    feed.site()
    for _ in range(8):
        feed.wait(1.0)
        feed.send(feed.topic(UnitKind.RACK, 0), b"{")
    assert _why(feed)[0] is Missing.DECODE_ERROR
    assert _why(feed)[1] is Missing.TIMEOUT
    feed.wait(6.0)
    assert _why(feed)[0] is Missing.TIMEOUT


def test_unit_that_only_ever_sent_rubbish(feed: Feed) -> None:
    """A decode error tells more than that the unit was never seen."""
    feed.send(feed.topic(UnitKind.RACK, 0), b"{")
    feed.wait(1.0)
    assert _why(feed)[0] is Missing.DECODE_ERROR
    assert _why(feed)[1] is Missing.NEVER_SEEN


@pytest.mark.parametrize(
    ("state", "reason"), [("lost", Missing.WILL), ("offline", Missing.OFFLINE)]
)
def test_end_of_the_emulator_ends_all_units_at_once(
    feed: Feed, state: str, reason: Missing
) -> None:
    """No timeout passes before the units of a gone emulator disappear."""
    feed.status()
    feed.site()
    feed.status(state)
    for kind in UnitKind:
        assert set(_why(feed, kind).values()) == {reason}
    assert all(np.isnan(values).all() for values in feed.core.store.values.values())
    feed.wait(60.0)
    assert set(_why(feed).values()) == {reason}


def test_one_of_two_emulators_gone(feed: Feed) -> None:
    """While another emulator is online, units are left to the timeout."""
    feed.status(emulator="a")
    feed.status(emulator="b")
    feed.site()
    feed.status("lost", emulator="a")
    assert _why(feed) == {}
    feed.status("offline", emulator="b")
    assert set(_why(feed).values()) == {Missing.WILL}


def test_returning_emulator_is_waited_for(feed: Feed) -> None:
    """Once an emulator is back, a unit that stays silent is missing by itself."""
    feed.status()
    feed.site()
    feed.status("lost")
    feed.status("online")
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
    feed.wait(1.0)
    assert _why(feed) == {1: Missing.TIMEOUT, 2: Missing.TIMEOUT}


@pytest.mark.parametrize("state", ["online", "lost"])
def test_lost_broker_is_a_timeout(feed: Feed, state: str) -> None:
    """Without a broker nobody knows of emulators, so silence is what is left to say."""
    feed.core.connected(connected=True)
    feed.site()
    feed.status(state)
    feed.core.connected(connected=False)
    feed.wait(6.0)
    assert set(_why(feed).values()) == {Missing.TIMEOUT}


def test_device_that_does_not_report(feed: Feed) -> None:
    """A null column element is missing in the store, its neighbours are not."""
    feed.outputs["gpu"]["gpu_temp"][0, 1] = np.nan
    feed.frame(UnitKind.RACK, 0)
    temperatures = feed.core.store.column(GPU, "gpu_temp")[0]
    assert np.isnan(temperatures).tolist() == [False, True, False, False]


def test_version_rises_with_every_change(feed: Feed) -> None:
    """Whoever caches by the version notices frames and expiry, and nothing else."""
    store = feed.core.store
    feed.frame(UnitKind.RACK, 0)
    after_frame = store.version
    feed.wait(1.0)
    assert store.version == after_frame
    feed.wait(6.0)
    assert store.version > after_frame
