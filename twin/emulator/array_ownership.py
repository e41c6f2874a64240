"""Array ownership: which arrays a shard publishes, by the other shards that are online."""

from __future__ import annotations

from twin.site import FACILITY, Shard
from twin.wire import EmulatorStatus

__all__ = ["ArrayOwnership"]


class ArrayOwnership:
    """The arrays of one shard.

    Args:
        shard: which.
        arrays: how many the site has.

    Attributes:
        arrays: those that it publishes, by their index on the site.

    Raises:
        ConfigError: the site has fewer arrays than there are shards.
    """

    def __init__(self, shard: Shard, arrays: int) -> None:
        self._shard = shard
        self._count = arrays
        self._counts: dict[int, int] = {}
        self.arrays = shard.arrays(arrays)

    def on_status(self, status: EmulatorStatus) -> None:
        """Give arrays to shards that join and take them back from those that end.

        A shard that is lost keeps its arrays, as it will be replaced.
        """
        if status.shard is None or status.shard == FACILITY:
            return
        index, count = (int(number) for number in status.shard.split("/"))
        if status.state == "offline":
            self._counts.pop(index, None)
        elif status.state == "online" and index < count <= self._count:
            self._counts[index] = count
        most = max(self._shard.count, *self._counts.values(), 0)
        self.arrays = self._shard.of(most).arrays(self._count)
