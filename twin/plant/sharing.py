"""Fair sharing of a capacity among ports that ask for more than there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.parameters import NetworkParameters
from twin.plant.units import Floats
from twin.plant.workload import Demand, Level

__all__ = ["Share", "fair_level", "storage_wanted"]

_STORAGE_READ_RATIO = 0.004


def storage_wanted(demand: Demand, network: NetworkParameters) -> tuple[Level, Level]:
    """Return what a port would write to the storage and read from it, in B/s."""
    rate, compute = network.bytes_per_second, demand.compute
    if isinstance(compute, np.ndarray) and compute.shape[1] > 1:
        compute = compute.mean(axis=1, keepdims=True)
    return demand.storage * rate, rate * (_STORAGE_READ_RATIO * compute + demand.loading)


def fair_level(wanted: Floats, members: Floats, limit: float) -> float:
    """Return the most that anyone gets when a limit is shared max-min fairly.

    A port that wants less than its share gets what it wants; the others share the rest equally.

    Args:
        wanted: by each member of a group, (groups,).
        members: of each group, (groups,).
        limit: for all together, in the unit of ``wanted``.

    Returns:
        The level, infinite where there is enough for all.
    """
    order = np.argsort(wanted)
    want, count = wanted[order].astype(np.float64), members[order].astype(np.float64)
    total = want * count
    if total.sum() <= limit:
        return float("inf")
    # The level, if all groups before this one got what they want and it and the rest did not.
    left = limit - (np.cumsum(total) - total)
    sharing = count.sum() - (np.cumsum(count) - count)
    levels = np.maximum(left, 0.0) / np.maximum(sharing, 1.0)
    return float(levels[np.argmax((levels < want) & (count > 0))])


@dataclass(frozen=True, slots=True)
class Share:
    """What the ports of all racks get of a limit.

    Attributes:
        wanted: by each port.
        ports: all of them, or those of each rack, (racks, 1).
        limit: for all ports together.
        level: the most that a port gets.
    """

    wanted: Level
    ports: Level
    limit: float
    level: float

    @classmethod
    def of(cls, wanted: Level, ports: Level, limit: float) -> Share:
        """Return how these ports share ``limit``; both numbers are for all, or both a rack's."""
        if isinstance(wanted, np.ndarray) and isinstance(ports, np.ndarray):
            return cls(wanted, ports, limit, fair_level(wanted[:, 0], ports[:, 0], limit))
        return cls(wanted, ports, limit, limit / max(float(ports), 1.0))

    @property
    def each(self) -> Level:
        """What a port gets: a number for all, or (racks, 1)."""
        if isinstance(self.wanted, np.ndarray):
            return np.minimum(self.wanted, self.level)
        return min(self.wanted, self.level)

    @property
    def total(self) -> float:
        """What all ports get together."""
        total = self.each * self.ports
        return float(total.sum()) if isinstance(total, np.ndarray) else total

    def pace(self, racks: slice) -> float:
        """Return what ports that want the same get, over what they would get by themselves.

        Args:
            racks: those of the ports.
        """
        if not isinstance(self.wanted, np.ndarray) or not isinstance(self.ports, np.ndarray):
            return 1.0
        wanted = float(self.wanted[racks][0, 0])
        alone = min(wanted, self.limit / max(float(self.ports[racks].sum()), 1.0))
        return min(wanted, self.level) / alone if alone > 0.0 else 1.0
