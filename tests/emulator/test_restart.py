"""What an emulator takes up of the one before it, and how it follows a clock that is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.catalog import GPU
from twin.emulator import Emulator, EmulatorConfig
from twin.site import Layout, load_site

LAYOUT = Layout(load_site("colossus-array"))
ENERGY = GPU["energy"]
BEGAN = 1_800_000_000.0


class Wall:
    """A wall clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> float:
        """Return its reading."""
        return self.now


@pytest.fixture
def wall() -> Wall:
    """A wall clock."""
    return Wall()


def emulator(folder: Path, wall: Wall, speed: float = 1.0) -> Emulator:
    """Return an emulator whose state is in ``folder``."""
    return Emulator(EmulatorConfig(LAYOUT, state=folder, speed=speed), wall)


def energy(emulator: Emulator) -> float:
    """Return the energy that the first GPU has counted, in the counter's unit."""
    return float(emulator.core.plant.outputs()["gpu"][ENERGY.name][0, 0])


async def live(emulator: Emulator, seconds: int) -> None:
    """Let the plant live without waiting for it."""
    for _ in range(seconds):
        emulator.core.step(1.0)


@pytest.mark.parametrize(("told", "down"), [(7, 0.5), (29, 3.0), (0, 0.0), (30, 20.0)])
async def test_counters_never_fall_after_a_kill(
    tmp_path: Path, wall: Wall, told: int, down: float
) -> None:
    """Killed between two states, an emulator resumes no counter below what it had told."""
    first = emulator(tmp_path, wall)
    await live(first, 20)
    await first._save()
    await live(first, told)
    wall.now += told + down
    second = emulator(tmp_path, wall)
    assert energy(second) >= energy(first)
    assert second.core.plant.time - first.core.plant.time <= down + 1.0
    assert second.core.now == pytest.approx(wall.now, abs=1.0)


async def test_what_ended_in_order_goes_on_where_it_was(tmp_path: Path, wall: Wall) -> None:
    """After an orderly end the pause is left out, however short or long it was."""
    first = emulator(tmp_path, wall)
    await live(first, 20)
    await first._save(ended=True)
    wall.now += 40.0
    second = emulator(tmp_path, wall)
    assert energy(second) == energy(first)
    assert second.core.now == pytest.approx(wall.now - 1.0, abs=0.01)


@pytest.mark.parametrize("interval", [1.0, 10.0])
async def test_the_first_frame_describes_the_present(wall: Wall, interval: float) -> None:
    """A frame bears the end of its interval, which is never ahead of the clock."""
    begun = Emulator(EmulatorConfig(LAYOUT, interval=interval), wall)
    await live(begun, round(interval))
    assert begun.core.now == pytest.approx(wall.now, abs=0.01)


@pytest.mark.parametrize("gone", [-3600.0, 86_400.0])
async def test_a_clock_that_was_set_meanwhile(tmp_path: Path, wall: Wall, gone: float) -> None:
    """A clock that was set while nobody ran costs a minute of work at most, and no crash."""
    first = emulator(tmp_path, wall)
    await live(first, 20)
    await first._save()
    wall.now += gone
    second = emulator(tmp_path, wall)
    assert 20.0 <= second.core.plant.time <= 80.0


@pytest.mark.parametrize(("set_by", "told"), [(3600.0, 3600.0), (-5.0, -5.0), (0.1, 0.0)])
def test_a_clock_that_is_set_is_told(
    tmp_path: Path, wall: Wall, set_by: float, told: float
) -> None:
    """Frames are mapped to the new time of the wall clock, or every lag would be off by it."""
    running = emulator(tmp_path, wall)
    before = running._clock
    wall.now += set_by
    running._follow_wall()
    assert running._clock.wall - before.wall == pytest.approx(told, abs=0.05)
    assert running._clock.simulated == before.simulated
