"""Messages of a scheduler: the jobs on each rack, and all jobs of the site.

A rack's message is sent when something of it has changed: a job came, went, or was started
again, or a node was taken out or came back. All that is sent of one tick is of one moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.plant.scheduled import ScheduledHalls
from twin.plant.scheduler import (
    ENDED,
    HOLDING,
    BatchState,
    CycleStatistics,
    NodeCause,
    SchedulerStatistics,
    WaitReason,
)
from twin.site import Layout, job_places
from twin.site.job_names import job_name, pod_name
from twin.wire import (
    MOST_JOBS,
    Allocation,
    CycleReport,
    NodeCounts,
    NodeReport,
    OutboundMessage,
    QueuedJob,
    RackJobs,
    SchedulerReport,
    SiteJobs,
    Topics,
)
from twin.wire.jobs import AllocationState, QueueCause, QueueReason, QueueState

__all__ = ["JobMessages"]

_STATES: Mapping[BatchState, QueueState] = {
    BatchState.PENDING: "pending",
    BatchState.STARTING: "starting",
    BatchState.RUNNING: "running",
    BatchState.STALLED: "running",
    BatchState.BACKOFF: "running",
    BatchState.COMPLETED: "completed",
    BatchState.FAILED: "failed",
    BatchState.CANCELLED: "cancelled",
}
_HELD: Mapping[BatchState, AllocationState] = {
    BatchState.STARTING: "starting",
    BatchState.BACKOFF: "backoff",
}
"""All other jobs with GPUs are running."""
_REASONS: Mapping[WaitReason, QueueReason] = {
    WaitReason.RESOURCES: "resources",
    WaitReason.PRIORITY: "priority",
    WaitReason.HELD: "held",
    WaitReason.LIMIT: "limit",
}
_CAUSES: Mapping[WaitReason, QueueCause] = {
    WaitReason.NODE_FAIL: "node_fail",
    WaitReason.PREEMPTED: "preempted",
    WaitReason.CRASHED: "crashed",
}
_SELDOM_JOBS = 400.0
"""Jobs published per second at most: a large queue is published less often."""


class JobMessages:
    """Makes the messages of a scheduler.

    Args:
        layout: the whole site.
        batch: its scheduler in the plant.
    """

    def __init__(self, layout: Layout, batch: ScheduledHalls) -> None:
        self._layout, self._site = layout, layout.site
        self._batch = batch
        self._topics = Topics(self._site.name)
        self._places = job_places(self._site)
        self._pods = self._site.scheduler.kind == "kubernetes"
        self._version = self._queue_version = -1
        self._sent: NDArray[np.int64] | None = None
        self._racks: Sequence[int] = range(self._site.racks)
        self._next_queue = 0.0

    def assign(self, racks: Sequence[int]) -> None:
        """Send the messages of these racks of the site, and of no others."""
        self._racks = racks
        self._sent = None
        self._version = self._queue_version = -1

    def changed(self, epoch: float, *, leads: bool) -> Iterator[OutboundMessage]:
        """Yield the messages that are due.

        Args:
            epoch: unix time of the plant's start.
            leads: whether the queue is published here.
        """
        scheduler = self._batch.scheduler
        if scheduler.version != self._version:
            self._version = scheduler.version
            signature = self._signature()
            racks = [
                rack
                for rack in self._racks
                if self._sent is None or not np.array_equal(signature[rack], self._sent[rack])
            ]
            self._sent = signature
            for rack in racks:
                yield self._rack_message(rack, epoch)
        due = scheduler.time >= self._next_queue and scheduler.version != self._queue_version
        if not leads or not due:
            return
        self._queue_version = scheduler.version
        queue = self._queue(epoch)
        self._next_queue = scheduler.time + len(queue.jobs) / _SELDOM_JOBS
        yield OutboundMessage(self._topics.queue, queue.encode(), retain=True, qos=1)

    def everything(self, epoch: float, *, leads: bool) -> Iterator[OutboundMessage]:
        """Yield all messages, for a broker that may have forgotten them."""
        self._sent, self._next_queue = None, 0.0
        self._version = self._queue_version = -1
        yield from self.changed(epoch, leads=leads)

    def _signature(self) -> NDArray[np.int64]:
        """Return numbers that change with each rack's message: (racks, any)."""
        scheduler = self._batch.scheduler
        table, nodes, owner = scheduler.table, scheduler.nodes, scheduler.owner
        shown = np.isin(table.state, [BatchState.STARTING, BatchState.BACKOFF])
        own = np.stack([table.number, table.restarts, table.crashes, table.state * shown], axis=1)
        none = np.full((1, own.shape[1]), -1)
        rows = np.append(own, none, axis=0)[np.where(owner < 0, table.rows, owner)]
        of_nodes = np.stack([nodes.out, nodes.responding, nodes.gpus_lost, nodes.cause], axis=1)
        parts = [rows.reshape(self._site.racks, -1), of_nodes.reshape(self._site.racks, -1)]
        static = np.zeros((self._site.racks, 3))
        for place, run in zip(self._places, self._batch.static, strict=True):
            state = (run.running, run.starting, run.restarts)
            static[place.racks.start : place.racks.stop] = state
        return np.concatenate([*parts, static], axis=1).astype(np.int64)

    # -- a rack -------------------------------------------------------------------

    def _rack_message(self, rack: int, epoch: float) -> OutboundMessage:
        name = self._layout.unit_name(UnitKind.RACK, rack)
        first = rack * self._site.servers_per_rack
        servers = range(first, first + self._site.servers_per_rack)
        static = self._static_of(rack)
        allocations = (
            self._static_allocations(static, rack, epoch)
            if static is not None
            else [own for server in servers for own in self._allocations(server, epoch)]
        )
        nodes = tuple(self._node(server, epoch) for server in servers)
        message = RackJobs(rack=name, allocations=tuple(allocations), nodes=nodes)
        return OutboundMessage(self._topics.jobs(name), message.encode(), retain=True, qos=1)

    def _static_of(self, rack: int) -> int | None:
        """Return which job of the site file has a rack, None for the scheduler's."""
        return next((n for n, place in enumerate(self._places) if rack in place.racks), None)

    def _static_allocations(self, job: int, rack: int, epoch: float) -> list[Allocation]:
        run, place = self._batch.static[job], self._places[job]
        if not run.running:
            return []
        servers, gpus = self._site.servers_per_rack, self._site.server.gpus
        first = (rack - place.racks.start) * servers
        name = job_name(self._site.name, place.name, job + 1, pods=self._pods)
        return [
            Allocation(
                job=job + 1,
                name=name,
                user="root",
                account=place.name,
                app=place.name,
                pod=pod_name(name, first + server, run.restarts) if self._pods else "",
                server=server,
                gpus=tuple(range(gpus)),
                state="starting" if run.starting else "running",
                start=epoch + run.start,
                made=epoch + run.start,
                began=None if run.starting else epoch + run.began,
            )
            for server in range(servers)
        ]

    def _allocations(self, server: int, epoch: float) -> Iterator[Allocation]:
        scheduler = self._batch.scheduler
        table, owner = scheduler.table, scheduler.owner
        for row in dict.fromkeys(owner[server].tolist()):
            if row < 0:
                continue
            kind = self._site.mix[int(table.kind[row])]
            number, state = int(table.number[row]), BatchState(int(table.state[row]))
            name = job_name(self._site.name, kind.name, number, pods=self._pods)
            # A job of several servers has all GPUs of each.
            several = table.gpus[row] > owner.shape[1]
            index = int(np.count_nonzero(owner[:server, 0] == row)) if several else 0
            yield Allocation(
                job=number,
                name=name,
                user=kind.users[int(table.user[row])],
                account=kind.account,
                app=kind.name,
                pod=pod_name(name, index, int(table.restarts[row])) if self._pods else "",
                server=server % self._site.servers_per_rack,
                gpus=tuple(np.nonzero(owner[server] == row)[0].tolist()),
                state=_HELD.get(state, "running"),
                start=round(epoch + float(table.start[row]), 3),
                crashes=int(table.crashes[row]),
                made=_unix(epoch, table.made[row]),
                began=_unix(epoch, table.began[row]),
                crashed=_unix(epoch, table.crashed[row]),
            )

    def _node(self, server: int, epoch: float) -> NodeReport:
        nodes = self._batch.scheduler.nodes
        ready, lost = bool(nodes.responding[server]), int(nodes.gpus_lost[server])
        if not nodes.out[server]:
            return NodeReport(state="up", ready=ready, gpus_lost=lost)
        gpus = self._site.server.gpus
        reasons = {
            NodeCause.NOT_RESPONDING: "Not responding",
            NodeCause.GPU_LOST: "gres/gpu count reported lower than configured "
            f"({gpus - max(lost, 1)} < {gpus})",
        }
        return NodeReport(
            state="drain" if ready else "down",
            ready=ready,
            reason=reasons.get(NodeCause(int(nodes.cause[server])), ""),
            gpus_lost=lost,
            since=round(epoch + float(nodes.since[server]), 3),
        )

    # -- all jobs -----------------------------------------------------------------

    def _queue(self, epoch: float) -> SiteJobs:
        scheduler = self._batch.scheduler
        table = scheduler.table
        rows = table.rows_of(*HOLDING)
        others = table.rows_of(BatchState.PENDING, *ENDED)
        room = max(0, MOST_JOBS - len(self._places) - len(others))
        kept = [*others, *rows[max(0, len(rows) - room) :]][: MOST_JOBS - len(self._places)]
        jobs = [self._static_job(job, epoch) for job in range(len(self._places))]
        jobs += [self._job(row, epoch) for row in sorted(kept, key=lambda row: table.number[row])]
        left_out = len(rows) + len(others) - len(kept)
        return SiteJobs(
            ts=epoch + scheduler.time,
            nodes=self._node_counts(),
            scheduler=_done(scheduler.statistics, epoch),
            jobs=tuple(jobs),
            left_out=left_out,
        )

    def _node_counts(self) -> NodeCounts:
        nodes, owner = self._batch.scheduler.nodes, self._batch.scheduler.owner
        held = owner >= 0
        for place, run in zip(self._places, self._batch.static, strict=True):
            servers = self._site.servers_per_rack
            held[place.racks.start * servers : place.racks.stop * servers] = run.running
        some, full = held.any(axis=1), held.all(axis=1)
        down = nodes.out & ~nodes.responding
        up = ~down
        return NodeCounts(
            total=len(owner),
            idle=int((up & ~some).sum()),
            mixed=int((up & some & ~full).sum()),
            alloc=int((up & full).sum()),
            down=int(down.sum()),
            drain=int(nodes.out.sum()),
            drained=int((nodes.out & ~some).sum()),
            draining=int((nodes.out & some).sum()),
            noresp=int((~nodes.responding).sum()),
            out_idle=int((up & nodes.out & ~some).sum()),
            out_mixed=int((up & nodes.out & some & ~full).sum()),
            out_alloc=int((up & nodes.out & full).sum()),
            out_gpus=int((~held[nodes.out]).sum()),
        )

    def _static_job(self, job: int, epoch: float) -> QueuedJob:
        run, place = self._batch.static[job], self._places[job]
        running: QueueState = "starting" if run.starting else "running"
        return QueuedJob(
            job=job + 1,
            name=job_name(self._site.name, place.name, job + 1, pods=self._pods),
            user="root",
            account=place.name,
            app=place.name,
            gpus=place.gpus,
            nodes=len(place.racks) * self._site.servers_per_rack,
            state=running if run.running else "pending",
            reason="" if run.running else "held",
            cause="crashed" if run.restarts else "",
            restarts=run.restarts,
            submit=epoch,
            made=epoch + run.start,
            start=epoch + run.start,
        )

    def _job(self, row: int, epoch: float) -> QueuedJob:
        table = self._batch.scheduler.table
        kind, gpus = self._site.mix[int(table.kind[row])], int(table.gpus[row])
        number = int(table.number[row])
        return QueuedJob(
            job=number,
            name=job_name(self._site.name, kind.name, number, pods=self._pods),
            user=kind.users[int(table.user[row])],
            account=kind.account,
            app=kind.name,
            gpus=gpus,
            nodes=-(-gpus // self._site.server.gpus),
            state=_STATES[BatchState(int(table.state[row]))],
            reason=_REASONS.get(WaitReason(int(table.reason[row])), ""),
            cause=_CAUSES.get(WaitReason(int(table.cause[row])), ""),
            restarts=int(table.restarts[row]),
            submit=round(epoch + float(table.submit[row]), 3),
            made=_unix(epoch, table.made[row]),
            start=_unix(epoch, table.start[row]),
            end=_unix(epoch, table.end[row]),
        )


def _unix(epoch: float, time: np.float64) -> float | None:
    """Return a time of the plant as simulated unix time, None where it has not come."""
    return None if np.isnan(time) else round(epoch + float(time), 3)


def _done(told: SchedulerStatistics, epoch: float) -> SchedulerReport:
    return SchedulerReport(
        since=epoch,
        submitted=told.submitted,
        started=told.started,
        completed=told.completed,
        failed=told.failed,
        cancelled=told.cancelled,
        backfilled=told.backfilled,
        main=_cycles(told.main, epoch),
        backfill=_cycles(told.backfill, epoch),
    )


def _cycles(told: CycleStatistics, epoch: float) -> CycleReport:
    return CycleReport(
        cycles=told.cycles,
        depth=told.depth,
        tried=told.tried,
        last_depth=told.last_depth,
        last_tried=told.last_tried,
        most_depth=told.most_depth,
        queue=told.queue,
        last_queue=told.last_queue,
        last=round(epoch + told.last, 3) if told.cycles else None,
    )
