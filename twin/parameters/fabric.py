"""Fabric of a site: switch counts, and the device on every port.

Rail-optimised: an array has one leaf switch a rail, and NIC ``k`` of every server of
the array hangs on leaf ``k``. The spines form planes: uplink ``k`` of every leaf goes
to plane ``k`` modulo the number of planes. A small fabric has two tiers, with one spine
a plane and several links from a leaf to it; a large one turns half of each spine's
ports up to a third tier, which is taken to be without faults and is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from twin.parameters.network import NetworkParameters

__all__ = ["FabricShape"]


@dataclass(frozen=True, slots=True)
class FabricShape:
    """Counts of the fabric.

    Attributes:
        arrays: arrays of the site.
        rails: leaf switches an array, one for each compute NIC of a server.
        downlinks: ports of a leaf to servers.
        uplinks: ports of a leaf to spines; together about as fast as the downlinks.
        planes: planes of spines.
        spines: spines a plane.
        leaves_per_spine: leaves that hang on one spine of each plane.
        tiers: 2, or 3 where the leaves do not fit under one spine a plane.
    """

    arrays: int
    rails: int
    downlinks: int
    uplinks: int
    planes: int
    spines: int
    leaves_per_spine: int
    tiers: int

    @classmethod
    def of(cls, network: NetworkParameters, arrays: int, rails: int, downlinks: int) -> FabricShape:
        """Return the smallest fabric that serves so many ports without oversubscription."""
        speed = network.uplink_bytes_per_second / network.bytes_per_second
        uplinks = max(2, ceil(downlinks / speed))
        leaves = arrays * rails
        if leaves <= network.spine_ports:
            planes = min(uplinks, max(2, ceil(leaves * uplinks / network.spine_ports)))
            return cls(arrays, rails, downlinks, uplinks, planes, 1, leaves, 2)
        under = network.spine_ports // 2
        spines = ceil(leaves / under)
        return cls(arrays, rails, downlinks, uplinks, uplinks, spines, under, 3)

    @property
    def leaves(self) -> int:
        """Leaf switches of the site."""
        return self.arrays * self.rails

    @property
    def ports(self) -> int:
        """Ports of a leaf that are in use."""
        return self.downlinks + self.uplinks

    def port_name(self, port: int) -> str:
        """Return a leaf port's name as the switch has it.

        An 800G port carries two 400G servers, ``swp1s0`` and ``swp1s1``; uplinks follow
        as whole ports.
        """
        if port < self.downlinks:
            return f"swp{port // 2 + 1}s{port % 2}"
        return f"swp{(self.downlinks + 1) // 2 + port - self.downlinks + 1}"

    def spine_of(self, leaf: int, uplink: int) -> tuple[int, int]:
        """Return plane and spine that an uplink of the site's ``leaf``-th leaf goes to."""
        return uplink % self.planes, leaf // self.leaves_per_spine
