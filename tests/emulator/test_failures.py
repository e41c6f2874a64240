"""Natural failures in the emulator: they begin when they are due."""

from __future__ import annotations

import pytest

from twin.emulator import Emulator, EmulatorConfig
from twin.errors import ConfigError
from twin.site import Layout, load_site

LAYOUT = Layout(load_site("demo"))


def test_failures_begin_when_due() -> None:
    """None at the start; once time has passed they are in force, each at its own time."""
    config = EmulatorConfig(LAYOUT, failures="natural:10000", epoch=1e9)
    emulator = Emulator(config, wall=lambda: 1e9)
    assert not emulator.core._fail()
    emulator.core.plant.time = 300.0
    assert emulator.core._fail()
    active = emulator.core.faults.active
    assert active
    assert all(1e9 < strike.since <= 1e9 + 300 for strike in active)


def test_none_by_default() -> None:
    """Without the option nothing fails by itself."""
    emulator = Emulator(EmulatorConfig(LAYOUT), wall=lambda: 1e9)
    emulator.core.plant.time = 1e9
    assert not emulator.core._fail()


def test_unknown_failures_are_refused() -> None:
    """A misspelt kind is an error before anything runs."""
    with pytest.raises(ConfigError, match="natural:100"):
        Emulator(EmulatorConfig(LAYOUT, failures="nature"), wall=lambda: 1e9)
