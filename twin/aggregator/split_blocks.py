"""Label blocks in two parts: what tells series of a device apart, and what all of them end with.

The blocks of a host's series differ in their first labels only, and those of another host in their
last ones only. So each part is kept once, and they are put together when they are printed. That
takes 0.7 MiB for the 64 hosts of the demo, where whole blocks take 12 MiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from operator import add, itemgetter
from typing import overload

__all__ = ["SplitBlocks"]


class SplitBlocks(Sequence[bytes]):
    """Label blocks of the series of a column, device by device.

    Args:
        devices: of each device the first parts of its blocks, and the part that ends them all.
    """

    __slots__ = ("_count", "first", "last")

    first: tuple[tuple[bytes, ...], ...]
    """First parts of the blocks that end alike, one after the other."""
    last: tuple[bytes, ...]
    """How they end, for each of these."""

    def __init__(self, devices: Iterable[tuple[Sequence[bytes], bytes]]) -> None:
        same: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}
        first, last = [], []
        # Devices that end alike, such as the ports of a switch, are as one.
        for end, those in groupby(devices, key=itemgetter(1)):
            own = tuple([part for firsts, _ in those for part in firsts])
            first.append(same.setdefault(own, own))
            last.append(end)
        self.first, self.last = tuple(first), tuple(last)
        self._count = sum(map(len, first))

    @property
    def firsts(self) -> list[bytes]:
        """First part of each block."""
        return list(chain.from_iterable(self.first))

    @property
    def lasts(self) -> list[bytes]:
        """Last part of each block."""
        return list(chain.from_iterable(map(repeat, self.last, map(len, self.first))))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        return map(add, self.firsts, self.lasts)

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[bytes]: ...

    def __getitem__(self, place: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(place, slice):
            return tuple(self)[place]
        return self.firsts[place] + self.lasts[place]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SplitBlocks):
            return NotImplemented
        return (self.first, self.last) == (other.first, other.last)

    __hash__ = None  # type: ignore[assignment]  # as other sequences that are compared by content
