"""Jobs of a real fleet: who holds each GPU, by the labels that dcgm-exporter puts on its series.

On Slurm that is ``hpc_job`` (dcgm-exporter's ``--hpc-job-mapping-dir``), on Kubernetes the pod and
its namespace. A pod is named after what made it: its index and what is drawn at random are taken
off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from twin.catalog import UnitKind
from twin.site import Layout
from twin.wire import Allocation, OutboundMessage, RackJobs, Topics

__all__ = ["FleetJobs", "GpuHolder", "holder_of"]

_MOST_LETTERS = 128
_MOST_NUMBER = 2**53
_OF_POD = re.compile(r"(?:-(?:worker|master|launcher|replica))?(?:-\d+)?(?:-[a-z0-9]{5})?$")
_PREFIXES = ("", "exported_")


@dataclass(frozen=True, slots=True)
class GpuHolder:
    """What has a GPU.

    Attributes:
        job: its number; of pods one that follows from their job's name.
        name: of the job.
        namespace: of its pods.
        pod: that has the GPU; empty on Slurm.
    """

    job: int
    name: str
    namespace: str = ""
    pod: str = ""


def holder_of(labels: Mapping[str, str]) -> GpuHolder | None:
    """Return what has the GPU of a series, None where its labels say nothing of it."""
    job = labels.get("hpc_job", "")
    if job.isascii() and job.isdigit() and int(job) < _MOST_NUMBER:
        return GpuHolder(int(job), job)
    for prefix in _PREFIXES:
        pod, namespace = labels.get(f"{prefix}pod", ""), labels.get(f"{prefix}namespace", "")
        if pod and namespace and labels.get(f"{prefix}container"):
            if max(len(pod), len(namespace)) > _MOST_LETTERS:
                return None
            name = _OF_POD.sub("", pod) or pod
            return GpuHolder(crc32(f"{namespace}/{name}".encode()), name, namespace, pod)
    return None


class FleetJobs:
    """Retained messages ``jobs/{rack}`` of the racks whose holders have changed.

    Args:
        layout: the site.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._topics = Topics(layout.site.name)
        self._since: dict[int, dict[tuple[GpuHolder, int], float]] = {}
        self._told: dict[int, RackJobs] = {}

    def changed(
        self, rack: int, holders: Iterable[tuple[int, GpuHolder]], at: float
    ) -> OutboundMessage | None:
        """Return the message of a rack, None where it is as before.

        Args:
            rack: index of the rack.
            holders: GPU of the rack and what has it.
            at: unix seconds of the samples.
        """
        each = self._layout.site.server.gpus
        held: dict[tuple[GpuHolder, int], set[int]] = {}
        for gpu, holder in holders:
            held.setdefault((holder, gpu // each), set()).add(gpu % each)
        before = self._since.get(rack, {})
        since = self._since[rack] = {own: before.get(own, at) for own in held}
        allocations = tuple(
            Allocation(
                job=holder.job, name=holder.name, user="", account=holder.namespace,
                app=holder.name, pod=holder.pod, server=server, gpus=tuple(sorted(gpus)),
                state="running", start=since[holder, server],
            )
            for (holder, server), gpus in sorted(
                held.items(), key=lambda own: (own[0][1], own[0][0].job, own[0][0].pod)
            )
        )  # fmt: skip
        name = self._layout.unit_name(UnitKind.RACK, rack)
        message = RackJobs(rack=name, allocations=allocations, nodes=())
        if message == self._told.get(rack):
            return None
        self._told[rack] = message
        return self._message(message)

    def everything(self) -> list[OutboundMessage]:
        """Return all messages, for a broker that may have forgotten them."""
        return [self._message(own) for own in self._told.values()]

    def _message(self, message: RackJobs) -> OutboundMessage:
        return OutboundMessage(
            self._topics.jobs(message.rack), message.encode(), retain=True, qos=1
        )
