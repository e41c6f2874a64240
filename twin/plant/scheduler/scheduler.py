"""Scheduler of a site: jobs that arrive, wait, run, are preempted, requeued, and end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.scheduler.arrivals import Arrivals
from twin.plant.scheduler.nodes import NodeHealth, Nodes
from twin.plant.scheduler.placement import FOREIGN, IDLE, Places
from twin.plant.scheduler.queue import Queue
from twin.plant.scheduler.statistics import SchedulerStatistics
from twin.plant.scheduler.table import ENDED, HOLDING, BatchState, JobTable, WaitReason
from twin.plant.units import Floats
from twin.site import Layout

__all__ = ["Scheduler"]

_MOST_ROWS = 10_000
"""Jobs of a table at most: Slurm's default for MaxJobCount."""
_CRASH_SECONDS = 5.0
"""From the first kernel to the crash of a container that cannot run, est."""
_BACKOFF_SECONDS, _MOST_BACKOFF_SECONDS = 10.0, 300.0
"""The kubelet's back-off between two starts of a container: doubled each time."""
_MOST_BEYOND = 1000
"""Jobs beyond a quota that are drawn for nothing at the start, where quotas are below the load."""
_QUIET = NodeHealth()


class Scheduler:
    """Places jobs on the racks that no job of the site file holds.

    Args:
        layout: the site.
        rng: source of all randomness.

    Attributes:
        time: simulated seconds since the plant's start.
        table: the jobs.
        nodes: state of the nodes.
        owner: (servers, GPUs a server): row of the job that has a GPU, -1 for none, -2 where
            the scheduler has none.
        version: rises whenever a job or a node changes.
        refused: submissions that found the queue full.
        statistics: what it has done.
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._p = site.scheduler
        self._mix = site.mix
        self._requeues_failed = self._p.kind == "kubernetes"
        per_server = site.server.gpus
        first = sum(job.racks for job in site.jobs) * site.servers_per_rack
        gpus = (site.servers - first) * per_server
        self.time = 0.0
        self.version = 0
        self.refused = 0
        self.owner: NDArray[np.int32] = np.full((site.servers, per_server), IDLE, np.int32)
        self.owner[:first] = FOREIGN
        self.table = JobTable(min(_MOST_ROWS, 2 * gpus + self._p.queue_jobs))
        self.nodes = Nodes(self._p, site.servers)
        arrays = np.arange(site.servers) // (site.servers_per_rack * site.racks_per_array)
        self.statistics = SchedulerStatistics()
        self._queue = Queue(self.table, site.mix, arrays, self.statistics)
        self._arrivals = Arrivals(site.mix, gpus, per_server, self._p, rng)
        self._every = np.array([kind.checkpoint_every_seconds for kind in site.mix])
        self._step_seconds = np.array([kind.step_seconds for kind in site.mix])
        self._dirty = False
        self._fill(gpus)

    def _fill(self, gpus: int) -> None:
        """Begin with the jobs of a cluster that has run for long."""
        asked, wanted, beyond = 0, self._p.load_ratio * gpus, 0
        measured = any(kind.lengths for kind in self._mix)
        while asked < wanted and beyond < _MOST_BEYOND:
            row = self._arrivals.under_way(self.table)
            if row is None:
                break
            more = int(self.table.gpus[row])
            if not self._arrivals.fits(self.table, int(self.table.kind[row])):
                self.table.state[row] = BatchState.FREE
                beyond += 1
                continue
            if measured and asked + more - wanted > wanted - asked:
                # Of a mix with very large jobs the last would be far too much.
                self.table.state[row] = BatchState.FREE
                break
            asked += more
        self._cycle()
        table = self.table
        running = table.among(BatchState.STARTING)
        table.state[running] = BatchState.RUNNING
        table.start[running] = table.began[running] = table.submit[running]
        # Those that did not fit have just been submitted.
        waiting = table.among(BatchState.PENDING)
        for column in (table.submit, table.made, table.until, table.done):
            column[waiting] = 0.0
        self._arrivals.due(0.0)
        # Nothing of it was done by this scheduler.
        self.statistics.started = self.statistics.backfilled = 0

    # -- time -------------------------------------------------------------------

    def step(self, dt: float, health: NodeHealth = _QUIET, *, placing: bool = True) -> None:
        """Advance by ``dt`` seconds.

        Args:
            dt: step in s.
            health: of the hardware in the step before.
            placing: whether the scheduler places jobs.
        """
        self.time = time = self.time + dt
        if self.nodes.step(health, time, dt):
            self._change()
        self._compute(dt, health)
        self._break(health)
        self._move()
        while self._arrivals.due(time):
            if int(self.table.among(BatchState.PENDING).sum()) >= self._p.queue_jobs:
                self.refused += 1
                continue
            entered = self._arrivals.submit(self.table, time)
            if entered:
                self.statistics.submitted += entered
                self._change()
        released = self._arrivals.release(self.table, time)
        if released:
            self.statistics.submitted += released
            self._change()
        if placing and self._dirty:
            self._cycle()

    def _change(self) -> None:
        self.version += 1
        self._dirty = True

    def _compute(self, dt: float, health: NodeHealth) -> None:
        """Let the running jobs compute, each at the pace of its slowest part."""
        table = self.table
        running = table.state == BatchState.RUNNING
        pace: Floats | float = 1.0
        if health.pace is not None or health.flow is not None:
            pace = self._slowest(health)
        table.done += np.where(running, dt * pace, 0.0)
        step = self._step_seconds[table.kind]
        table.phase = np.where(running, (table.phase + dt * pace / step) % 1.0, table.phase)

    def slowest(self, pace: Floats) -> Floats:
        """Return the pace of the slowest GPU of each job, 1 for one that has none.

        Args:
            pace: (servers, GPUs a server).

        Returns:
            (rows,) of the table.
        """
        slowest: Floats = np.ones(self.table.rows)
        held = self.owner >= 0
        np.minimum.at(slowest, self.owner[held], pace[held])
        return slowest

    def _slowest(self, health: NodeHealth) -> Floats:
        """Return the pace of each job, (rows,)."""
        slowest: Floats = np.ones(self.table.rows)
        if health.pace is not None:
            slowest = self.slowest(np.clip(health.pace, 1e-3, 1.0))
        if health.flow is not None:
            several = self.owner[:, 0] >= 0
            several[several] = self.table.gpus[self.owner[several, 0]] > self.owner.shape[1]
            np.minimum.at(slowest, self.owner[several, 0], np.clip(health.flow[several], 0.2, 1.0))
        return slowest

    def _break(self, health: NodeHealth) -> None:
        """Stall the jobs that have lost a device, and end those whose node is given up."""
        lost = self._struck(health)
        table = self.table
        stalled = table.state == BatchState.STALLED
        if lost is None and not stalled.any():
            return
        hit = np.zeros(table.rows, np.bool_)
        if lost is not None:
            hit[self.owner[lost & (self.owner >= 0)]] = True
            self._abort(health)
        for row in np.nonzero(stalled & ~hit)[0].tolist():
            self._to(row, BatchState.RUNNING)
        working = table.among(BatchState.RUNNING, BatchState.STARTING)
        for row in np.nonzero(hit & working)[0].tolist():
            if table.state[row] == BatchState.STARTING:
                table.began[row] = self.time
            self._to(row, BatchState.STALLED)
        gone = hit & (table.state == BatchState.STALLED)
        if gone.any() and lost is not None:
            given_up = lost & self.nodes.out[:, None] & (self.owner >= 0)
            for row in np.unique(self.owner[given_up]).tolist():
                self._requeue(row, WaitReason.NODE_FAIL)

    def _struck(self, health: NodeHealth) -> NDArray[np.bool_] | None:
        """Return the GPUs that are lost to their jobs, None for none."""
        parts = [
            part
            for part in (
                health.lost,
                None
                if health.up is None
                else np.broadcast_to(~health.up[:, None], self.owner.shape),
                self._unlinked(health),
                health.aborted,
            )
            if part is not None
        ]
        if not parts:
            return None
        lost: NDArray[np.bool_] = np.logical_or.reduce(parts)
        return lost if lost.any() else None

    def _unlinked(self, health: NodeHealth) -> NDArray[np.bool_] | None:
        """Return the GPUs whose job needs a link that is down."""
        if health.unlinked is None or not health.unlinked.any():
            return None
        several = (self.owner >= 0) & (self.table.gpus[self.owner] > self.owner.shape[1])
        lost: NDArray[np.bool_] = several & health.unlinked[:, None]
        return lost

    def _abort(self, health: NodeHealth) -> None:
        """Requeue the jobs of which an error has ended the application."""
        if health.aborted is None or not health.aborted.any():
            return
        for row in np.unique(self.owner[health.aborted & (self.owner >= 0)]).tolist():
            self._requeue(row, WaitReason.CRASHED)

    def _move(self) -> None:
        """Carry out the transitions that are due by themselves."""
        table, time = self.table, self.time
        due = table.until <= time
        for row in np.nonzero(table.among(BatchState.STARTING) & due)[0].tolist():
            table.began[row] = time
            self._to(row, BatchState.RUNNING)
        for row in np.nonzero(table.among(BatchState.BACKOFF) & due)[0].tolist():
            self._to(row, BatchState.STARTING)
            table.until[row] = time + table.startup[row]
        running = table.state == BatchState.RUNNING
        finished = running & (table.done >= np.minimum(table.work, table.fails))
        for row in np.nonzero(finished)[0].tolist():
            self._finish(row)
        ended = table.among(*ENDED) & (time - table.end >= self._p.keep_seconds)
        if ended.any():
            table.state[ended] = BatchState.FREE
            self._change()
        held = (table.reason == WaitReason.HELD) | (table.reason == WaitReason.NONE)
        if (table.among(BatchState.PENDING) & due & held).any():
            self._dirty = True

    # -- transitions --------------------------------------------------------------

    def crash(self, unsound: NDArray[np.bool_]) -> None:
        """Let the containers crash that have run for a few seconds on a node that is unsound.

        Args:
            unsound: (servers,).
        """
        table = self.table
        holders = np.unique(self.owner[unsound])
        for row in holders[holders >= 0].tolist():
            since = self.time - table.until[row]
            if table.state[row] != BatchState.RUNNING or since < _CRASH_SECONDS:
                continue
            if not self._requeues_failed:
                self._end(row, BatchState.FAILED)
                continue
            pause = min(_MOST_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2.0 ** float(table.crashes[row]))
            table.crashes[row] += 1
            table.crashed[row] = self.time
            self._to(row, BatchState.BACKOFF)
            table.until[row] = self.time + pause
            table.done[row] = self.saved(row)

    def saved(self, row: int) -> float:
        """Return what a job had computed at its last checkpoint, in s."""
        every = float(self._every[self.table.kind[row]])
        return float(self.table.done[row] // every) * every

    def _finish(self, row: int) -> None:
        """End a job that is done, that fails by itself, or that its user cancels."""
        table = self.table
        if table.done[row] >= table.work[row]:
            self._end(row, BatchState.COMPLETED)
        elif table.ending[row] == BatchState.CANCELLED:
            self._end(row, BatchState.CANCELLED)
        elif self._requeues_failed and table.restarts[row] == 0:
            table.fails[row] = np.inf
            self._requeue(row, WaitReason.CRASHED)
        else:
            self._end(row, BatchState.FAILED)

    def _to(self, row: int, state: BatchState) -> None:
        self.table.state[row] = state
        self._change()

    def _start(self, row: int, chosen: tuple[Places, Places]) -> None:
        table = self.table
        self.owner[chosen] = row
        table.start[row] = self.time
        table.until[row] = self.time + table.startup[row]
        table.reason[row] = WaitReason.NONE
        table.crashes[row] = 0
        self.statistics.started += 1
        table.began[row] = table.crashed[row] = np.nan
        self._to(row, BatchState.STARTING)

    def _release(self, row: int) -> None:
        self.owner[self.owner == row] = IDLE

    def _end(self, row: int, state: BatchState) -> None:
        self._release(row)
        self.table.end[row] = self.time
        if state == BatchState.COMPLETED:
            self.statistics.completed += 1
        elif state == BatchState.CANCELLED:
            self.statistics.cancelled += 1
            if self._requeues_failed:  # a user cancels a Job by deleting it
                state = BatchState.FREE
        else:
            self.statistics.failed += 1
        self._to(row, state)

    def _requeue(self, row: int, cause: WaitReason) -> None:
        """Put a job back into the queue; it goes on from its last checkpoint."""
        table = self.table
        self._release(row)
        table.done[row] = self.saved(row)
        table.restarts[row] += 1
        table.reason[row] = WaitReason.HELD
        table.cause[row] = cause
        table.made[row] = self.time
        table.until[row] = self.time + self._p.requeue_seconds
        self._to(row, BatchState.PENDING)

    def _evict(self, row: int) -> None:
        self._requeue(row, WaitReason.PREEMPTED)

    def _cycle(self) -> None:
        self._queue.cycle(self.owner, self.nodes.usable, self.time, self._start, self._evict)
        self._dirty = False

    # -- what others read -----------------------------------------------------------

    @property
    def holding(self) -> NDArray[np.bool_]:
        """Which rows of the table have GPUs."""
        return self.table.among(*HOLDING)
