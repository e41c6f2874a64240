"""Ingest of runs: frames of neighbouring units that came one after the other, taken over as one.

A site has some thousand units beside racks whose frames are small: what is done once a message
costs more than their numbers. All of a run is checked as single frames are; where anything is out
of the usual, each of its frames goes its own way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from twin.aggregator.block_ingest import taken
from twin.catalog import UnitKind

if TYPE_CHECKING:
    from twin.aggregator.emulator_registry import EmulatorRegistry
    from twin.aggregator.store import Store
    from twin.aggregator.telemetry import OwnTelemetry
    from twin.bus import InboundMessage
    from twin.wire import Decoder

__all__ = ["FrameRuns"]

_SHORTEST = 4
"""Frames below which nothing is gained."""


class FrameRuns:
    """Takes runs over.

    Args:
        store: takes the values.
        announced: the emulators and their clock.
        telemetry: counts the frames.
        decoders: of frames, by kind.
        topics: units whose frames have come, by their topic.
    """

    def __init__(
        self,
        store: Store,
        announced: EmulatorRegistry,
        telemetry: OwnTelemetry,
        decoders: Mapping[UnitKind, Decoder],
        topics: Mapping[str, tuple[UnitKind, int]],
    ) -> None:
        self._store = store
        self._announced = announced
        self._telemetry = telemetry
        self._decoders = decoders
        self._topics = topics
        self.lag: float | None = None
        """Of the last frame of the last run, in seconds; None where it cannot be told."""

    def length(self, messages: Sequence[InboundMessage], start: int) -> int:
        """Return how many messages from ``start`` on may be taken as one, 0 for none."""
        known = self._topics.get(messages[start].topic)
        if known is None or known[0] is UnitKind.RACK:
            return 0
        (kind, unit), size, end = known, len(messages[start].payload), start
        while (
            end < len(messages)
            and self._topics.get(messages[end].topic) == (kind, unit)
            and len(messages[end].payload) == size
            and not messages[end].retain
        ):
            end, unit = end + 1, unit + 1
        return end - start if end - start >= _SHORTEST else 0

    def take(self, messages: Sequence[InboundMessage], now: float, at: float) -> bool:
        """Take over a run and return whether it was; if not, each is to be taken by itself.

        Args:
            messages: of a run.
            now: the wall clock, unix seconds.
            at: elapsed time.
        """
        kind, first = self._topics[messages[0].topic]
        rows = self._decoders[kind].rows([message.payload for message in messages])
        if rows is None or self._announced.is_ahead(max(rows.ts), now):
            return False
        own = slice(first, first + len(messages))
        steps = self._store.units[kind].steps(own, rows.ts, rows.seq)
        if steps is None:
            return False
        self._store.accept_run(kind, first, rows, steps, at)
        self.lag = taken(self._telemetry, self._announced, kind, steps, rows.ts, now)
        return True
