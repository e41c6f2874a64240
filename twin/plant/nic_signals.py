"""NIC signals: what node_exporter shows of ports, with arrays that stay while nothing changes.

Most counters of a healthy port stand still for hours. What shows the same as before is the same
array, so that nothing behind the plant has to look at it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats, Kept, frozen

if TYPE_CHECKING:
    from twin.plant.nic import Nics

__all__ = ["NicSignals"]

_ACTIVE, _DOWN = 4.0, 1.0
_LINK_UP, _POLLING = 5.0, 2.0
_UNKNOWN_SPEED_BYTES = -125_000.0
"""Speed of a port without carrier: sysfs says -1 Mb/s, which node_exporter gives in bytes."""
_COUNTED = {
    "tx_wait": "wait",
    "link_downed": "downed",
    "link_error_recovery": "recovered",
    "symbol_errors": "symbol",
    "cnp_sent": "cnp_sent",
    "ecn_marked": "marked",
    "cnp_handled": "cnp_handled",
    "out_of_sequence": "sequence",
    "sequence_errors": "nak",
    "ack_timeouts": "timeouts",
    "adaptive_retransmits": "retransmits",
    "carrier_changes": "changes",
    "rx_pause": "paused",
    "tx_pause": "pausing",
    "symbol_errors_phy": "symbol",
}
"""Signals, and the counter that each shows."""
_NEVER = ("rx_discards", "tx_discards", "out_of_buffer", "net_rx_drops")
"""Signals that stay 0."""


class NicSignals:
    """Shows the ports of a site; it is called, so the state of a plant leaves it out."""

    def __init__(self, shape: tuple[int, int], on_rail: NDArray[np.bool_]) -> None:
        self._kept = Kept()
        self._none = frozen(np.zeros(shape))
        self._on_rail = on_rail

    def __call__(self, nics: Nics, host_bytes: Floats, packet_bytes: float) -> dict[str, Floats]:
        """Return the signals of the catalogue's NIC class, but for those of the optics.

        Args:
            nics: the ports.
            host_bytes: what the kernel itself has sent on each, in B.
            packet_bytes: of a packet.
        """
        link, lost = frozen(nics.link), frozen(nics.lost_bytes)
        rate = self._kept("rate", lambda: nics.rate) if nics.wear is None else nics.rate
        errors = self._kept("errors", lambda: lost / packet_bytes, lost)
        received = np.where(self._on_rail, nics.rx_bytes, 0.0)
        sent = np.where(self._on_rail, nics.tx_bytes, 0.0)
        return {
            "state": self._by_link("state", link, _ACTIVE, _DOWN),
            "physical_state": self._by_link("physical_state", link, _LINK_UP, _POLLING),
            "rate": rate,
            "rx_bytes": received,
            "tx_bytes": sent,
            "rx_packets": received / packet_bytes,
            "tx_packets": sent / packet_bytes,
            "rx_errors": errors,
            "net_rx_errors": errors,
            "up": self._by_link("up", link, 1.0, 0.0),
            "speed": self._kept(
                "speed", lambda: np.where(link, rate, _UNKNOWN_SPEED_BYTES), link, rate
            ),
            "net_rx_bytes": np.where(self._on_rail, host_bytes, nics.rx_bytes),
            "net_tx_bytes": np.where(self._on_rail, host_bytes, nics.tx_bytes),
            **{name: frozen(nics.counters[own]) for name, own in _COUNTED.items()},
            **dict.fromkeys(_NEVER, self._none),
        }

    def _by_link(self, name: str, link: NDArray[np.bool_], up: float, down: float) -> Floats:
        return self._kept(name, lambda: np.where(link, up, down), link)
