"""Table of a scheduler's jobs: one row a job, one array a column."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = ["ENDED", "HOLDING", "BatchState", "JobTable", "WaitReason"]


class BatchState(IntEnum):
    """States of a scheduled job."""

    FREE = 0
    """No job has the row."""
    PENDING = 1
    STARTING = 2
    """It has its GPUs and runs no kernel yet."""
    RUNNING = 3
    STALLED = 4
    """A device of its own is lost; the other ranks wait in a collective."""
    BACKOFF = 5
    """Its container crashed and is started again after a while; it keeps its GPUs."""
    COMPLETED = 6
    FAILED = 7
    CANCELLED = 8
    """Its user ended it."""


HOLDING = (BatchState.STARTING, BatchState.RUNNING, BatchState.STALLED, BatchState.BACKOFF)
"""States in which a job has GPUs."""
ENDED = (BatchState.COMPLETED, BatchState.FAILED, BatchState.CANCELLED)


class WaitReason(IntEnum):
    """Why a job waits, or why it was put back into the queue."""

    NONE = 0
    RESOURCES = 1
    """It is the first that does not fit."""
    PRIORITY = 2
    """Others are before it."""
    HELD = 3
    """It was just put back, and may not start yet."""
    NODE_FAIL = 4
    PREEMPTED = 5
    CRASHED = 6
    LIMIT = 7
    """Its kind has as many GPUs as it may."""


class JobTable:
    """The jobs that wait, run, or ended a short while ago; times in s since the plant's start.

    Args:
        rows: most jobs at a time.

    Attributes:
        number: of the job, rising with each submission; stays its own when it is requeued.
        kind: its row in the mix.
        user: its user's place in the kind's users.
        gpus: that it asks for.
        state: a :class:`BatchState`.
        reason: why it waits, a :class:`WaitReason`.
        cause: why it was requeued last.
        priority: the higher is placed first.
        submit: time of its submission.
        made: time of its submission or of its last requeue, when its pods were made.
        start: time of its last allocation, NaN before.
        began: time at which its processes began last, NaN before.
        crashed: time of the last crash of its container since the last allocation, NaN for none.
        end: time of its end, NaN before.
        until: end of the start-up, of the hold or of the back-off.
        work: seconds that it has to compute.
        done: seconds computed.
        fails: seconds computed at which it ends before its work is done, infinite for never.
        ending: the :class:`BatchState` in which it then ends.
        startup: seconds from its allocation to its first kernel.
        limit: time limit in s that its user asked for.
        restarts: times it was requeued.
        crashes: times its container crashed since the last allocation.
        level: its GPUs' activity over that of its kind.
        phase: place in the present step.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.number: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.kind: NDArray[np.int16] = np.zeros(rows, np.int16)
        self.user: NDArray[np.int16] = np.zeros(rows, np.int16)
        self.gpus: NDArray[np.int32] = np.zeros(rows, np.int32)
        self.state: NDArray[np.int8] = np.zeros(rows, np.int8)
        self.reason: NDArray[np.int8] = np.zeros(rows, np.int8)
        self.cause: NDArray[np.int8] = np.zeros(rows, np.int8)
        self.priority: NDArray[np.int16] = np.zeros(rows, np.int16)
        self.restarts: NDArray[np.int16] = np.zeros(rows, np.int16)
        self.crashes: NDArray[np.int16] = np.zeros(rows, np.int16)
        self.submit: Floats = np.zeros(rows)
        self.made: Floats = np.zeros(rows)
        self.start: Floats = np.full(rows, np.nan)
        self.began: Floats = np.full(rows, np.nan)
        self.crashed: Floats = np.full(rows, np.nan)
        self.end: Floats = np.full(rows, np.nan)
        self.until: Floats = np.zeros(rows)
        self.work: Floats = np.zeros(rows)
        self.done: Floats = np.zeros(rows)
        self.fails: Floats = np.full(rows, np.inf)
        self.ending: NDArray[np.int8] = np.full(rows, BatchState.FAILED, np.int8)
        self.startup: Floats = np.zeros(rows)
        self.limit: Floats = np.zeros(rows)
        self.level: Floats = np.ones(rows)
        self.phase: Floats = np.zeros(rows)

    def free_row(self) -> int | None:
        """Return a row without a job, None where the table is full."""
        row = int(np.argmin(self.state))
        return row if self.state[row] == BatchState.FREE else None

    def take(self, row: int, other: JobTable, its: int) -> None:
        """Move a job of another table into a row of this one."""
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray):
                column[row] = getattr(other, name)[its]
        other.state[its] = BatchState.FREE

    def among(self, *states: BatchState) -> NDArray[np.bool_]:
        """Return which rows are in one of these states."""
        found: NDArray[np.bool_] = self.state == states[0]
        for state in states[1:]:
            found |= self.state == state
        return found

    def rows_of(self, *states: BatchState) -> list[int]:
        """Return the rows in one of these states, by the number of their jobs."""
        rows = np.nonzero(self.among(*states))[0]
        ordered: list[int] = rows[np.argsort(self.number[rows])].tolist()
        return ordered
