"""The live status of ``twin up``."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import pytest
from rich.console import Console

from twin.aggregator import Core, Summary
from twin.cli.status import LiveStatus
from twin.site import Layout, load_site


@dataclass
class Pacer:
    """Counts the late ticks."""

    late_ticks: int = 0


@dataclass
class Emulator:
    """Has a pacer."""

    pacer: Pacer


@dataclass
class Aggregator:
    """Has figures."""

    figures: Summary

    def summary(self) -> Summary:
        """Return the key figures."""
        return self.figures


@dataclass
class Stack:
    """Stands for a running twin."""

    aggregator: Aggregator
    emulator: Emulator


@pytest.fixture
def stack() -> Stack:
    """A demo that has run for a while, and is well."""
    nothing = Core(Layout(load_site("demo"))).summary()
    job = replace(nothing.jobs[0], state="training", steps=1234)
    figures = replace(
        nothing, broker_connected=True, racks_reporting=16, frames_ingested=100, series=97_272,
        it_power_watts=934_567.0, lag_seconds=0.042, simulated_time=1_700_000_000.0, jobs=(job,),
    )  # fmt: skip
    return Stack(Aggregator(figures), Emulator(Pacer()))


def shown(status: LiveStatus, now: float) -> str:
    """Return what a terminal would show."""
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(status.render(now))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return text


def status_of(stack: Any, length: float | None = None) -> LiveStatus:
    """Return the status of a stack."""
    return LiveStatus(stack, length)


def test_a_healthy_twin(stack: Stack) -> None:
    """Racks, frames, power, lag, late ticks, job, series and faults are all there."""
    status = status_of(stack)
    shown(status, 10.0)
    stack.aggregator.figures = replace(stack.aggregator.figures, frames_ingested=160)
    text = shown(status, 12.0)
    for words in ("● live", "2023-11-14 22:13:20 UTC", "16 of 16 report", "30/s", "934.57 kW",
                  "42 ms, 0 ticks late", "training, 1,234 steps", "97,272",
                  "faults   none"):  # fmt: skip
        assert words in text, words
    assert "lost" not in text


def test_a_twin_in_trouble(stack: Stack) -> None:
    """What is lost, late, stalled or broken is told, and of many faults how many more there are."""
    figures = stack.aggregator.figures
    faults = tuple(
        {"fault": "nic-down", "target": f"r000{rack}", "id": f"{rack}"} for rack in range(7)
    )
    stack.aggregator.figures = replace(
        figures, frames_lost=5, faults=faults, jobs=(replace(figures.jobs[0], state="stalled"),)
    )
    stack.emulator.pacer.late_ticks = 3
    text = shown(status_of(stack), 0.0)
    for words in ("5 lost", "3 ticks late", "stalled", "nic-down r0003 and 3 more"):
        assert words in text, words


def test_before_the_first_frame() -> None:
    """While nothing reports the status says what it waits for and has no numbers."""
    nothing = Core(Layout(load_site("demo"))).summary()
    text = shown(status_of(Stack(Aggregator(nothing), Emulator(Pacer()))), 0.0)
    assert "waiting for frames" in text
    assert "0 of 16 report" in text


def test_progress(stack: Stack) -> None:
    """With an end the bar says how far it is."""
    status = status_of(stack, 20.0)
    shown(status, 100.0)
    assert "12 of 20 s" in shown(status, 112.0)
    assert "20 of 20 s" in shown(status, 999.0)


def test_what_is_logged(stack: Stack) -> None:
    """Without a terminal the same figures go to the log as fields."""
    figures = status_of(stack).figures(0.0)
    assert figures["racks_reporting"] == 16
    assert figures["jobs"] == {"pretrain": "training"}
    assert figures["faults"] == []
