"""What follows from the emulators' announcements."""

from __future__ import annotations

import pytest

from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.store import Missing
from twin.errors import FrameError
from twin.wire import EmulatorStatus


def _status(state: str = "online", name: str = "a", **fields: object) -> EmulatorStatus:
    return EmulatorStatus.model_validate({"emulator": name, "state": state, **fields})


@pytest.mark.parametrize(
    ("interval", "speed", "timeout"),
    [
        (1.0, 1.0, 5.0),
        (1.0, 60.0, 5.0),
        (10.0, 1.0, 35.0),
        (1.0, 0.1, 35.0),
        (1.0, 0.001, 3500.0),
        (3.6e5, 1.0, 3600.0),
    ],
)
def test_timeout_follows_the_pace(interval: float, speed: float, timeout: float) -> None:
    """Three and a half intervals of the wall clock, at least 5 s and at most an hour."""
    announced = EmulatorRegistry(1.0)
    announced.on_status(_status(interval=interval, speed=speed))
    assert announced.timeout == pytest.approx(timeout)


def test_timeout_before_any_status() -> None:
    """Until an emulator says otherwise, the site's own interval counts, in real time."""
    assert EmulatorRegistry(10.0).timeout == 35.0


def test_slowest_emulator_decides() -> None:
    """Nobody knows which units an emulator feeds, so the slowest one sets the timeout."""
    announced = EmulatorRegistry(1.0)
    announced.on_status(_status(name="slow", interval=10.0))
    announced.on_status(_status(name="fast", interval=1.0))
    assert announced.timeout == 35.0


@pytest.mark.parametrize(
    ("states", "loss"),
    [
        ([], None),
        (["online"], None),
        (["lost"], Missing.WILL),
        (["offline"], Missing.OFFLINE),
        (["offline", "online"], None),
        (["offline", "lost"], Missing.WILL),
    ],
)
def test_loss_needs_all_emulators_gone(states: list[str], loss: Missing | None) -> None:
    """One emulator online is enough not to speak of a loss."""
    announced = EmulatorRegistry(1.0)
    for number, state in enumerate(states):
        announced.on_status(_status(state, f"e{number}"))
    assert announced.loss == loss


def test_deleted_status_is_forgotten() -> None:
    """Who deletes a retained status takes the emulator off the list."""
    announced = EmulatorRegistry(1.0)
    announced.on_status(_status("lost"))
    announced.forget_status("a")
    assert announced.loss is None


def test_lag_at_any_speed() -> None:
    """Lag is told in wall time: at speed 60 a frame of simulated second 120 is due after 2 s."""
    announced = EmulatorRegistry(1.0)
    announced.on_status(_status(speed=60.0, clock={"simulated": 1_000.0, "wall": 500.0}))
    assert announced.lag(1_120.0, 502.25) == pytest.approx(0.25)


def test_lag_needs_a_clock() -> None:
    """Without a clock nobody can tell the lag."""
    assert EmulatorRegistry(1.0).lag(1.0, 1.0) is None


@pytest.mark.parametrize(("ts", "lag"), [(2_000.0, 0.0), (0.0, 86_400.0)])
def test_lag_of_a_wrong_clock_is_bounded(ts: float, lag: float) -> None:
    """A clock far ahead or far behind cannot spoil the histogram's sum."""
    announced = EmulatorRegistry(1.0)
    announced.on_status(_status(clock={"simulated": 1e9, "wall": 1_000.0}))
    assert announced.lag(1e9 - 1_000.0 + ts if ts else 0.0, 1_000.0) == lag


def test_number_of_emulators_is_bounded() -> None:
    """Names come from the network, so there is an end to them."""
    announced = EmulatorRegistry(1.0)
    for number in range(1_000):
        announced.on_status(_status(name=f"e{number}"))
    with pytest.raises(FrameError, match="1000 emulators already"):
        announced.on_status(_status(name="one-more"))
    announced.on_status(_status("lost", name="e0"))
