"""Waiting of the engine's tests: a slow machine is not taken for a fault."""

from __future__ import annotations

import itertools
import os
import time

import pytest

from tests.compose import live_stack


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock be a second later than the last, and nobody sleep."""
    seconds = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def _waits(monkeypatch: pytest.MonkeyPatch, load: float, looks: int) -> float:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    left = iter(range(looks))
    return live_stack.eventually(lambda: next(left, None) is None, 10.0)


@pytest.mark.usefixtures("clock")
def test_a_busy_machine_is_given_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With four times as much to do as processors, four times the seconds are waited."""
    assert _waits(monkeypatch, 8.0, 35) > 30
    with pytest.raises(AssertionError, match="not within 10 s of a free machine, 40 s here"):
        _waits(monkeypatch, 8.0, 45)


@pytest.mark.usefixtures("clock")
def test_a_free_machine_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing else to do, what does not come in time is a fault."""
    with pytest.raises(AssertionError, match="not within 10 s of a free machine, 10 s here"):
        _waits(monkeypatch, 0.1, 35)
