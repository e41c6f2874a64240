"""Clock of the benchmarks: CPU time of one thread, which other work hardly changes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Budget", "median_seconds"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How long something is measured.

    Attributes:
        seconds: CPU time after which no other round begins.
        rounds: rounds that there are at least.
    """

    seconds: float
    rounds: int = 3


def median_seconds(run: Callable[[], object], budget: Budget) -> float:
    """Return the median CPU time of ``run`` in seconds.

    Args:
        run: what is measured; its first round, which fills caches, does not count.
        budget: how often it is run.
    """
    run()
    rounds: list[float] = []
    began = time.thread_time()
    while len(rounds) < budget.rounds or time.thread_time() - began < budget.seconds:
        started = time.thread_time()
        run()
        rounds.append(time.thread_time() - started)
    return statistics.median(rounds)
