"""NVLink: errors on the links between a server's GPUs and its NVSwitches.

A flit that fails its CRC is sent again, which costs time; now and then a link has to
be retrained, and a GPU whose links have to be retrained all the time raises XID 74
and is lost to the job. Collectives run at the pace of the worst link.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.error_creep import NVLINK_RATE, ErrorCreep, Errors, errors_of
from twin.plant.units import Floats

__all__ = ["FATAL_ERRORS_PER_SECOND", "NvLinks"]

_SECONDS_AN_ERROR = 0.002
"""Time that one error costs the links of a GPU, retransmission and retraining, est."""
_ERRORS_A_RECOVERY = 20
"""Errors after which a link is retrained, est."""
_FLITS_WITH_DATA = 2
"""Flits that fail for one with data, est.; the others carry control alone."""
_NEVER = tuple(
    f"nvlink_{name}"
    for name in ("tx_discards", "rx_malformed", "rx_overruns", "rx_remote_errors",
                 "rx_general_errors")
)  # fmt: skip
"""Packets of which none is lost."""
FATAL_ERRORS_PER_SECOND = 200.0
"""From this error rate on retraining does not help: XID 74, est."""


class NvLinks:
    """Links of all GPUs; arrays are (racks, GPUs a rack).

    Attributes:
        pace: bandwidth of each GPU's links over nominal, or None where all are well.
        broken: GPUs that raise XID 74, or None.
        shared: pace that the links to the switch trays of the rack leave, None where all are well
            or the rack has none.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self._rng = rng
        self._crc = np.zeros(shape)
        self._recovery = np.zeros(shape)
        self._lost = np.zeros(shape)
        self._creep = ErrorCreep(shape, NVLINK_RATE, rng.spawn(1)[0])
        self.pace: Floats | None = None
        self.shared: Floats | None = None
        self.broken: NDArray[np.bool_] | None = None

    def step(self, errors: Floats | None, dt: float) -> None:
        """Advance by ``dt`` seconds.

        Args:
            errors: flits a second that fail their CRC, for each GPU; None for none.
            dt: step in s.
        """
        if (healthy := self._creep.errors(dt)) is not None:
            self._count(healthy)
        if errors is None or not errors.any():
            self.pace, self.broken = self.shared, None
            return
        self._count(errors_of(self._rng.poisson(errors * dt)))
        broken = errors >= FATAL_ERRORS_PER_SECOND
        self._lost += broken if self.broken is None else broken & ~self.broken
        self.broken = broken if broken.any() else None
        self.pace = 1.0 / (1.0 + _SECONDS_AN_ERROR * errors)
        if self.shared is not None:
            self.pace = self.pace * self.shared

    def count(self, recovered: Floats, lost: Floats) -> None:
        """Count recoveries of links to the switch trays of the rack, and those that failed."""
        self._recovery += recovered
        self._lost += lost

    def _count(self, errors: Errors) -> None:
        """Count errors; now and then one makes a link retrain."""
        places, counts = errors
        crc, recovery = self._crc.reshape(-1), self._recovery.reshape(-1)
        before = crc[places]
        crc[places] = after = before + counts
        recovery[places] += after // _ERRORS_A_RECOVERY - before // _ERRORS_A_RECOVERY

    def outputs(self) -> dict[str, Floats]:
        """Return the link error signals of the catalogue's GPU class; each error is replayed."""
        return {
            "nvlink_crc_flit": self._crc,
            "nvlink_replay": self._crc,
            "nvlink_recovery": self._recovery,
        }

    def further_outputs(self) -> dict[str, Floats]:
        """Return the link error signals that only a counters file lists."""
        return {
            "nvlink_crc_data": self._crc // _FLITS_WITH_DATA,
            "nvlink_rx_errors": self._crc,
            "nvlink_integrity_errors": self._recovery,
            "nvlink_recoveries": self._recovery + self._lost,
            "nvlink_recovered": self._recovery,
            "nvlink_not_recovered": self._lost,
            **dict.fromkeys(_NEVER, np.zeros(self._crc.shape)),
        }
