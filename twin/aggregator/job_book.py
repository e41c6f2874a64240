"""Job book: a scheduler's jobs and their GPUs, from its retained messages.

Each change of a GPU's jobs starts new series, so a rack may change only so many in a
while; a change beyond that waits, and the last one of each rack is applied when it may be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import nan

from twin.aggregator.slurm_history import SlurmHistory
from twin.catalog import DeviceHolder, UnitKind
from twin.catalog.schedulers import SOPERATOR, pod_uid
from twin.errors import FrameError
from twin.site import Layout
from twin.wire import RackJobs, SiteJobs
from twin.wire.jobs import MOST_HOLDERS

__all__ = ["BURST_CHANGES", "CHANGE_SECONDS", "JobBook"]

BURST_CHANGES = 20.0
"""Changes of its jobs that a GPU may have at once, as a mean over its rack."""
_MOST_USERS = 1024
"""Users whose submissions are counted: a cluster has fewer."""
CHANGE_SECONDS = 30.0
"""Between two changes in the long run: a rack adds at most 120 times its GPUs' series an hour."""

_Holders = dict[int, tuple[DeviceHolder, ...]]


class JobBook:
    """The jobs on all racks of a site, or of a part of one; racks by their index on the site.

    Args:
        layout: the site, or a part of it.

    Attributes:
        queue: all jobs that the scheduler knows, None before it was told.
        version: rises with each message that is taken over.
        queue_version: the version with which ``queue`` changed last.
        versions: the version with which each rack changed last.
        history: of Slurm's nodes.
        submitted: jobs of each user that were seen to come in.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout.entire
        site = self._layout.site
        self._gpus, self._servers = site.server.gpus, site.servers_per_rack
        self._racks: dict[int, RackJobs] = {}
        self._holders: dict[int, _Holders] = {}
        self._waiting: dict[int, RackJobs | None] = {}
        self._credit: dict[int, tuple[float, float]] = {}
        self.queue: SiteJobs | None = None
        self.version = 0
        self.queue_version = 0
        self.versions: dict[int, int] = {}
        self._counts = SOPERATOR.present(site)
        self.history = SlurmHistory(self._gpus)
        self.submitted: Counter[str] = Counter()
        self._last_job = 0

    # -- messages ---------------------------------------------------------------

    def on_rack(
        self, name: str, message: RackJobs | None, at: float, now: float = nan
    ) -> dict[int, set[int]]:
        """Take over the jobs of a rack and return which of its GPUs have other jobs now.

        Args:
            name: of the rack, by the topic.
            message: its jobs, None where the retained message was deleted.
            at: seconds of a clock that never runs backwards.
            now: simulated time, unix seconds; NaN before it is known.

        Raises:
            FrameError: with the reason ``foreign``, ``shape`` or ``value``: the site has no
                scheduler or no such rack, or the rack no such server or GPU, or a GPU has too
                many jobs or one of them twice.
        """
        rack = self._layout.unit_index(UnitKind.RACK, name)
        if rack is None or not self._layout.site.scheduled:
            raise FrameError("foreign", f"no scheduler of the site has a rack {name!r}")
        if message is not None:
            self._check(name, message)
        self._waiting[rack] = message
        return self._apply(rack, at, now)

    def on_queue(self, message: SiteJobs | None) -> None:
        """Take over all jobs of the site.

        Raises:
            FrameError: with the reason ``foreign`` or ``value``: the site has no scheduler, or a
                job is listed twice.
        """
        if not self._layout.site.scheduled:
            raise FrameError("foreign", "the site has no scheduler")
        if message is not None:
            numbers = {job.job for job in message.jobs}
            if len(numbers) < len(message.jobs):
                raise FrameError("value", "a job is listed twice")
        for job in () if message is None or not self._counts else message.jobs:
            known = job.user in self.submitted or len(self.submitted) < _MOST_USERS
            if known and job.job > self._last_job:
                self.submitted[job.user] += 1
        if message is not None:
            self._last_job = max((self._last_job, *(job.job for job in message.jobs)))
        self.queue = message
        self.version += 1
        self.queue_version = self.version

    def settle(self, at: float, now: float = nan) -> dict[int, set[int]]:
        """Apply the changes that waited and return the GPUs that have other jobs, by rack."""
        changed: dict[int, set[int]] = {}
        for rack in list(self._waiting):
            changed |= self._apply(rack, at, now)
        return changed

    def _check(self, name: str, message: RackJobs) -> None:
        if message.rack != name:
            raise FrameError("foreign", f"jobs of rack {message.rack!r} on the topic of {name!r}")
        if len(message.nodes) not in {0, self._servers}:
            raise FrameError(
                "shape", f"rack {name} has {self._servers} servers, not {len(message.nodes)}"
            )
        held: Counter[tuple[int, int]] = Counter()
        for own in message.allocations:
            if own.server >= self._servers or any(gpu >= self._gpus for gpu in own.gpus):
                raise FrameError("shape", f"rack {name} has no such GPU as job {own.job} has")
            if len(set(own.gpus)) < len(own.gpus):
                raise FrameError("value", f"job {own.job} has a GPU of rack {name} twice")
            held.update((own.server, gpu) for gpu in own.gpus)
        if held and max(held.values()) > MOST_HOLDERS:
            raise FrameError("value", f"a GPU of rack {name} has more than {MOST_HOLDERS} jobs")
        jobs = [(own.job, own.server) for own in message.allocations]
        pods = [(own.account, own.pod) for own in message.allocations if own.pod]
        if len(set(jobs)) < len(jobs) or len(set(pods)) < len(pods):
            raise FrameError("value", f"a job or a pod is listed twice on a server of rack {name}")

    def _apply(self, rack: int, at: float, now: float) -> dict[int, set[int]]:
        message = self._waiting[rack]
        new = {} if message is None else self._holders_of(message)
        old = self._holders.get(rack, {})
        changed = {gpu for gpu in old.keys() | new.keys() if old.get(gpu) != new.get(gpu)}
        if not self._may(rack, len(changed), at):
            return {}
        del self._waiting[rack]
        self.version += 1
        self.versions[rack] = self.version
        if self._counts:
            self.history.see(rack, message, now)
        if message is None:
            self._racks.pop(rack, None)
            self._holders.pop(rack, None)
        else:
            self._racks[rack], self._holders[rack] = message, new
        return {rack: changed} if changed else {}

    def _may(self, rack: int, changes: int, at: float) -> bool:
        """Whether so many GPUs of a rack may have other jobs now; if so, they are counted."""
        gpus = self._gpus * self._servers
        credit, since = self._credit.get(rack, (BURST_CHANGES * gpus, at))
        credit = min(BURST_CHANGES * gpus, credit + gpus * max(0.0, at - since) / CHANGE_SECONDS)
        allowed = changes <= credit
        self._credit[rack] = (credit - changes * allowed, at)
        return allowed

    def _holders_of(self, message: RackJobs) -> _Holders:
        holders: dict[int, list[DeviceHolder]] = {}
        for own in message.allocations:
            uid = pod_uid(own.account, own.pod) if own.pod else ""
            holder = DeviceHolder(str(own.job), own.app, own.account, own.pod, uid)
            for gpu in own.gpus:
                holders.setdefault(own.server * self._gpus + gpu, []).append(holder)
        return {gpu: tuple(own) for gpu, own in holders.items()}

    # -- what is told -----------------------------------------------------------

    def holders(self, rack: int, gpu: int) -> tuple[DeviceHolder, ...]:
        """Return the jobs that have a GPU of a rack."""
        own = self._holders.get(rack)
        return () if own is None else own.get(gpu, ())

    @property
    def racks(self) -> Mapping[int, RackJobs]:
        """The latest message of each rack."""
        return self._racks
