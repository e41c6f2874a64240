"""The aggregator without any I/O: messages in, texts and figures out."""

from __future__ import annotations

from twin.aggregator.announced import Announced
from twin.aggregator.exposition import Page, array_page, site_page
from twin.aggregator.ingest import Ingest
from twin.aggregator.rollup import RollupPage, Rollups
from twin.aggregator.state import StatePage
from twin.aggregator.store import Store
from twin.aggregator.summary import Summary, summarise
from twin.aggregator.telemetry import Telemetry
from twin.aggregator.text import Text
from twin.catalog import Frame
from twin.site import Layout

__all__ = ["Core"]

_NAMED_RACKS = 5
"""Racks that a sentence names before it says how many more there are."""


class Core:
    """All parts of the aggregator, wired.

    Attributes:
        layout: the site.
        store: the last values.
        telemetry: what the aggregator counts about itself.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.store = Store(layout)
        self.telemetry = Telemetry(kind.value for kind in Frame)
        self._announced = Announced(layout.site.telemetry.interval_seconds)
        self._ingest = Ingest(layout, self.store, self._announced, self.telemetry)
        self._rollups = Rollups(self.store)
        self._arrays: dict[int, Page] = {}
        self._overview = (
            StatePage(self.store, self._announced),
            RollupPage(self.store, self._rollups),
            site_page(self.store),
        )

    def handle(self, topic: str, payload: bytes, retain: bool, now: float) -> None:
        """Take over one message, or count why not; ``now`` is the wall clock, unix seconds."""
        self._ingest.handle(topic, payload, retain, now)

    def tick(self, now: float) -> None:
        """Give up the units that have been silent for too long; ``now`` is the wall clock."""
        self._ingest.tick(now)

    def connected(self, connected: bool) -> None:
        """Take note that the connection to the broker came or went."""
        self.telemetry.connected = connected
        if not connected:
            self._ingest.disconnected()

    def metrics(self) -> Text:
        """Return the aggregator's own metrics, the roll-ups and everything outside racks."""
        text = Text([self.telemetry.render()])
        for page in self._overview:
            page.write(text)
        return text

    def array(self, array: int) -> Text:
        """Return the full detail of one array."""
        if array not in self._arrays:
            self._arrays[array] = array_page(self.store, array)
        text = Text()
        self._arrays[array].write(text)
        return text

    def summary(self) -> Summary:
        """Return the key figures."""
        return summarise(self.store, self._rollups, self._ingest, self._announced, self.telemetry)

    def not_ready(self) -> list[str]:
        """Return what is missing before the site can be scraped in full, in sentences."""
        racks = self.store.units[Frame.RACK]
        unseen = [
            self.layout.unit_name(Frame.RACK, rack)
            for rack, seen in enumerate(racks.seen.tolist())
            if not seen
        ]
        problems = []
        if not self.telemetry.connected:
            problems.append("The broker is not connected.")
        if unseen:
            more = f" and {len(unseen) - _NAMED_RACKS} more" if len(unseen) > _NAMED_RACKS else ""
            names = ", ".join(unseen[:_NAMED_RACKS])
            problems.append(f"{len(unseen)} of {len(racks)} racks never reported: {names}{more}.")
        elif not racks.reporting.any():
            problems.append("No rack is reporting any more.")
        return problems
