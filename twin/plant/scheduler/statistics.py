"""Statistics of a scheduler since its start: what Slurm's ``sdiag`` says of its two loops.

A cycle goes through the queue by priority. Up to the first job that has to wait it is what
Slurm calls the main scheduler, behind it the backfill scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CycleStatistics", "SchedulerStatistics"]


@dataclass(slots=True)
class CycleStatistics:
    """Cycles of a loop.

    Attributes:
        cycles: how many there were.
        depth: jobs that they went through.
        tried: those of them whose placement was tried.
        last_depth: jobs of the last cycle.
        last_tried: those that it tried to place.
        most_depth: jobs of the longest cycle.
        queue: jobs that waited at the beginning of each, added up.
        last_queue: jobs that waited at the beginning of the last.
        last: time of the last one.
    """

    cycles: int = 0
    depth: int = 0
    tried: int = 0
    last_depth: int = 0
    last_tried: int = 0
    most_depth: int = 0
    queue: int = 0
    last_queue: int = 0
    last: float = 0.0

    def count(self, time: float, depth: int, tried: int, queue: int) -> None:
        """Count a cycle."""
        self.cycles += 1
        self.depth += depth
        self.tried += tried
        self.queue += queue
        self.last_depth, self.last_tried, self.last_queue = depth, tried, queue
        self.most_depth = max(self.most_depth, depth)
        self.last = time


@dataclass(slots=True)
class SchedulerStatistics:
    """What a scheduler has done.

    Attributes:
        submitted: jobs that came in.
        started: starts of jobs, one that was requeued counts again.
        completed: jobs that were done.
        failed: jobs that failed.
        cancelled: jobs that their user cancelled.
        backfilled: starts of jobs behind one that waited.
        main: cycles of the main loop.
        backfill: cycles of the other.
    """

    submitted: int = 0
    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    backfilled: int = 0
    main: CycleStatistics = field(default_factory=CycleStatistics)
    backfill: CycleStatistics = field(default_factory=CycleStatistics)
