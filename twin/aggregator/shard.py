"""Exchange between aggregator shards.

It publishes its part of the roll-ups once an interval, by which the others also know that it
is there. The first shard adds the parts up. When a new shard says that it is ready, the others
release what is the new one's.
"""

from __future__ import annotations

import numpy as np
import structlog

from twin.aggregator.detail import Outgoing
from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.ingest import Elapsed
from twin.aggregator.merge import MergedRollups, Parts, part_of
from twin.aggregator.rollup import Rollups
from twin.aggregator.shard_assignment import ShardAssignment
from twin.aggregator.store import Store
from twin.aggregator.telemetry import OwnTelemetry
from twin.catalog import UnitKind
from twin.wire import RollupPart, Topics, decode_message

__all__ = ["ShardLink"]

_LEAST_SECONDS = 1.0
"""Shortest interval between two parts: roll-ups are not scraped more often."""

_log = structlog.get_logger(__name__)


class ShardLink:
    """Speaks with the site's other aggregators.

    Args:
        division: which of them we are.
        store: of our arrays.
        telemetry: counts how many are heard.
        announced: what emulators say of themselves; after their timeout a part is too old too.

    Attributes:
        division: which of them we are.
        rollups: of our arrays; of the first shard also of all halls and the site.
        shards: that share the arrays now.
    """

    def __init__(
        self,
        division: ShardAssignment,
        store: Store,
        telemetry: OwnTelemetry,
        announced: EmulatorRegistry,
    ) -> None:
        self.division = division
        self.shards = division.shard.count
        self._store = store
        self._telemetry = telemetry
        self._parts = Parts(division, lambda: announced.timeout)
        self.rollups: Rollups = Rollups(store)
        if division.leads:
            self.rollups = MergedRollups(store, division, self._parts, lambda: self.owned)
        self._topics = Topics(division.whole.site.name)
        self._prefix = self._topics.rollup(division.replica, "")
        self._elapsed = Elapsed()
        self._next = 0.0
        self._released: frozenset[int] = frozenset()
        self._tell(1)

    @property
    def owned(self) -> tuple[int, ...]:
        """Our arrays, by their index on the site, without those that we have released."""
        numbers = self.division.layout.numbers
        return tuple(n for row, n in enumerate(numbers) if row not in self._released)

    def owner(self, array: int) -> int:
        """Return the shard that has an array of the site now."""
        return self.division.owners(self.shards)[array]

    def concerns(self, topic: str) -> bool:
        """Whether a topic is one of parts."""
        return topic.startswith(self._prefix)

    def hear(self, topic: str, payload: bytes, now: float) -> None:
        """Take over the part of another aggregator.

        Raises:
            FrameError: it is not valid.
        """
        name = topic.removeprefix(self._prefix)
        self._parts.hear(name, decode_message(RollupPart, payload), self._elapsed.read(now))
        self._look()

    def tick(self, now: float, interval: float, *, ready: bool) -> list[Outgoing]:
        """Return our part when it is due, and forget the shards that are silent.

        Args:
            now: the wall clock.
            interval: between two frames of a unit, in seconds of the wall clock.
            ready: whether all of our racks have reported.
        """
        at = self._elapsed.read(now)
        self._parts.expire(at)
        self._tell(1 + self._parts.live(self.owned))
        if at < self._next:
            return []
        self._next = at + max(_LEAST_SECONDS, interval) * 0.9
        part = part_of(self.division, self.rollups, self.owned, ready=ready)
        name = str(self.division.shard.index)
        topic = self._topics.rollup(self.division.replica, name)
        return [Outgoing(topic, part.encode(), qos=0)]

    def _tell(self, parts: int) -> None:
        leads = self.division.leads
        self._telemetry.rolled_up(parts if leads else 0, self.shards if leads else 0)

    def _look(self) -> None:
        """Release the arrays of a new shard, once it is ready."""
        shards = max(self.shards, self._parts.shards)
        if shards == self.shards:
            return
        _log.info("another aggregator has come", shards=shards, before=self.shards)
        self.shards = shards
        self._released = self.division.released(shards)
        layout = self.division.layout
        arrays = np.isin(np.arange(layout.units(UnitKind.ARRAY)), list(self._released))
        racks = np.repeat(arrays, layout.site.racks_per_array)[: layout.units(UnitKind.RACK)]
        self._store.release(UnitKind.ARRAY, arrays)
        self._store.release(UnitKind.RACK, racks)
