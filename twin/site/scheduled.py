"""Figures of a site's scheduler, by arithmetic: jobs at a time, and what they cost in series."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil

from twin.catalog import GPU
from twin.catalog.schedulers import (
    KUBE_STATE,
    SLURM_PODS,
    StateExporter,
    state_exporters_of,
    workloads_of,
)
from twin.site.layout import Layout

__all__ = ["ScheduledFigures"]


@dataclass(frozen=True, slots=True)
class ScheduledFigures:
    """Means over a long time in which no node fails.

    Attributes:
        running: jobs that have GPUs.
        pods: nodes of those jobs, a job's counted each.
        known: jobs that the scheduler knows: those, and those that have just ended.
        an_hour: jobs that are submitted in an hour.
        gpus_an_hour: GPUs that are given to a job in an hour.
    """

    running: float
    pods: float
    known: float
    an_hour: float
    gpus_an_hour: float

    @classmethod
    def of(cls, layout: Layout) -> ScheduledFigures:
        """Return the figures of a site that has a scheduler."""
        site = layout.site
        per_server = site.server.gpus
        gpus = site.gpus - sum(job.racks for job in site.jobs) * site.gpus_per_rack
        kinds = [
            (kind.share * share, kind.mean_seconds, size if size <= per_server
             else ceil(size / per_server) * per_server)
            for kind in site.mix
            for sizes in [kind.sizes_on(gpus)]
            for size, share in zip(sizes, kind.shares_of(sizes), strict=True)
        ]  # fmt: skip
        load = site.scheduler.load_ratio * gpus
        each = sum(share * seconds * size for share, seconds, size in kinds)
        rate = load / each  # of all shares together
        running = rate * sum(share * seconds for share, seconds, _ in kinds)
        pods = rate * sum(
            share * seconds * ceil(size / per_server) for share, seconds, size in kinds
        )
        submitted = rate * sum(share for share, *_ in kinds)
        held = sum(job.racks for job in site.jobs) * site.servers_per_rack
        return cls(
            running=running + len(site.jobs),
            pods=pods + held,
            known=running + len(site.jobs) + submitted * site.scheduler.keep_seconds,
            an_hour=3600.0 * submitted,
            gpus_an_hour=3600.0 * rate * sum(share * size for share, _, size in kinds),
        )

    def series(self, layout: Layout, exporter: StateExporter) -> int:
        """Return about how many series an exporter of the scheduler has."""
        site = layout.site
        users = {user for kind in site.mix for user in kind.users} | {"root" for _ in site.jobs}
        accounts = {kind.account for kind in site.mix} | {job.name for job in site.jobs}
        objects: dict[str, float] = {
            "node": site.servers, "pod": self.pods, "job": self.known, "site": 1,
            "partition": 1, "user": len(users), "account": len(accounts),
        }  # fmt: skip
        if exporter is KUBE_STATE:
            objects |= Counter(own.kind for own in workloads_of(site))
            if site.scheduler.on_kubernetes:
                objects |= {"pod": site.servers + len(SLURM_PODS), "job": 0, "account": 1}
        return round(sum(count * exporter.series(of) for of, count in objects.items()))

    def by_exporter(self, layout: Layout) -> dict[str, int]:
        """Return about how many series each exporter of the scheduler has, by its title."""
        return {own.title: self.series(layout, own) for own in state_exporters_of(layout.site)}

    def new_gpu_series_an_hour(self, layout: Layout) -> int:
        """Return about how many series of GPUs begin in an hour because other jobs have them."""
        site = layout.site
        if not (site.pods_labelled or site.hpc_jobs_labelled):
            return 0
        each = sum(
            signal.series_on(site) * signal.copies_on(len(instances))
            for instances in layout.partitions
            for signal in layout.reported[GPU.name]
        ) / len(layout.partitions)
        # Most GPUs go from job to job over a time without one.
        return round(2.0 * self.gpus_an_hour * each)
