"""Arrivals: the jobs that users submit, drawn from the site's mix."""

from __future__ import annotations

from itertools import pairwise
from math import log

import numpy as np

from twin.parameters import JobMixParameters, SchedulerParameters
from twin.parameters.job_mix import mean_between
from twin.plant.scheduler.table import HOLDING, BatchState, JobTable
from twin.plant.units import Floats

__all__ = ["Arrivals", "Lengths", "ending_shares"]

_FIRST_NUMBER = 1000
_LIMIT_RATIO, _LIMIT_SECONDS = 1.5, 600.0
"""The time limit over the time that a job takes, and what is added, est.: users ask for more."""
_LEVEL_SPREAD = 0.06
"""Spread of the activity of jobs of one kind, est."""
_LEAST_SECONDS = 20.0
_PLANNED = 1024
"""Jobs at most that users hold back until their quota has room; what is beyond is never asked."""


class Arrivals:
    """Submits jobs at random times.

    Args:
        mix: kinds of jobs.
        gpus: that the scheduler has.
        per_server: GPUs a server; jobs that need more than one server get whole ones.
        parameters: of the scheduler.
        rng: source of all randomness.

    Attributes:
        next: time of the next submission.
        submitted: jobs submitted so far.
        planned: jobs that are not submitted yet, as the quota of their kind has no room for them;
            None where no kind has a quota.
        noted: jobs that were planned so far.
    """

    def __init__(
        self,
        mix: tuple[JobMixParameters, ...],
        gpus: int,
        per_server: int,
        parameters: SchedulerParameters,
        rng: np.random.Generator,
    ) -> None:
        self._mix = mix
        self._per_server = per_server
        self._start_seconds = parameters.start_seconds
        self._rng = rng
        self._sizes = [kind.sizes_on(gpus) for kind in mix]
        shares = np.array(
            [kind.share if sizes else 0.0 for kind, sizes in zip(mix, self._sizes, strict=True)]
        )
        self._shares: Floats = shares / shares.sum()
        each = np.array([kind.mean_seconds for kind in mix])
        self._size_shares = [
            kind.shares_of(sizes) for kind, sizes in zip(mix, self._sizes, strict=True)
        ]
        self._lengths = [Lengths(kind.lengths) if kind.lengths else None for kind in mix]
        size = np.array([self._mean_size(kind) for kind in range(len(mix))])
        self._running: Floats = self._shares * each
        self._running = self._running / self._running.sum()
        self._mean = float((self._shares * size * each).sum()) / (parameters.load_ratio * gpus)
        # Kinds are chosen by submission, and a submission may be of several jobs.
        at_once: Floats = self._shares / np.array([kind.together for kind in mix])
        alone = all(kind.together == 1 for kind in mix)
        self._mean /= 1.0 if alone else float(at_once.sum())
        self._submissions = self._shares if alone else at_once / at_once.sum()
        self._quota: Floats = np.array(
            [np.inf if kind.quota_ratio is None else kind.quota_on(gpus) for kind in mix]
        )
        self._admissions = [Lengths(kind.admission) if kind.admission else None for kind in mix]
        self.next = 0.0
        self.submitted = self.noted = 0
        self.planned = JobTable(_PLANNED) if np.isfinite(self._quota).any() else None

    def _mean_size(self, kind: int) -> float:
        sizes, shares = self._sizes[kind], self._size_shares[kind]
        whole = [self._whole(size) for size in sizes]
        if not self._mix[kind].gpu_shares:
            return float(np.mean(whole)) if sizes else 0.0
        return float(np.dot(whole, shares))

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

    def submit(self, table: JobTable, time: float) -> int:
        """Submit a job, or those of an array, and return how many found room in the table.

        What has to fit into a quota is planned, and submitted by :meth:`release`.
        """
        kind = int(self._rng.choice(len(self._mix), p=self._submissions))
        together = self._mix[kind].together
        jobs = 1 if together == 1 else int(self._rng.geometric(1.0 / together))
        planned = self.planned if np.isfinite(self._quota[kind]) else None
        into = table if planned is None else planned
        rows = [self._enter(into, kind, self._seconds(kind), time) for _ in range(jobs)]
        if planned is not None:
            return 0
        for row in rows:
            if row is not None:
                self._admit(table, row, time)
        return sum(row is not None for row in rows)

    def release(self, table: JobTable, time: float) -> int:
        """Submit the planned jobs for which their quota has room, and return how many."""
        planned = self.planned
        if planned is None or not planned.state.any():
            return 0
        released, full = 0, set[int]()
        for held in planned.rows_of(BatchState.PENDING):
            kind = int(planned.kind[held])
            if kind in full or not self.fits(table, kind, int(planned.gpus[held])):
                full.add(kind)  # those behind it take their turn
                continue
            row = table.free_row()
            if row is None:
                break
            table.take(row, planned, held)
            self.submitted += 1
            table.number[row] = _FIRST_NUMBER + self.submitted
            table.submit[row] = table.made[row] = table.until[row] = time
            self._admit(table, row, time)
            released += 1
        return released

    def fits(self, table: JobTable, kind: int, more: int = 0) -> bool:
        """Whether the jobs of a kind that wait or run are within its quota; one alone always is.

        Args:
            table: of all jobs.
            kind: of which.
            more: GPUs of one more.
        """
        if np.isinf(self._quota[kind]):
            return True
        own = (table.kind == kind) & table.among(BatchState.PENDING, *HOLDING)
        asked = int(table.gpus[own].sum()) + more
        return asked <= self._quota[kind] or int(own.sum()) + (more > 0) == 1

    def _admit(self, table: JobTable, row: int, time: float) -> None:
        """Let a new job wait until it is let in."""
        admission = self._admissions[int(table.kind[row])]
        if admission is not None:
            table.until[row] = time + admission.at(float(self._rng.random()))

    def _seconds(self, kind: int) -> float:
        """Return how long a new job of a kind computes, or of measured lengths runs."""
        own, lengths = self._mix[kind], self._lengths[kind]
        if lengths is not None:
            return lengths.at(float(self._rng.random()))
        return max(_LEAST_SECONDS, float(self._rng.lognormal(log(own.seconds or 1.0), own.spread)))

    def _seconds_found(self, kind: int) -> float:
        """Return the same of a job that one finds running at an instant."""
        own, lengths = self._mix[kind], self._lengths[kind]
        if lengths is not None:
            return lengths.found_at(*self._rng.random(2).tolist())
        middle = log(own.seconds or 1.0) + own.spread**2
        return max(_LEAST_SECONDS, float(self._rng.lognormal(middle, own.spread)))

    def under_way(self, table: JobTable) -> int | None:
        """Enter a job as one finds it running at an instant, and return its row.

        A job is the likelier to be found the longer it is.
        """
        kind = int(self._rng.choice(len(self._mix), p=self._running))
        own, seconds = self._mix[kind], self._seconds_found(kind)
        done = seconds * float(self._rng.random())
        row = self._enter(table, kind, seconds, -done)
        if row is not None:
            table.done[row] = max(0.0, done - (table.startup[row] if own.lengths else 0.0))
            if not own.ends:
                table.fails[row] = np.inf
        return row

    def _enter(self, table: JobTable, kind: int, seconds: float, time: float) -> int | None:
        row, rng, own = table.free_row(), self._rng, self._mix[kind]
        shares = self._size_shares[kind] if own.gpu_shares else None
        size = self._whole(int(rng.choice(self._sizes[kind], p=shares)))
        user, level = int(rng.integers(len(own.users))), float(rng.normal(1.0, _LEVEL_SPREAD))
        fails, phase = rng.random(2)
        if row is None:
            return None
        ending, at = self._end_of(kind, seconds, float(fails))
        startup = min(self._start_seconds, seconds) if own.lengths else self._start_seconds
        if own.lengths:
            seconds, at = seconds - startup, at - startup
            # What is cut short would have gone on: longer than its user let it.
            seconds += 0.0 if np.isinf(at) else _LEAST_SECONDS + seconds
        values: dict[str, float] = {
            "number": self._number(table),
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
            "fails": at,
            "ending": ending,
            "startup": startup,
            "limit": _LIMIT_RATIO * seconds + _LIMIT_SECONDS,
            "level": min(max(level, 0.0), 1.2),
            "phase": phase,
        }
        for name, value in values.items():
            getattr(table, name)[row] = value
        return row

    def _number(self, table: JobTable) -> int:
        if table is self.planned:
            self.noted += 1
            return self.noted
        self.submitted += 1
        return _FIRST_NUMBER + self.submitted

    def _end_of(self, kind: int, seconds: float, chance: float) -> tuple[BatchState, float]:
        """Return how a job ends if not by itself, and when; infinite for a job that completes."""
        own = self._mix[kind]
        failing, cancelled = ending_shares(own, seconds)
        at = seconds if own.lengths else None
        if chance < failing:
            return BatchState.FAILED, seconds * chance / failing if at is None else at
        if chance < failing + cancelled:
            part = (chance - failing) / cancelled
            return BatchState.CANCELLED, seconds * part if at is None else at
        return BatchState.FAILED, np.inf


def ending_shares(kind: JobMixParameters, seconds: float) -> tuple[float, float]:
    """Return the shares of the jobs of a kind that fail and that are cancelled, by their length."""
    if not kind.ends:
        return kind.failure_ratio, kind.cancel_ratio
    lengths, cancels, fails = np.array(kind.ends).T
    failing, cancelled = (
        float(np.interp(log(seconds), np.log(lengths), percents)) / 100.0
        for percents in (fails, cancels)
    )
    return failing, cancelled


class Lengths:
    """A measured distribution of lengths, evenly spread in logarithm between its points.

    Args:
        points: lengths in s, and which percent of the jobs are no longer.
    """

    def __init__(self, points: tuple[tuple[float, float], ...]) -> None:
        lengths, percents = np.array(points).T
        self._logs: Floats = np.log(lengths)
        self._shares: Floats = percents / 100.0
        means = [mean_between(begin, end) for begin, end in pairwise(lengths.tolist())]
        weights = np.append(self._shares[0] * lengths[0], np.diff(self._shares) * means)
        self._lengths: Floats = lengths
        self._found: Floats = np.cumsum(weights) / weights.sum()

    def at(self, chance: float) -> float:
        """Return a length by a number that is evenly drawn from 0 to 1."""
        return float(np.exp(np.interp(chance, self._shares, self._logs)))

    def found_at(self, chance: float, place: float) -> float:
        """Return the length of a job that is found running, by two such numbers.

        It is the likelier to be found the longer it is, so within two points its length is evenly
        spread.
        """
        end = int(np.searchsorted(self._found, chance))
        begin, end = self._lengths[max(0, end - 1)], self._lengths[end]
        return float(begin + place * (end - begin))
