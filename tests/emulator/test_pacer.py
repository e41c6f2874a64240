"""Pacing, in virtual time."""

from __future__ import annotations

import pytest

from twin.emulator import Pacer


class Time:
    """A clock that moves only when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def time() -> Time:
    """A clock at 1000 s."""
    return Time()


def pacer(time: Time, interval: float = 1.0, speed: float = 1.0) -> Pacer:
    """Return a pacer on that clock."""
    return Pacer(interval, speed, clock=time.clock, sleep=time.sleep)


async def test_ticks_on_time(time: Time) -> None:
    """The first tick comes at once, the others one interval apart."""
    pace = pacer(time)
    begun = []
    for _ in range(4):
        assert await pace.tick() == 0.0
        begun.append(time.now)
    assert begun == [1000, 1001, 1002, 1003]
    assert pace.late_ticks == 0


async def test_speed(time: Time) -> None:
    """At 60 times real time a 2 s interval takes a thirtieth of a second."""
    pace = pacer(time, interval=2.0, speed=60.0)
    for _ in range(31):
        await pace.tick()
    assert time.now == pytest.approx(1001.0)


async def started(time: Time) -> Pacer:
    """Return a pacer whose first ticks, for which other rules hold, are over at 1003."""
    pace = pacer(time)
    while pace.starting:
        await pace.tick()
    return pace


async def test_lateness_does_not_add_up(time: Time) -> None:
    """A slow tick is reported late once; the schedule stays where it was."""
    pace = await started(time)
    time.now += 1.5
    assert await pace.tick() == pytest.approx(0.5)
    assert await pace.tick() == 0.0
    assert time.now == 1005.0
    assert pace.late_ticks == 1


async def test_small_jitter_is_not_late(time: Time) -> None:
    """A twentieth of the interval is not late."""
    pace = pacer(time)
    await pace.tick()
    time.now += 1.05
    await pace.tick()
    assert pace.late_ticks == 0


async def test_overload_leaves_no_tick_out(time: Time) -> None:
    """Ticks that each take too long are all done, and all late but the first."""
    pace = await started(time)
    ticks = pace.ticks
    for _ in range(5):
        await pace.tick()
        time.now += 1.5
    assert pace.ticks == ticks + 5
    assert pace.late_ticks == 4
    assert pace.restarts == 0


async def test_slow_first_ticks_are_no_debt(time: Time) -> None:
    """What is done once, with the first three ticks, moves the schedule and makes none late."""
    pace = pacer(time)
    await pace.tick()
    for overrun, in_all in ((29.0, 29.0), (0.5, 29.5), (0.05, 29.5)):
        time.now += 1.0 + overrun
        late = await pace.tick()
        assert (late > 0.0) is (overrun == 0.05)
        assert pace.slow_start == pytest.approx(in_all)
    assert (pace.late_ticks, pace.restarts) == (0, 0)
    time.now += 2.0
    assert await pace.tick() == pytest.approx(1.05)
    assert pace.slow_start == pytest.approx(29.5)
    assert pace.late_ticks == 1


async def test_schedule_begins_anew_after_a_long_pause(time: Time) -> None:
    """After a minute's suspension the schedule begins anew instead of racing after it."""
    pace = await started(time)
    time.now += 60.0
    await pace.tick()
    assert pace.restarts == 1
    before = time.now
    assert await pace.tick() == 0.0
    assert time.now == pytest.approx(before + 1.0)


async def test_spread(time: Time) -> None:
    """Within a tick, waiting is for a share of its own period, and never backwards."""
    pace = pacer(time, interval=10.0)
    await pace.tick()
    await pace.spread(0.25)
    assert time.now == pytest.approx(1002.5)
    await pace.spread(0.1)
    assert time.now == pytest.approx(1002.5)


async def test_idle_share(time: Time) -> None:
    """How much of a period was spent waiting tells how much room there is."""
    pace = pacer(time, interval=10.0)
    await pace.tick()
    time.now += 4.0
    await pace.spread(0.5)
    time.now += 2.0
    await pace.tick()
    assert pace.idle == pytest.approx(0.4)


async def test_what_is_left_of_a_tick(time: Time) -> None:
    """Until the next tick is due, and negative after it."""
    pace = pacer(time, interval=2.0)
    await pace.tick()
    time.now += 0.5
    assert (pace.left, pace.elapsed) == (1.5, 0.25)
    time.now += 2.0
    assert (pace.left, pace.elapsed) == (-0.5, 1.25)


async def test_retimed(time: Time) -> None:
    """A new interval holds from the present tick on, without the old one's lateness."""
    pace = await started(time)
    time.now += 1.75
    assert await pace.tick() == pytest.approx(0.75)
    pace.retime(2.0)
    assert await pace.tick() == 0.0
    assert time.now == pytest.approx(1006.75)
