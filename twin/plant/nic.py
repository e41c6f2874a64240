"""NICs: traffic, congestion, link and optics.

Each compute NIC sends to the same NIC of the next server, as a ring all-reduce over
rails does, so every byte sent is received. The last NIC of a server carries storage
traffic. Congestion marks rise only while a burst is over the switches' threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import NIC
from twin.plant.units import Floats, lag
from twin.plant.workload import Demand
from twin.site import Layout

__all__ = ["Nics"]

_ACTIVE, _DOWN = 4.0, 1.0
_LINK_UP, _POLLING = 5.0, 2.0
_OPTIC_SECONDS = 30.0
_DARK_DBM = -40.0
_STORAGE_READ_RATIO = 0.004
_CORRECTED_BITS_PER_SECOND = 2_000.0
"""Bits that forward error correction repairs on a healthy 400 Gb/s PAM4 link, est."""


class Nics:
    """State of all NICs; arrays are (racks, NICs a rack)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._network = site.network
        self._per_server = site.server.nics
        self._rails = max(1, site.server.nics - 1)
        shape = layout.shape(NIC)
        self._shape = shape
        self.link = np.ones(shape, dtype=np.bool_)
        self._tx = np.zeros(shape, dtype=np.float32)
        self._rx = np.zeros(shape, dtype=np.float32)
        history = rng.uniform(3.0, 30.0, shape) * 86_400.0 * 5e9
        self.tx_bytes = np.floor(history)
        self.rx_bytes = self.tx_bytes.copy()
        self._zeros = np.zeros(shape)
        names = ("downed", "changes", "recovered", "symbol", "marked", "cnp_sent", "cnp_handled",
                 "wait", "pause", "corrected", "sequence", "timeouts")  # fmt: skip
        self._count = {name: np.zeros(shape) for name in names}
        # A port has come up at least once since boot.
        self._count["changes"] += 2.0
        self._optic_base = site.network.optic_temperature_celsius + rng.normal(0.0, 2.0, shape)
        self._optic = self._optic_base.copy()
        self._voltage = 3.3 + rng.normal(0.0, 0.01, shape)
        self._bias = 7.2 + rng.normal(0.0, 0.25, shape)
        self._tx_dbm = 1.1 + rng.normal(0.0, 0.3, shape)
        self._rx_dbm = 0.4 + rng.normal(0.0, 0.5, shape)

    def settle(self, demand: Demand) -> None:
        """Put the optics where this demand would hold them."""
        rise = self._network.optic_temperature_rise_kelvin
        self._optic = self._optic_base + rise * demand.network

    def step(self, demand: Demand, link: NDArray[np.bool_], dt: float) -> None:
        """Advance by ``dt`` seconds.

        Args:
            demand: what the job asks.
            link: ports that can hold their link.
            dt: step in s.
        """
        self._switch(link)
        self._carry(demand, dt)
        self._congest(demand, dt)
        use = np.maximum(self._tx, self._rx) / self._network.bytes_per_second
        hot = self._optic_base + self._network.optic_temperature_rise_kelvin * use
        self._optic += (hot - self._optic) * lag(dt, _OPTIC_SECONDS)

    def _switch(self, link: NDArray[np.bool_]) -> None:
        """Count the edges of every link that changed."""
        if np.array_equal(link, self.link):
            return
        fell, rose = self.link & ~link, ~self.link & link
        count = self._count
        count["downed"] += fell
        count["changes"] += fell.astype(float) + rose
        count["recovered"] += rose
        count["symbol"] += 12.0 * rose
        count["timeouts"] += 40.0 * fell
        count["sequence"] += 25.0 * rose
        self.link = link.copy()

    def _carry(self, demand: Demand, dt: float) -> None:
        rate = self._network.bytes_per_second
        servers = self.link.reshape(-1, self._per_server)
        rails = servers[:, : self._rails]
        # Both ends of a rail must be up for bytes to flow.
        sent = np.where(rails & np.roll(rails, -1, axis=0), demand.network * rate, 0.0)
        tx = np.zeros(servers.shape, dtype=np.float32)
        rx = np.zeros(servers.shape, dtype=np.float32)
        tx[:, : self._rails] = sent
        rx[:, : self._rails] = np.roll(sent, 1, axis=0)
        if self._rails < self._per_server:
            storage = servers[:, self._rails :]
            tx[:, self._rails :] = np.where(storage, demand.storage * rate + 2e6, 0.0)
            reading = _STORAGE_READ_RATIO * rate * demand.compute + 2e6
            rx[:, self._rails :] = np.where(storage, reading, 0.0)
        self._tx, self._rx = tx.reshape(self._shape), rx.reshape(self._shape)
        self.tx_bytes += self._tx.astype(np.float64) * dt
        self.rx_bytes += self._rx.astype(np.float64) * dt

    def _congest(self, demand: Demand, dt: float) -> None:
        network, count = self._network, self._count
        count["corrected"] += np.where(self.link, _CORRECTED_BITS_PER_SECOND * dt, 0.0)
        if demand.congestion <= 0:
            return
        packets = network.bytes_per_second / network.packet_bytes * demand.congestion * dt
        marked = np.where(self._rx > 0, packets * network.mark_ratio, 0.0)
        marked.reshape(-1, self._per_server)[:, self._rails :] = 0.0
        count["marked"] += marked
        count["cnp_sent"] += 0.5 * marked
        # A notification goes back to the sender, the previous server of the ring.
        back = np.roll(marked.reshape(-1, self._per_server), -1, axis=0).reshape(self._shape)
        count["cnp_handled"] += 0.5 * back
        count["wait"] += 3.0 * back
        count["pause"] += 0.02 * marked

    @property
    def links_down(self) -> int:
        """Compute ports without link."""
        return int((~self.link.reshape(-1, self._per_server)[:, : self._rails]).sum())

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's NIC class."""
        network, count = self._network, self._count
        rate = np.full(self._shape, network.bytes_per_second)
        header = network.packet_bytes
        up = self.link.astype(float)
        return {
            "state": np.where(self.link, _ACTIVE, _DOWN),
            "physical_state": np.where(self.link, _LINK_UP, _POLLING),
            "rate": rate,
            "rx_bytes": self.rx_bytes,
            "tx_bytes": self.tx_bytes,
            "rx_packets": self.rx_bytes / header,
            "tx_packets": self.tx_bytes / header,
            "rx_errors": self._zeros,
            "rx_discards": self._zeros,
            "tx_discards": self._zeros,
            "tx_wait": count["wait"],
            "link_downed": count["downed"],
            "link_error_recovery": count["recovered"],
            "symbol_errors": count["symbol"],
            "cnp_sent": count["cnp_sent"],
            "ecn_marked": count["marked"],
            "cnp_handled": count["cnp_handled"],
            "out_of_sequence": count["sequence"],
            "sequence_errors": count["sequence"],
            "out_of_buffer": self._zeros,
            "ack_timeouts": count["timeouts"],
            "adaptive_retransmits": count["timeouts"],
            "up": up,
            "carrier_changes": count["changes"],
            "speed": rate,
            "net_rx_bytes": self.rx_bytes,
            "net_tx_bytes": self.tx_bytes,
            "net_rx_errors": self._zeros,
            "net_rx_drops": self._zeros,
            "rx_pause": count["pause"],
            "tx_pause": 0.5 * count["pause"],
            "symbol_errors_phy": count["symbol"],
            "corrected_bits_phy": count["corrected"],
            "module_temperature": self._optic,
            "module_voltage": self._voltage,
            "laser_bias": self._bias,
            "laser_tx_power": self._tx_dbm,
            "laser_rx_power": np.where(self.link, self._rx_dbm, _DARK_DBM),
        }
