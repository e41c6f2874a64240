"""Slowing down: only when told to, as far as needed, and back again."""

from __future__ import annotations

import pytest

from twin.emulator import Emulator, EmulatorConfig
from twin.emulator.slowdown import SlowDown
from twin.site import Layout, load_site
from twin.wire import EmulatorStatus, decode_message

LAYOUT = Layout(load_site("colossus-array"))


def emulator(*, slow_down: bool) -> Emulator:
    """Return an emulator on a clock that stands."""
    made = Emulator(EmulatorConfig(LAYOUT, epoch=1e9, slow_down=slow_down), wall=lambda: 2e9)
    made.pacer.clock = lambda: 100.0
    return made


def test_a_late_tick_changes_nothing() -> None:
    """Two late ticks in a row are the machine's business; the third is overload."""
    slow = SlowDown()
    assert not any(slow.judge(late, 0.0) for late in (True, True, False, True, True))
    assert slow.judge(late=True, idle=0.0)
    assert slow.factor == 1.5


def test_it_goes_on_until_the_interval_can_be_kept() -> None:
    """It grows while ticks are late, up to a hundred times what was set."""
    slow = SlowDown()
    for _ in range(60):
        slow.judge(late=True, idle=0.0)
    assert slow.factor == 100.0


def test_it_comes_back_when_there_is_time_to_spare() -> None:
    """Half a minute of ticks at ease shorten the interval, never below what was set."""
    slow = SlowDown(factor=1.5)
    assert [slow.judge(late=False, idle=0.6) for _ in range(31)] == [False] * 29 + [True, False]
    assert slow.factor == 1.0
    assert not any(slow.judge(late=False, idle=0.9) for _ in range(100))
    assert slow.factor == 1.0


def test_it_stays_where_the_next_shorter_interval_would_be_too_short() -> None:
    """With less than half of the period to spare it does not swing."""
    slow = SlowDown(factor=1.5)
    assert not any(slow.judge(late=False, idle=0.45) for _ in range(200))


def test_emulator_takes_a_longer_interval_and_tells() -> None:
    """The plant steps by it, the status has it, and the clock maps the next frame to now."""
    slow = emulator(slow_down=True)
    slow.pacer.ticks = 7
    for _ in range(3):
        slow._adapt(late=0.5)
    status = decode_message(EmulatorStatus, slow._status("online").payload)
    assert (status.interval, status.slowdown) == (1.5, 1.5)
    assert slow.pacer.left == pytest.approx(1.5)
    assert status.clock is not None
    assert (status.clock.simulated, status.clock.wall) == (slow.core.now + 1.5, 2e9)


def test_emulator_keeps_its_interval_unless_told() -> None:
    """However late it is, by default lateness is counted and the interval stays."""
    kept = emulator(slow_down=False)
    for _ in range(50):
        kept._adapt(late=5.0)
    status = decode_message(EmulatorStatus, kept._status("online").payload)
    assert (status.interval, status.slowdown) == (1.0, 1.0)
