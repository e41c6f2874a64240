"""NICs: traffic, congestion, link and optics.

Each compute NIC sends to the same NIC of its job's next server, as a ring all-reduce over
rails does; every byte sent is received, discarded by a leaf or lost on a bad cable. The
last NIC of a server carries storage traffic over TCP, for which all jobs compete. Congestion
marks rise only while a burst is over the switches' threshold.

RDMA passes the kernel by: mlx5 counts it at the InfiniBand port and not at the network device,
whose bytes are those of the driver's software rings (``mlx5e_fold_sw_stats64`` in
``en_main.c``; Documentation/networking/.../mellanox/mlx5/counters.rst, "Netdev"). So a rail's
``node_network_*`` bytes are the host's own few, and a storage port's InfiniBand bytes stand still.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.catalog import NIC
from twin.plant.error_creep import NIC_SYMBOL_RATE, ErrorCreep
from twin.plant.nic_signals import NicSignals
from twin.plant.port_degradation import PortDegradation, corrected_ratio, symbol_errors_per_second
from twin.plant.ring import Ring
from twin.plant.sharing import Share, storage_wanted
from twin.plant.units import FINE_STEP, Floats, Unchanged, any_of, frozen, lag
from twin.plant.workload import Demand, Level, greatest
from twin.site import Layout

__all__ = ["Nics"]

_T = TypeVar("_T", bound=np.generic)
_OPTIC_SECONDS = 30.0
_DARK_DBM = -40.0
_MANAGEMENT_BYTES_PER_SECOND = 2e6
"""Management traffic on the storage port, est."""
_HOST_BYTES_PER_SECOND = 2_000.0
"""What the kernel itself sends and receives on a rail (LLDP, ARP, health checks), est."""
_CORRECTED_BITS_PER_SECOND = 2_000.0
"""Bits that forward error correction repairs on a healthy 400 Gb/s PAM4 link, est."""
_STORM_FRAMES_PER_SECOND = 20_000.0
"""Pause frames of a port in a PFC storm, est.: one before each pause of 84 µs ends."""
_STORM_SPREAD = 0.05
"""Pause frames that its switch passes on to each other port of the rail, est."""
_DARK_SECONDS = 4.0
"""How long a link with too little light stays down each time, est."""
_DARK_PER_SECOND_DB = 0.05
"""Chance a second that such a link falls, for each dB below what it needs, est."""


class Nics:
    """State of all NICs; arrays are (racks, NICs a rack)."""

    _joined: NDArray[np.bool_] | None = None
    """Rails of which both ends have a link, (servers, rails); None until it is needed."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._network = site.network
        self._rng = rng
        self.per_server = site.server.nics
        self._rails = max(1, site.server.nics - 1)
        self._ring = Ring(layout)
        self._rack_servers = site.servers_per_rack
        self._array_servers = site.racks_per_array * site.servers_per_rack
        shape = layout.shape(NIC)
        self._shape = shape
        self._on_rail = np.arange(shape[1]) % self.per_server < self._rails
        self._unchanged = Unchanged()
        self.link = np.ones(shape, dtype=np.bool_)
        self.sending = np.zeros(shape, dtype=np.float32)
        self.receiving = np.zeros(shape, dtype=np.float32)
        servers = self.link.size // self.per_server
        self.sent: Floats = np.zeros((servers, self._rails), dtype=np.float32)
        """What each server sends on each rail in B/s, (servers, rails)."""
        self.delivered: Floats = self.sent
        """What its leaf hands to each server on each rail in B/s, (servers, rails)."""
        self.dropped: Floats | None = None
        """Part of ``sent`` that leaves discard, in B/s; None for none."""
        self.stored = self.loaded = 0.0
        """What all servers together write to storage and read from it, in B/s."""
        self.loading: Level = 0.0
        """What each server reads from storage in B/s: a number for all, or (racks, 1)."""
        self._written: Share | None = None
        history = rng.uniform(3.0, 30.0, shape) * 86_400.0 * 5e9
        self.tx_bytes = np.floor(history)
        self.rx_bytes = self.tx_bytes.copy()
        self._host_bytes: Floats = np.floor(history / 5e9 * _HOST_BYTES_PER_SECOND)
        self.lost_bytes: Floats = np.zeros(shape)
        """Bytes lost on each port's cable."""
        self._dark, self._dim = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        shown = {signal.name for signal in layout.reported[NIC.name]}
        self._optical = "module_temperature" in shown
        self._signals = NicSignals(shape, self._on_rail)
        self._creep = ErrorCreep(shape, NIC_SYMBOL_RATE, rng.spawn(1)[0])
        names = ("downed", "changes", "recovered", "symbol", "marked", "cnp_sent", "cnp_handled",
                 "wait", "paused", "pausing", "corrected", "sequence", "nak", "retransmits",
                 "timeouts")  # fmt: skip
        self._count: dict[str, Floats] = {name: np.zeros(shape) for name in names}
        # A port has come up at least once since boot.
        self._count["changes"] += 2.0
        self.wear: PortDegradation | None = None
        """Degradation of ports, None for none."""
        self._paces: Floats | None = None
        self._optic_base = site.network.optic_temperature_celsius + rng.normal(0.0, 2.0, shape)
        self._optic = self._optic_base.copy()
        self._voltage = 3.3 + rng.normal(0.0, 0.01, shape)
        self._bias = 7.2 + rng.normal(0.0, 0.25, shape)
        self._tx_dbm = 1.1 + rng.normal(0.0, 0.3, shape)
        self._rx_dbm = 0.4 + rng.normal(0.0, 0.5, shape)

    def settle(self, demand: Demand) -> None:
        """Put the optics where this demand would hold them."""
        rise = self._network.optic_temperature_rise_kelvin
        self._optic = self._optic_base + rise * self._of_ports(demand.network)

    def step(
        self,
        demand: Demand,
        link: NDArray[np.bool_],
        dt: float,
        *,
        wear: PortDegradation | None = None,
        drops: Floats | None = None,
        storage: tuple[float, float] = (np.inf, np.inf),
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            demand: what the job asks.
            link: ports that can hold their link.
            dt: step in s.
            wear: degradation of ports, None for none.
            drops: share of each server's traffic that its leaves drop under congestion,
                (servers, rails), None for nothing.
            storage: what the storage can write and read, in B/s.
        """
        self.wear = wear
        self._paces = None if wear is None else wear.pace(self._network)
        self._switch(self._lit(link, dt))
        self._send(demand, drops)
        saving = greatest(demand.saving)
        if dt > FINE_STEP and saving > 0.0:  # what is written then is written in a part of it
            storage = storage[0] * saving, storage[1]
        self._store(demand, storage)
        self._count_bytes(dt)
        self._congest(demand, dt)
        if wear is not None:
            self._ail(wear, dt)
        if self._optical:
            use = np.maximum(self.sending, self.receiving) / self._network.bytes_per_second
            hot = self._optic_base + self._network.optic_temperature_rise_kelvin * use
            self._optic += (hot - self._optic) * lag(dt, _OPTIC_SECONDS)

    # -- link -----------------------------------------------------------------

    def _lit(self, link: NDArray[np.bool_], dt: float) -> NDArray[np.bool_]:
        """Return the links that also get light enough; those that don't fall now and then."""
        dim = self.wear is not None and self.wear.dimming.any()
        if not dim and not any_of(self._dark):
            return link
        self._dark = np.maximum(self._dark - dt, 0.0)
        if dim:
            short = self._network.optic_light_lost_dbm - self._light()
            ports = np.nonzero((short > 0) & (self._dark == 0))
            chance = -np.expm1(-_DARK_PER_SECOND_DB * short[ports] * dt)
            falls = self._rng.random(chance.shape) < chance
            self._dark[ports] = np.where(falls, _DARK_SECONDS, 0.0)
        lit: NDArray[np.bool_] = link & (self._dark == 0)
        self._dim = link & ~lit
        return lit

    def _light(self) -> Floats:
        """Return the received light in dBm."""
        return self._rx_dbm if self.wear is None else self._rx_dbm - self.wear.dimming

    def _switch(self, link: NDArray[np.bool_]) -> None:
        """Count the edges of every link that changed."""
        if self._unchanged(link) or np.array_equal(link, self.link):
            return
        fell, rose = self.link & ~link, ~self.link & link
        self._rise("downed", fell)
        self._rise("changes", fell.astype(float) + rose)
        self._rise("recovered", rose)
        self._rise("symbol", 12.0 * rose)
        self._rise("timeouts", 40.0 * fell)
        self._rise("retransmits", 40.0 * fell)
        self._rise("sequence", 25.0 * rose)
        self._rise("nak", 25.0 * rose)
        self.link, self._joined = link.copy(), None

    def _rise(self, name: str, more: NDArray[Any]) -> None:
        """Let a counter rise; the array that was shown stays what it was."""
        self._count[name] = self._count[name] + more

    # -- traffic --------------------------------------------------------------

    def _send(self, demand: Demand, drops: Floats | None) -> None:
        """Send on the rails; both ends of a rail must be up for bytes to flow."""
        if self._joined is None:
            rails = self._on_rails(self.link)
            self._joined = rails & self._ring.of_next(rails)
        use = self._of_servers(demand.network)
        if self._paces is not None:
            pace = self._on_rails(self._paces)
            use = np.minimum(use, np.minimum(pace, self._ring.of_next(pace)))
        sent = np.where(self._joined, use * np.float32(self._network.bytes_per_second), 0)
        self.sent, self.dropped = sent.astype(np.float32), None
        passed = self.sent
        if drops is not None and greatest(demand.congestion) > 0.0:
            self.dropped = sent * (drops * np.minimum(self._of_servers(demand.congestion), 1.0))
            passed = sent - self.dropped
        self.delivered = self._ring.of_previous(passed)
        by_server = self.sending.reshape(-1, self.per_server)
        by_server[:, : self._rails] = self.sent
        self.receiving.reshape(-1, self.per_server)[:, : self._rails] = self.delivered

    def _store(self, demand: Demand, limits: tuple[float, float]) -> None:
        """Write to the storage and read from it, as fast as it and the ports allow."""
        self.stored = self.loaded = 0.0
        if self._rails == self.per_server:
            return
        links = self.link.reshape(-1, self.per_server)[:, self._rails :]
        several = isinstance(demand.storage, np.ndarray)
        ports = self._of_racks(links) if several else int(np.count_nonzero(links))
        wanted = storage_wanted(demand, self._network)
        write, read = (
            Share.of(own, ports, limit) for own, limit in zip(wanted, limits, strict=True)
        )
        self._written, self.loading = write, read.each
        self.stored, self.loaded = write.total, read.total
        other = _MANAGEMENT_BYTES_PER_SECOND
        tx = self.sending.reshape(-1, self.per_server)
        tx[:, self._rails :] = links * (self._of_servers(write.each) + other)
        rx = self.receiving.reshape(-1, self.per_server)
        rx[:, self._rails :] = links * (self._of_servers(read.each) + other)

    def _count_bytes(self, dt: float) -> None:
        self.tx_bytes += self.sending.astype(np.float64) * dt
        received = self.receiving.astype(np.float64) * dt
        if self.wear is not None and self.wear.loss.any():
            lost = received * self.wear.loss
            self.lost_bytes = self.lost_bytes + lost
            received -= lost
        self.rx_bytes += received
        self._host_bytes += self.link * (_HOST_BYTES_PER_SECOND * dt)

    def _congest(self, demand: Demand, dt: float) -> None:
        network, count = self._network, self._count
        count["corrected"] += self.link * (_CORRECTED_BITS_PER_SECOND * dt)
        count["symbol"] = self._creep.added(count["symbol"], dt, self.link)
        if greatest(demand.congestion) <= 0.0:
            return
        congestion = self._of_ports(demand.congestion)
        packets = network.bytes_per_second / network.packet_bytes * congestion * dt
        marked = np.where(self.receiving > 0, packets * network.mark_ratio, 0.0)
        marked.reshape(-1, self.per_server)[:, self._rails :] = 0.0
        self._rise("marked", marked)
        self._rise("cnp_sent", 0.5 * marked)
        # A notification goes back to the sender, the previous server of the ring.
        back = self._ring.of_next(marked.reshape(-1, self.per_server)).reshape(self._shape)
        self._rise("cnp_handled", 0.5 * back)
        self._rise("wait", 3.0 * back)
        self._rise("paused", 0.02 * marked)
        self._rise("pausing", 0.01 * marked)

    def _ail(self, wear: PortDegradation, dt: float) -> None:
        """Count what ailing ports do."""
        count = self._count
        if wear.loss.any():
            packets = self.receiving * (wear.loss * dt / self._network.packet_bytes)
            self._rise("sequence", packets)
            back = self._ring.of_next(packets.reshape(-1, self.per_server)).reshape(self._shape)
            self._rise("nak", back)
            self._rise("retransmits", back)
            self._rise("timeouts", 0.01 * back)
        if wear.pause.any():
            storm = np.where(self.link, _STORM_FRAMES_PER_SECOND * wear.pause * dt, 0.0)
            self._rise("pausing", storm)
            victims = self._of_rail(storm)
            self._rise("paused", _STORM_SPREAD * victims)
            self._rise("wait", 10.0 * victims)
        if wear.dimming.any():
            # Few ports are dim, so powers of ten are only taken of those.
            dim = np.nonzero((wear.dimming > 0) & self.link)
            bits = _CORRECTED_BITS_PER_SECOND * (corrected_ratio(wear.dimming[dim]) - 1.0)
            count["corrected"][dim] += bits * dt
            symbol = count["symbol"].copy()
            symbol[dim] += symbol_errors_per_second(self._light()[dim]) * dt
            count["symbol"] = symbol

    def _of_rail(self, values: Floats) -> Floats:
        """Return, for each port, the sum over the other ports of its leaf, (racks, NICs a rack)."""
        servers = values.reshape(-1, self.per_server)
        starts = np.arange(0, servers.shape[0], self._array_servers)
        sums = np.add.reduceat(servers, starts, axis=0)
        others: Floats = np.repeat(sums, self._array_servers, axis=0)[: servers.shape[0]] - servers
        return others.reshape(self._shape)

    def _of_racks(self, links: NDArray[np.bool_]) -> Floats:
        """Return how many of these links each rack has, (racks, 1)."""
        count: Floats = links.reshape(self._shape[0], -1).sum(axis=1, keepdims=True, dtype=float)
        return count

    def _of_servers(self, level: Level) -> Level:
        """Return a level of racks or servers as (servers, 1); a plain number as it is."""
        if isinstance(level, np.ndarray):
            return np.repeat(level.reshape(-1, 1), self._rack_servers // level.shape[1], axis=0)
        return level

    def _of_ports(self, level: Level) -> Level:
        """Return a level of servers as one of ports, (racks, NICs a rack); others as they are."""
        if isinstance(level, np.ndarray) and level.shape[1] > 1:
            return np.repeat(level, self.per_server, axis=1)
        return level

    def _on_rails(self, values: NDArray[_T]) -> NDArray[_T]:
        """Return the values of the compute ports, (servers, rails)."""
        return values.reshape(-1, self.per_server)[:, : self._rails]

    # -- readings -------------------------------------------------------------

    def join(self, first: int, groups: NDArray[np.int32]) -> None:
        """Let the servers of scheduled jobs send round, see :meth:`twin.plant.ring.Ring.join`."""
        self._ring.join(first, groups)
        self._joined = None

    @property
    def unlinked(self) -> NDArray[np.bool_]:
        """Servers of which a compute port has no link, (servers,)."""
        linked: NDArray[np.bool_] = self._on_rails(self.link).min(axis=1)
        return ~linked

    def links_down_in(self, racks: slice) -> int:
        """Return how many compute ports of these racks have no link."""
        linked = self._on_rails(self.link[racks])
        return int(linked.size - np.count_nonzero(linked))

    def pace_in(self, racks: slice) -> float:
        """Return what the slowest compute port of these racks can carry over what it could well."""
        if self._paces is None:
            return 1.0
        linked = self._on_rails(self._paces[racks])[self._on_rails(self.link[racks])]
        return float(linked.min()) if linked.size else 1.0

    def storage_pace_in(self, racks: slice) -> float:
        """Return what a job writes to storage over what it would if no other job wrote.

        Args:
            racks: those of the job.
        """
        return 1.0 if self._written is None else self._written.pace(racks)

    @property
    def rate(self) -> Floats:
        """Link rate of each port in B/s."""
        nominal = np.full(self._shape, self._network.bytes_per_second)
        return nominal if self.wear is None else nominal * self.wear.rate

    @property
    def counters(self) -> Mapping[str, Floats]:
        """What has been counted of each port since it came up."""
        return self._count

    @property
    def marked(self) -> Floats:
        """Packets received with a congestion mark."""
        return self._count["marked"]

    @property
    def paused(self) -> Floats:
        """Pause frames received from the switch."""
        return self._count["paused"]

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's NIC class."""
        signals = self._signals(self, self._host_bytes, self._network.packet_bytes)
        return signals | self._optics() if self._optical else signals

    def _optics(self) -> dict[str, Floats]:
        """Return what only sites with further signals show: the optics, and their code."""
        return {
            "corrected_bits_phy": self._count["corrected"],
            "module_temperature": self._optic,
            "module_voltage": frozen(self._voltage),
            "laser_bias": frozen(self._bias),
            "laser_tx_power": frozen(self._tx_dbm),
            # What a receiver cannot read is not dark: the other end still sends.
            "laser_rx_power": np.where(
                self.link | self._dim, np.maximum(self._light(), _DARK_DBM), _DARK_DBM
            ),
        }
