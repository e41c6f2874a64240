"""Arrivals: the jobs that users submit, drawn from the site's mix."""

from __future__ import annotations

from math import log

import numpy as np

from twin.parameters import JobMixParameters
from twin.plant.scheduler.table import BatchState, JobTable
from twin.plant.units import Floats

__all__ = ["Arrivals"]

_FIRST_NUMBER = 1000
_LIMIT_RATIO, _LIMIT_SECONDS = 1.5, 600.0
"""The time limit over the time that a job takes, and what is added, est.: users ask for more."""
_LEVEL_SPREAD = 0.06
"""Spread of the activity of jobs of one kind, est."""
_LEAST_SECONDS = 20.0


class Arrivals:
    """Submits jobs at random times.

    Args:
        mix: kinds of jobs.
        gpus: that the scheduler has.
        per_server: GPUs a server; jobs that need more than one server get whole ones.
        load: GPU time submitted over GPU time that there is.
        rng: source of all randomness.

    Attributes:
        next: time of the next submission.
        submitted: jobs submitted so far.
    """

    def __init__(
        self,
        mix: tuple[JobMixParameters, ...],
        gpus: int,
        per_server: int,
        load: float,
        rng: np.random.Generator,
    ) -> None:
        self._mix = mix
        self._per_server = per_server
        self._rng = rng
        self._sizes = [tuple(size for size in kind.gpus if size <= gpus) for kind in mix]
        shares = np.array(
            [kind.share if sizes else 0.0 for kind, sizes in zip(mix, self._sizes, strict=True)]
        )
        self._shares: Floats = shares / shares.sum()
        each = np.array([kind.mean_seconds for kind in mix])
        size = np.array([self._mean_size(sizes) for sizes in self._sizes])
        self._running: Floats = self._shares * each
        self._running = self._running / self._running.sum()
        self._mean = float((self._shares * size * each).sum()) / (load * gpus)
        self.next = 0.0
        self.submitted = 0

    def _mean_size(self, sizes: tuple[int, ...]) -> float:
        return float(np.mean([self._whole(size) for size in sizes])) if sizes else 0.0

    def _whole(self, gpus: int) -> int:
        """Return the GPUs that a job gets when it asks for so many."""
        per_server = self._per_server
        return gpus if gpus <= per_server else -(-gpus // per_server) * per_server

    def due(self, time: float) -> bool:
        """Whether a job is submitted by this time; the next one is drawn then."""
        if time < self.next:
            return False
        self.next += float(self._rng.exponential(self._mean))
        return True

    def submit(self, table: JobTable, time: float) -> int | None:
        """Submit a job and return its row, None where the table is full."""
        kind = int(self._rng.choice(len(self._mix), p=self._shares))
        seconds = float(self._rng.lognormal(log(self._mix[kind].seconds), self._mix[kind].spread))
        return self._enter(table, kind, max(_LEAST_SECONDS, seconds), time)

    def under_way(self, table: JobTable) -> int | None:
        """Enter a job as one finds it running at an instant, and return its row.

        A job is the likelier to be found the longer it is.
        """
        kind = int(self._rng.choice(len(self._mix), p=self._running))
        spread = self._mix[kind].spread
        middle = log(self._mix[kind].seconds) + spread**2
        seconds = max(_LEAST_SECONDS, float(self._rng.lognormal(middle, spread)))
        done = seconds * float(self._rng.random())
        row = self._enter(table, kind, seconds, -done)
        if row is not None:
            table.done[row] = done
            table.fails[row] = np.inf
        return row

    def _enter(self, table: JobTable, kind: int, seconds: float, time: float) -> int | None:
        row, rng, own = table.free_row(), self._rng, self._mix[kind]
        size = self._whole(int(rng.choice(self._sizes[kind])))
        user, level = int(rng.integers(len(own.users))), float(rng.normal(1.0, _LEVEL_SPREAD))
        fails, phase = rng.random(2)
        if row is None:
            return None
        self.submitted += 1
        values: dict[str, float] = {
            "number": _FIRST_NUMBER + self.submitted,
            "kind": kind,
            "user": user,
            "gpus": size,
            "state": BatchState.PENDING,
            "reason": 0,
            "cause": 0,
            "priority": own.priority,
            "restarts": 0,
            "crashes": 0,
            "submit": time,
            "made": time,
            "start": np.nan,
            "began": np.nan,
            "crashed": np.nan,
            "end": np.nan,
            "until": time,
            "work": seconds,
            "done": 0.0,
            "fails": np.inf if fails >= own.failure_ratio else seconds * fails / own.failure_ratio,
            "limit": _LIMIT_RATIO * seconds + _LIMIT_SECONDS,
            "level": min(max(level, 0.0), 1.2),
            "phase": phase,
        }
        for name, value in values.items():
            getattr(table, name)[row] = value
        return row
