"""The fabric: leaf switches, their traffic, congestion marks, drops, and routes to the spines.

Every octet that a leaf takes in goes out again or is discarded, and what leaves one
leaf for the spines arrives at another. How fast a job's collectives run depends on the
leaf of its arrays that has lost most of its way up: a job waits for its slowest flow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import LEAF
from twin.plant.nic import Nics
from twin.plant.switch import ASIC_SECONDS, IDLE_CELSIUS, RISE_KELVIN, Octets, known
from twin.plant.units import Floats, Kept, Unchanged, all_of, frozen, lag, sum_of
from twin.site import Layout

__all__ = ["Fabric", "uplink_pace"]

_ALL = slice(None)
_UP, _DOWN = 1.0, 2.0
_MEGABIT = 125_000.0
"""Bytes."""


def uplink_pace(share: Floats, throughput: float, best: float, crossing: float) -> Floats:
    """Return how fast flows over the spines run, over how fast they run at best.

    Args:
        share: uplinks in service over all uplinks, any shape.
        throughput: share of line rate that routing reaches.
        best: the same with adaptive routing, at which the job's bursts were measured.
        crossing: share of the traffic that crosses the spines.
    """
    pace: Floats = throughput / best * np.minimum(share / max(crossing, 1e-6), 1.0)
    return np.minimum(pace, 1.0)


class Fabric:
    """State of all leaves, (arrays, rails); spines are (planes, spines a plane).

    Attributes:
        into_spines: bytes that leaves sent to each spine in the last step.
        from_spines: bytes that each spine sent to leaves.
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._network = layout.site.network
        shape = self._shape = layout.site.fabric
        site = layout.site
        self._racks = (site.racks, site.servers_per_rack)
        self._detailed = site.telemetry.extra_signals
        self._kept = Kept()
        self._unchanged = Unchanged()
        self._first_rack = np.arange(shape.arrays) * site.racks_per_array
        self._array_of_rack = np.arange(site.racks) // site.racks_per_array
        self._full = site.racks == shape.arrays * site.racks_per_array
        self._leaves = layout.shape(LEAF)
        self._base = IDLE_CELSIUS + rng.normal(0.0, 1.0, self._leaves)
        self._rise = np.zeros(self._leaves)
        self.leaf_up = np.ones(self._leaves, dtype=np.bool_)
        self.spine_up = np.ones((shape.planes, shape.spines), dtype=np.bool_)
        self._adaptive = True
        arrays = np.arange(site.arrays)[:, None]
        leaf = (arrays * shape.rails + np.arange(shape.rails)).reshape(-1)
        self._group = leaf // shape.leaves_per_spine
        self._plane = np.arange(shape.uplinks) % shape.planes
        self._groups, self._first_of_group = np.unique(self._group, return_index=True)
        self._leaf = Octets.zeros(self._leaves)
        self._uplink = Octets.zeros((shape.leaves, shape.uplinks))
        self.into_spines: Floats = np.zeros(self.spine_up.shape)
        self.from_spines: Floats = np.zeros(self.spine_up.shape)
        self.discarded: Floats = np.zeros(self._leaves)
        """Bytes that leaves dropped, (arrays, rails)."""
        self._uplink_discards = np.zeros((shape.leaves, shape.uplinks))
        self._use: Floats = np.zeros(self._leaves)
        self._load: Floats = np.zeros(self._leaves)
        self._route()

    # -- health ---------------------------------------------------------------

    def condition(
        self,
        leaf_up: NDArray[np.bool_],
        spine_up: NDArray[np.bool_],
        *,
        adaptive: bool,
        live: bool,
    ) -> None:
        """Take over which switches run and how they route.

        Args:
            leaf_up: (arrays, rails): leaves that are well.
            spine_up: (planes, spines a plane): spines that are.
            adaptive: whether adaptive routing is on.
            live: whether there is power.
        """
        if self._unchanged(leaf_up, spine_up, adaptive, live):
            return
        adaptive = adaptive and self._network.adaptive_routing
        leaf_up, spine_up = leaf_up & live, spine_up & live
        same = (
            adaptive == self._adaptive
            and np.array_equal(leaf_up, self.leaf_up)
            and np.array_equal(spine_up, self.spine_up)
        )
        if not same:
            self._adaptive = adaptive
            self.leaf_up, self.spine_up = leaf_up, spine_up
            self._route()

    def _route(self) -> None:
        """Work out which uplinks are in service and what they can carry."""
        network, shape = self._network, self._shape
        ends = self.spine_up[:, self._group].T[:, self._plane]
        self._uplinks: NDArray[np.bool_] = ends & self.leaf_up.reshape(-1, 1)
        count = self._uplinks.sum(axis=1)
        self._share = self._uplinks / np.maximum(count, 1)[:, None]
        self._to_plane = np.zeros((shape.planes, shape.leaves))
        np.add.at(self._to_plane, self._plane, self._share.T)
        self._in_service = (count / shape.uplinks).reshape(self._leaves)
        best = network.adaptive_throughput_ratio
        reached = best if self._adaptive else network.static_throughput_ratio
        pace = uplink_pace(self._in_service, reached, best, network.spine_ratio)
        self._isolated = (self._in_service == 0) & self.leaf_up
        running = self.leaf_up & (self._in_service > 0)
        self._pace = np.where(running, pace, 1.0)
        short = np.where(running, 1.0 / np.maximum(pace, 1e-3) - 1.0, 0.0)
        self.drop = np.minimum(network.discard_ratio * short, 1.0)
        """Share of the traffic that each leaf drops under congestion, (arrays, rails)."""
        self.dropping = bool(self.drop.any())

    @property
    def octets(self) -> Octets:
        """Running totals of the leaves, (arrays, rails)."""
        return self._leaf

    @property
    def uplink_octets(self) -> Octets:
        """The same of their uplinks, (leaves, uplinks)."""
        return self._uplink

    @property
    def isolated(self) -> int:
        """Leaves that run but have no way to a spine."""
        return self.isolated_in(_ALL)

    def isolated_in(self, arrays: slice) -> int:
        """Return how many leaves of these arrays run but have no way to a spine."""
        return int(np.count_nonzero(self._isolated[arrays]))

    @property
    def pace(self) -> float:
        """Throughput of the slowest leaf over that of a healthy fabric."""
        return self.pace_in(_ALL)

    def pace_in(self, arrays: slice) -> float:
        """Return the same of the slowest leaf of these arrays."""
        return float(self._pace[arrays].min())

    @property
    def isolated_arrays(self) -> NDArray[np.bool_]:
        """Arrays of which a leaf runs but has no way to a spine."""
        isolated: NDArray[np.bool_] = self._isolated.any(axis=1)
        return isolated

    @property
    def array_paces(self) -> Floats:
        """Throughput of the slowest leaf of each array over that of a healthy fabric."""
        paces: Floats = self._pace.min(axis=1)
        return paces

    def links(self, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which NICs have link, given which can hold one, both (racks, NICs a rack)."""
        if all_of(self.leaf_up):
            return held
        racks, servers = self._racks
        up = held.copy().reshape(racks, servers, -1)
        up[:, :, : self._shape.rails] &= self.leaf_up[self._array_of_rack][:, None, :]
        return up.reshape(held.shape)

    def drops(self) -> Floats | None:
        """Return the share of each server's traffic that its leaves drop, (servers, rails).

        None when no leaf drops anything.
        """
        if not self.dropping:
            return None
        return np.repeat(self.drop[self._array_of_rack], self._racks[1], axis=0)

    # -- traffic --------------------------------------------------------------

    def step(self, nics: Nics, dt: float) -> None:
        """Carry what the NICs sent and were sent in the last ``dt`` seconds."""
        sent, out = self._per_leaf(nics.sent) * dt, self._per_leaf(nics.delivered) * dt
        local = np.minimum((1.0 - self._network.spine_ratio) * sent, out)
        onward, down = sent - local, out - local
        if nics.dropped is not None:
            dropped = self._per_leaf(nics.dropped) * dt
            packets = dropped.reshape(-1, 1) / self._network.packet_bytes
            self._uplink_discards += packets * self._share
            self.discarded += dropped
            onward = onward - dropped
        up = np.maximum(onward, 0.0)
        self._leaf.received += sent + down
        self._leaf.transmitted += out + up
        self._uplink.transmitted += up.reshape(-1, 1) * self._share
        self._uplink.received += down.reshape(-1, 1) * self._share
        self.into_spines, self.from_spines = self._per_spine(up), self._per_spine(down)
        self._warm(sent, up, dt)

    def _warm(self, sent: Floats, up: Floats, dt: float) -> None:
        network, shape = self._network, self._shape
        seconds = max(dt, 1e-9)
        carried = shape.uplinks * network.uplink_bytes_per_second
        self._use = up / (seconds * carried * np.maximum(self._in_service, 1e-9))
        self._load = sent / (seconds * shape.downlinks * network.bytes_per_second)
        self._rise += (RISE_KELVIN * self._load - self._rise) * lag(dt, ASIC_SECONDS)

    def _per_rack(self, values: Floats) -> Floats:
        racks, servers = self._racks
        sums: Floats = values.reshape(racks, servers, -1).sum(axis=1, dtype=np.float64)
        return sums

    def _per_leaf(self, values: Floats) -> Floats:
        """Return the sum over each leaf's servers, from (servers, rails)."""
        if self._full:
            sums: Floats = values.reshape(self._shape.arrays, -1, self._shape.rails).sum(
                axis=1, dtype=np.float64
            )
            return sums
        return np.add.reduceat(self._per_rack(values), self._first_rack, axis=0)

    def _per_spine(self, up: Floats) -> Floats:
        """Return what leaves exchange with each spine, (planes, spines)."""
        given: Floats = self._to_plane * up.reshape(1, -1)
        groups: Floats = np.add.reduceat(given, self._first_of_group, axis=1)
        if groups.shape == self.spine_up.shape:  # each spine has its own
            return groups
        spines: Floats = np.zeros(self.spine_up.shape)
        spines[:, self._groups] = groups
        return spines

    # -- outputs --------------------------------------------------------------

    @property
    def power(self) -> float:
        """Electrical power of all leaves in W."""
        return sum_of(self._leaf_power())

    def _leaf_power(self) -> Floats:
        network = self._network
        drawn = network.switch_idle_watts + network.switch_traffic_watts * self._load
        return drawn if all_of(self.leaf_up) else np.where(self.leaf_up, drawn, 0.0)

    def leaf_outputs(self, nics: Nics) -> dict[str, Floats]:
        """Return all signals of the catalogue's leaf class, NaN where a leaf is down but ``up``."""
        kept = self._kept
        marked, paused, link = frozen(nics.marked), frozen(nics.paused), frozen(nics.link)
        links = kept("links", lambda: self._of_rails(link.astype(np.float32)), link)
        in_service = self._uplinks.sum(axis=1).reshape(self._leaves).astype(float)
        values = {
            "power": self._leaf_power(),
            "temperature": self._base + self._rise,
            "rx_bytes": self._leaf.received,
            "tx_bytes": self._leaf.transmitted,
            "discarded_bytes": self.discarded,
            "ecn_marked": kept("marked", lambda: self._of_rails(marked), marked),
            "pause": kept("paused", lambda: self._of_rails(paused), paused),
            "uplink_utilization": np.minimum(self._use, 2.0),
            "uplink_tx_bytes": self._uplink.transmitted.sum(axis=1).reshape(self._leaves),
            "uplink_capacity": self._network.uplink_bytes_per_second * in_service,
            "uplinks_up": in_service,
            "downlinks_up": links,
        }
        return {"up": self.leaf_up.astype(float), **known(values, self.leaf_up)}

    def port_outputs(self, nics: Nics) -> dict[str, Floats]:
        """Return the reported signals of the catalogue's port class, (arrays, leaves times ports).

        A port whose leaf is down, or that has no server, does not report. Without the extra
        signals a large site is spared the work for them.
        """
        link, up = frozen(nics.link), frozen(self._uplinks)

        def status() -> Floats:
            return self._ports(np.where(link, _UP, _DOWN), np.where(up, _UP, _DOWN))

        outputs = {"oper_status": self._kept("oper_status", status, link, up)}
        if self._detailed:
            network, none = self._network, np.zeros(nics.link.shape)
            sent = nics.rx_bytes + nics.lost_bytes
            rate = np.full(self._uplinks.shape, network.uplink_bytes_per_second / _MEGABIT)
            outputs |= {
                "in_octets": self._ports(nics.tx_bytes, self._uplink.received),
                "out_octets": self._ports(sent, self._uplink.transmitted),
                "high_speed": self._ports(nics.rate / _MEGABIT, rate),
                "in_errors": self._ports(none, np.zeros(self._uplinks.shape)),
                "out_discards": self._ports(none, self._uplink_discards),
            }
        if self.leaf_up.all():
            return outputs
        return known(outputs, np.repeat(self.leaf_up, self._shape.ports, axis=1))

    def _of_rails(self, values: Floats) -> Floats:
        """Return the sum over each leaf's NICs, from (racks, NICs a rack)."""
        racks, servers = self._racks
        rails = values.reshape(racks * servers, -1)[:, : self._shape.rails]
        return self._per_leaf(rails)

    def _ports(self, down: Floats, up: Floats) -> Floats:
        """Return the values of all ports, leaf by leaf, downlinks first.

        Args:
            down: of the NICs at the other ends, (racks, NICs a rack).
            up: of the uplinks, (leaves, uplinks).
        """
        shape = self._shape
        racks, servers = self._racks
        rails = down.reshape(racks * servers, -1)[:, : shape.rails]
        values = np.full((shape.arrays, shape.rails, shape.ports), np.nan)
        ends = np.full((shape.arrays * shape.downlinks, shape.rails), np.nan)
        ends[: rails.shape[0]] = rails
        by_array = ends.reshape(shape.arrays, shape.downlinks, shape.rails)
        values[:, :, : shape.downlinks] = by_array.transpose(0, 2, 1)
        values[:, :, shape.downlinks :] = up.reshape(shape.arrays, shape.rails, shape.uplinks)
        return values.reshape(shape.arrays, -1)
