"""Which site is run end to end, and what a result says."""

from __future__ import annotations

import pytest

from twin.bench.suite import FULL, QUICK, affordable


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
