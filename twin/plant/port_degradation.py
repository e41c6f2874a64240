"""NIC port degradation: error rates and reduced link speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.parameters import NetworkParameters
from twin.plant.conditions import Conditions
from twin.plant.units import Floats

__all__ = ["PortDegradation", "corrected_ratio", "goodput", "symbol_errors_per_second"]

_WARNING_DBM = -5.0
"""Received light at which forward error correction begins to fail; the module's warning."""
_SYMBOL_ERRORS_PER_SECOND = 4.0
"""Symbol errors at that light; ten times as many a decibel below, est."""
_MOST_CORRECTED = 1e4
_AILMENTS = ("nic_rate", "nic_loss", "nic_pause", "nic_dimming")
"""Conditions of ports."""


@dataclass(frozen=True, slots=True)
class PortDegradation:
    """Ailments of all ports, each (racks, NICs a rack).

    Attributes:
        rate: link rate over nominal.
        loss: share of the packets to the port that are lost on its cable.
        pause: share of the time in which the port tells the switch to pause.
        dimming: loss of received light in dB.
    """

    rate: Floats
    loss: Floats
    pause: Floats
    dimming: Floats

    @classmethod
    def of(cls, conditions: Conditions) -> PortDegradation | None:
        """Return the ailments of ``conditions``, None when all ports are well."""
        if not any(map(conditions.faulty, _AILMENTS)):
            return None
        return cls(*(getattr(conditions, name) for name in _AILMENTS))

    def pace(self, network: NetworkParameters) -> Floats:
        """Return what each port can carry over what it could if it were well."""
        carried: Floats = (
            self.rate * goodput(self.loss, network.retransmit_window_packets) * (1.0 - self.pause)
        )
        return carried


def goodput(loss: Floats, window: float) -> Floats:
    """Return the throughput of RoCE over a lossy link, over that without loss.

    Each lost packet costs a window's worth of packets that are sent again (go-back-N).

    Args:
        loss: share of packets lost, any shape.
        window: packets under way.
    """
    useful: Floats = (1.0 - loss) / (1.0 + window * loss)
    return useful


def corrected_ratio(dimming: Floats) -> Floats:
    """Return bits that error correction repairs over a healthy link's: tenfold each 2 dB, est.

    Args:
        dimming: loss of received light in dB, any shape.
    """
    ratio: Floats = np.minimum(10.0 ** (dimming / 2.0), _MOST_CORRECTED)
    return ratio


def symbol_errors_per_second(light: Floats) -> Floats:
    """Return uncorrected symbol errors a second, est.: they begin at the module's warning.

    Args:
        light: received light in dBm, any shape.
    """
    below = np.minimum(_WARNING_DBM - light, 4.0)
    return np.where(below > 0, _SYMBOL_ERRORS_PER_SECOND * 10.0**below, 0.0)
