"""Observer of a simulated site: ``twin shadow`` without a bus, fed with the frames of scrapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from twin.catalog import UnitKind
from twin.errors import FrameError
from twin.shadow.core import ShadowCore, ShadowSettings
from twin.shadow.reports import reports
from twin.site import Layout
from twin.wire import OutboundMessage, Snapshot

__all__ = ["Observer"]


class Observer:
    """The observer beside a simulated site, with the settings that ``twin shadow`` has.

    Args:
        layout: the site.
        interval: seconds between two frames that have values.
    """

    def __init__(self, layout: Layout, interval: float) -> None:
        self._core = ShadowCore(layout, ShadowSettings.usual(interval))

    def take(self, kind: UnitKind, unit: int, snapshot: Snapshot) -> None:
        """Take in a frame of a unit."""
        with suppress(FrameError):  # older than the last: its clock was set back
            if kind is UnitKind.RACK:
                self._core.take(unit, snapshot)
            else:
                self._core.take_unit(kind, unit, snapshot)

    def reports(self) -> Iterator[OutboundMessage]:
        """Evaluate what has come, and yield what there is to say once a block has ended."""
        before = self._core.blocks
        self._core.evaluate()
        if self._core.blocks > before:
            yield from reports(self._core)
