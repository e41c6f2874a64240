"""Which site is run end to end, and what a result says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from twin.bench import suite
from twin.bench.broker import BrokerKind
from twin.bench.suite import FULL, QUICK, affordable
from twin.site import Site


@pytest.mark.parametrize(
    ("rack_seconds", "processors", "expected"),
    [(5e-4, 2, 100_032), (5e-4, 1, 9_984), (1e-2, 2, 1_024), (10.0, 1, 1_024)],
)
def test_the_run_is_held_with_ease(rack_seconds: float, processors: int, expected: int) -> None:
    """A slow machine runs a smaller site, and the smallest in any case."""
    assert affordable(FULL.gpus, rack_seconds, processors) == expected


def test_quick_is_the_same_but_less() -> None:
    """Quick measures nothing that the full run does not."""
    assert set(QUICK.gpus) < set(FULL.gpus)
    assert QUICK.budget.seconds < FULL.budget.seconds
    assert QUICK.seconds < FULL.seconds


@pytest.mark.parametrize(
    ("holds", "runs", "held"),
    [(100_032, [100_032], True), (9_984, [100_032, 9_984], True),
     (0, [100_032, 9_984, 1_024], False)],
)  # fmt: skip
def test_a_run_that_is_lost_is_repeated_smaller(
    monkeypatch: pytest.MonkeyPatch, holds: int, runs: list[int], held: bool
) -> None:
    """What a busy machine loses is no measure of it; the smallest run stands as it was."""
    tried: list[int] = []

    @dataclass(frozen=True)
    class Report:
        gpus: int
        held: bool

    def run_scaled(site: Site, *_: object) -> Report:
        tried.append(site.gpus)
        return Report(site.gpus, site.gpus <= holds)

    monkeypatch.setattr(suite, "run_scaled", run_scaled)
    report = suite._end_to_end(list(FULL.gpus), BrokerKind.MOSQUITTO, FULL)
    assert tried == runs
    assert (report.gpus, report.held) == (runs[-1], held)
