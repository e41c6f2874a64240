"""Blocks that were taken over and are not read yet.

Racks send far more often than anybody reads: their numbers are checked as they come, and converted
when they are asked for. What the next block of the same racks replaces costs no more than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from twin.wire import RackBlock

__all__ = ["PendingBlocks"]

_AT_ONCE = 512
"""Racks whose values are converted in some 10 ms."""


class PendingBlocks:
    """The blocks of a site that wait to be read.

    Args:
        racks: of the site.
        values: where they are written to: device class to (signals that travel, racks, devices a
            rack).
    """

    def __init__(self, racks: int, values: Mapping[str, NDArray[np.float64]]) -> None:
        self._values = values
        self._waiting: list[tuple[int, RackBlock] | None] = [None] * racks
        self._any = False

    def settling(self) -> Iterator[None]:
        """Write what waits, some racks at a step; what comes meanwhile may wait again."""
        for first in range(0, len(self._waiting), _AT_ONCE):
            if not self._any:
                return
            self.settle(slice(first, first + _AT_ONCE))
            yield

    def put(self, first: int, block: RackBlock) -> None:
        """Let a block wait in place of those before it.

        Args:
            first: its first rack; the others follow it.
            block: without anything wrong in it.
        """
        racks = len(block.racks)
        self._waiting[first : first + racks] = [(first, block)] * racks
        self._any = True

    def settle(self, racks: slice) -> None:
        """Write the values of these racks that wait."""
        if not self._any:
            return
        waiting = self._waiting
        start, stop, _ = racks.indices(len(waiting))
        rack = start
        while rack < stop:
            own, begin = waiting[rack], rack
            rack += 1
            if own is None:
                continue
            while rack < stop and waiting[rack] is own:
                rack += 1
            first, block = own
            for device, group in block.groups.items():
                self._values[device][:, begin:rack] = group[:, begin - first : rack - first]
        waiting[start:stop] = [None] * (stop - start)
        if stop - start == len(waiting):
            self._any = False
