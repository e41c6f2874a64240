"""Aggregator core, sans-I/O: messages in, expositions and figures out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from twin.aggregator.broker_figures import BrokerFigures
from twin.aggregator.detail import DetailControl, Outgoing
from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.ingest import Ingest, LimitedLog, contained
from twin.aggregator.live import Live
from twin.aggregator.metrics_pages import MetricsPages
from twin.aggregator.rollup import Rollups
from twin.aggregator.shard import ShardLink
from twin.aggregator.shard_assignment import ShardAssignment
from twin.aggregator.state import simulation_time
from twin.aggregator.store import Store
from twin.aggregator.summary import Summary, summarise
from twin.aggregator.telemetry import OwnTelemetry
from twin.aggregator.text_format import ExpositionWriter
from twin.bus import InboundMessage
from twin.catalog import UnitKind
from twin.site import DetailPlan, Layout
from twin.wire import Snapshot

__all__ = ["Core"]

_NAMED_RACKS = 5
"""Racks that a sentence names before it says how many more there are."""


class Core:
    """All parts of the aggregator, wired.

    Args:
        layout: the site.
        detail: how much of each array of the site is exposed; None for what the site says.
        division: which part of the site this is one of the aggregators of; None for all of it.
        watched: whether somebody may open the live page, so that it is worth remembering for it.

    Attributes:
        whole: the site.
        layout: what is exposed of it.
        shard: what it has to do with the site's other aggregators, None without any.
        store: the last values.
        telemetry: what the aggregator counts about itself.
        live: what it remembers for the live page.
    """

    def __init__(
        self,
        layout: Layout,
        detail: DetailPlan | None = None,
        division: ShardAssignment | None = None,
        *,
        watched: bool = True,
    ) -> None:
        self._watched = watched
        self.whole = layout
        self.layout = layout = layout if division is None else division.layout
        self.store = Store(layout)
        self.telemetry = OwnTelemetry(kind.value for kind in UnitKind)
        self._announced = EmulatorRegistry(layout.site.telemetry.interval_seconds)
        self._ingest = Ingest(layout, self.store, self._announced, self.telemetry)
        self.live = Live(self.store, self._announced)
        self.shard = None
        self._rollups = Rollups(self.store)
        if division is not None:
            self.shard = ShardLink(division, self.store, self.telemetry, self._announced)
            self._rollups = self.shard.rollups
        plan = detail or DetailPlan.of_site(self.whole.site)
        leads = division is None or division.leads
        self._exposure = MetricsPages(
            self.store, self._announced, self._rollups, self._own(plan), leads=leads
        )
        self._broker = BrokerFigures(self.whole.site.name) if leads else None
        self._detail = DetailControl(self.whole, plan, self._expose)
        self._outbox: list[Outgoing] = []
        self._log = LimitedLog()

    def handle(
        self, topic: str, payload: bytes, retain: bool, now: float, at: float | None = None
    ) -> None:
        """Take over one message, or count why not.

        Args:
            topic: its topic.
            payload: its content.
            retain: whether the broker had kept it.
            now: the wall clock, unix seconds.
            at: seconds of a monotonic clock, by which silence is measured; None to
                make do with ``now``, as when time is simulated.
        """
        if topic in self._detail.topics:
            self._handle_detail(topic, payload, retain, now)
            return
        if topic.startswith("$"):
            self._handle_broker(topic, payload, now)
            return
        if self.shard is not None and self.shard.concerns(topic):
            self._handle_part(self.shard, topic, payload, now)
            return
        self._ingest.handle(topic, payload, retain, now, at)
        self._rename()
        if self._watched and topic == self.live.pulse:
            with contained(self.telemetry, self._log, topic, now):
                self.live.sample()

    def run(self, messages: Sequence[InboundMessage], start: int, now: float, at: float) -> int:
        """Take over as many messages as can be taken as one, as :meth:`Ingest.run` says."""
        return self._ingest.run(messages, start, now, at)

    def take(self, kind: UnitKind, unit: int, snapshot: Snapshot, now: float) -> None:
        """Take over a frame that needs no decoding, as :meth:`Ingest.take` says."""
        self._ingest.take(kind, unit, snapshot, now)
        if self._watched and kind is UnitKind.GRID:
            self.live.sample()

    def tick(self, now: float, at: float | None = None) -> None:
        """Give up the units that have been silent for too long; clocks as for :meth:`handle`."""
        self._ingest.tick(now, at)
        self._rename()
        if self.shard is None or self.shard.division.leads:
            self._outbox += self._detail.remind()
        if self.shard is not None:
            ready = not self.not_ready()
            self._outbox += self.shard.tick(now, self._announced.interval, ready=ready)
        if self._watched:
            ts = simulation_time(self.store)
            self.live.look(self.telemetry.connected, ts if math.isfinite(ts) else None)

    def connected(self, connected: bool) -> None:
        """Take note that the connection to the broker came or went."""
        self.telemetry.connected = connected
        if connected:
            self._detail.connected()
        else:
            self._ingest.disconnected()

    @property
    def undelivered(self) -> bool:
        """Whether the broker has stopped to deliver statuses, while frames come."""
        return self._ingest.delivery.overdue

    def outbox(self) -> list[Outgoing]:
        """Return the messages that wait to be published, once."""
        outgoing, self._outbox = self._outbox, []
        return outgoing

    @property
    def plan(self) -> DetailPlan:
        """How much of each array of the site is exposed."""
        return self._detail.plan

    def metrics(self, *, openmetrics: bool = False, streams: bool = False) -> ExpositionWriter:
        """Return the aggregator's own metrics, the roll-ups and everything outside racks.

        Args:
            openmetrics: as which format.
            streams: whether it is sent piece by piece.
        """
        text = ExpositionWriter(openmetrics, streams=streams)
        text.chunks.append(self.telemetry.render(openmetrics=openmetrics))
        self._exposure.write_site(text)
        if self._broker is not None:
            self._broker.write(text)
        text.end()
        return text

    def array(
        self, array: int, *, openmetrics: bool = False, streams: bool = False
    ) -> ExpositionWriter:
        """Return what is exposed of one array.

        Args:
            array: which.
            openmetrics: as which format.
            streams: whether it is sent piece by piece.
        """
        text = ExpositionWriter(openmetrics, streams=streams)
        self._exposure.write_array(array, text)
        text.end()
        return text

    @property
    def exposure(self) -> MetricsPages:
        """Exposed series, for uses other than the text format."""
        return self._exposure

    def summary(self) -> Summary:
        """Return the key figures."""
        return summarise(
            self.store,
            self._rollups,
            self._exposure,
            self._ingest,
            self._announced,
            self.telemetry,
        )

    def _rename(self) -> None:
        """Rebuild the labels of racks whose identity has changed."""
        for rack in self._ingest.renamed:
            own = self.layout.unit_index(UnitKind.RACK, self.whole.unit_name(UnitKind.RACK, rack))
            if own is not None:
                self._exposure.rename(self.layout.array_of(own))
        self._ingest.renamed.clear()
        for rack, gpus in self._ingest.granted.items():
            own = self.layout.unit_index(UnitKind.RACK, self.whole.unit_name(UnitKind.RACK, rack))
            if own is not None:
                self._exposure.relabel(own, gpus)
        self._ingest.granted.clear()

    def _expose(self, plan: DetailPlan) -> None:
        self._exposure.plan = self._own(plan)

    def _own(self, plan: DetailPlan) -> DetailPlan:
        """Return what a plan of the site says of our arrays."""
        return DetailPlan(tuple(plan[array] for array in self.layout.array_numbers))

    def _handle_part(self, shard: ShardLink, topic: str, payload: bytes, now: float) -> None:
        with contained(self.telemetry, self._log, topic, now):
            shard.hear(topic, payload, now)

    def _handle_broker(self, topic: str, payload: bytes, now: float) -> None:
        with contained(self.telemetry, self._log, topic, now):
            if self._broker is not None:
                self._broker.handle(topic, payload)

    def _handle_detail(self, topic: str, payload: bytes, retain: bool, now: float) -> None:
        with contained(self.telemetry, self._log, topic, now):
            self._outbox += self._detail.handle(topic, payload, retain)

    def not_ready(self) -> list[str]:
        """Return what is missing before the site can be scraped in full, in sentences."""
        racks = self.store.units[UnitKind.RACK]
        unseen = np.flatnonzero(~(racks.seen | racks.released)).tolist()
        problems = []
        if not self.telemetry.connected:
            problems.append("The broker is not connected.")
        if unseen:
            more = f" and {len(unseen) - _NAMED_RACKS} more" if len(unseen) > _NAMED_RACKS else ""
            named = unseen[:_NAMED_RACKS]
            names = ", ".join(self.layout.unit_name(UnitKind.RACK, rack) for rack in named)
            problems.append(f"{len(unseen)} of {len(racks)} racks never reported: {names}{more}.")
        elif not racks.reporting.any():
            problems.append("No rack is reporting any more.")
        return problems
