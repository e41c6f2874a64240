"""Pages of scheduler exporters: nodes and pods on the page of their array, the rest on the site's.

What is exposed follows from the same messages as the labels of GPU series, so the two agree
whenever they are scraped. Series are rebuilt only when a message has changed something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

from twin.aggregator import (
    kube_state,
    kube_workloads,
    slinky_state,
    slurm_pods,
    slurm_state,
    vpenso_state,
)
from twin.aggregator.state_series import StateFamily, StateSeries
from twin.aggregator.store import Store
from twin.aggregator.text_format import ExpositionWriter, MetricHead, SeriesColumn
from twin.catalog import UnitKind
from twin.catalog.schedulers import (
    COLLECT_SECONDS,
    KUBE_STATE,
    SLINKY,
    SLURM,
    SOPERATOR,
    VPENSO,
    StateExporter,
    state_exporters_of,
)
from twin.wire import RackJobs

__all__ = ["SchedulerPages"]

_Columns = list[tuple[MetricHead, list[SeriesColumn]]]


@dataclass(slots=True)
class _Page:
    """What was exposed last, and the versions of what it was made of."""

    versions: object
    columns: _Columns
    families: list[StateFamily]


class SchedulerPages:
    """The series of a site's scheduler exporters.

    Args:
        store: of the site, or of a part of it.
        told: whether an emulator publishes; without, what the broker kept is out of date.
    """

    def __init__(self, store: Store, told: Callable[[], bool]) -> None:
        self._store, self._layout, self._names = store, store.layout, store.names
        self._book = store.names.jobs
        self._told = told
        self._exporters = state_exporters_of(store.layout.entire.site)
        self._pages: dict[int | None, _Page] = {}

    def rename(self, array: int) -> None:
        """Rebuild the series of an array whose hosts have new names."""
        self._pages.pop(array, None)

    def write_site(self, text: ExpositionWriter) -> None:
        """Append what belongs to no array: jobs, pods that wait, counts."""
        if self._exporters and self._book.queue is not None:
            self._write(text, None, (self._book.queue_version, self._look), self._site)

    def write_array(self, array: int, text: ExpositionWriter) -> None:
        """Append the nodes of an array and what runs on them."""
        if not self._exporters:
            return
        racks = [self._layout.number(UnitKind.RACK, rack) for rack in self._layout.racks_of(array)]
        versions = (self._since, self._look, *(self._book.versions.get(rack) for rack in racks))
        self._write(text, array, versions, lambda exporter, own: self._racks(exporter, own, racks))

    def series(self, array: int | None) -> int:
        """Return how many series were exposed last of an array, or of what belongs to none."""
        page = self._pages.get(array)
        if page is None:
            return 0
        families = sum(len(own.names) for own in page.families)
        return families + sum(len(column.labels) for _, own in page.columns for column in own)

    def _write(
        self,
        text: ExpositionWriter,
        key: int | None,
        versions: object,
        fill: Callable[[StateExporter, StateSeries], None],
    ) -> None:
        if not self._told():
            return
        page = self._pages.get(key)
        if page is None or page.versions != versions:
            page = self._pages[key] = self._made(versions, fill)
        for own, shown in page.columns:
            if text.wants(own.name):
                text.add(own, shown)
        for family in page.families:
            if any(map(text.wants, dict.fromkeys(family.names))):
                text.add_family(family.head, family.names, family.labels, family.values)

    def _made(self, versions: object, fill: Callable[[StateExporter, StateSeries], None]) -> _Page:
        """Return a page: what two exporters call the same is one metric on it, with one head."""
        columns: dict[str, tuple[MetricHead, list[SeriesColumn]]] = {}
        families: dict[str, StateFamily] = {}
        for exporter in self._exporters:
            series = StateSeries(exporter, self._rest(exporter))
            fill(exporter, series)
            for own, column in series.columns():
                columns.setdefault(own.name, (own, []))[1].append(column)
            for family in series.families:
                first = families.setdefault(family.head.name, family)
                if first is not family:
                    first.extend(family)
        return _Page(versions, list(columns.values()), list(families.values()))

    @property
    def _look(self) -> int:
        """Number of soperator's last look at Slurm: what it counts is of then."""
        now = self._store.now
        return 0 if SOPERATOR not in self._exporters or isnan(now) else int(now // COLLECT_SECONDS)

    @property
    def _since(self) -> float:
        """Simulated time at which the scheduler began, unix seconds; 0 before it was told."""
        told = None if self._book.queue is None else self._book.queue.scheduler
        return 0.0 if told is None else told.since

    def _rest(self, exporter: StateExporter) -> tuple[tuple[str, str], ...]:
        site = self._layout.site.name
        return (("job", exporter.job), ("instance", exporter.instance), ("site", site))

    def _racks(self, exporter: StateExporter, series: StateSeries, racks: Sequence[int]) -> None:
        for rack in racks:
            told = self._book.racks.get(rack)
            if told is not None:
                self._rack(exporter, series, told, rack)

    def _rack(
        self, exporter: StateExporter, series: StateSeries, told: RackJobs, rack: int
    ) -> None:
        site, identity = self._layout.entire.site, self._names.rack(rack)
        hosts, workers = identity.hostnames, site.scheduler.on_kubernetes
        nodes = slurm_pods.worker_names(site, rack) if workers else hosts
        if exporter is KUBE_STATE:
            instances = self._names.instances(rack)
            kube_state.rack_series(series, site, hosts, told, identity.gpu_model, instances)
            if workers:
                self._slurm_pods(series, hosts, told, rack)
        elif exporter is SLURM:
            slurm_state.endpoint_rack(series, site, nodes, told)
        elif exporter is SOPERATOR:
            slurm_state.soperator_rack(series, site, nodes, told, hosts)
            self._book.history.write(series, rack, nodes, self._store.now)
        elif exporter is VPENSO:
            vpenso_state.vpenso_rack(series, site, nodes, told)
        elif exporter is SLINKY:
            slinky_state.slinky_rack(series, site, nodes, told)

    def _slurm_pods(
        self, series: StateSeries, hosts: Sequence[str], told: RackJobs, rack: int
    ) -> None:
        site = self._layout.entire.site
        slurm_pods.worker_series(series, site, hosts, told, rack, self._since)
        if rack == 0 and told.nodes:
            ready = told.nodes[0].ready
            slurm_pods.daemon_series(series, site, hosts[0], self._since, ready=ready)

    def _site(self, exporter: StateExporter, series: StateSeries) -> None:
        queue, site = self._book.queue, self._layout.entire.site
        if queue is None:
            return
        if exporter is KUBE_STATE:
            kube_state.own_series(series, queue.ts - self._since)
            kube_workloads.workload_series(series, site, queue.nodes, self._since)
        if exporter is KUBE_STATE and site.scheduler.kind == "kubernetes":
            # A pod that waits asks for instances where there is nothing else.
            cuts = set(self._layout.entire.partitions)
            kube_state.job_series(series, site, queue.jobs, cuts.pop() if len(cuts) == 1 else ())
        elif exporter is SLURM:
            slurm_state.endpoint_site(series, site, queue)
        elif exporter is SOPERATOR:
            now = self._store.now
            slurm_state.soperator_jobs(series, site, queue, now)
            slurm_state.soperator_controller(series, site, queue, now, self._book.submitted)
        elif exporter is VPENSO:
            vpenso_state.vpenso_site(series, site, queue)
        elif exporter is SLINKY:
            slinky_state.slinky_site(series, site, queue)
