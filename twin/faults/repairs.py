"""Repair times: from a fault to the node's return to service, by what had to be repaired.

Measured on 400 servers of a cluster that trains large models, 570 repairs in 348 days: a node is
out from the fault until it is repaired and back in service. Many are short, as a reset or a reboot
is, and a few take weeks, so the mean is many times the median.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

__all__ = ["REPAIRS", "REPAIRS_SOURCE", "Repair"]

REPAIRS_SOURCE = (
    "Shou et al. 2025, InfiniteHBD (arXiv 2502.03885), fault trace of its repository, Apache-2.0"
)
_HOUR = 3600.0
_LEAST_SECONDS = 60.0
"""A node that is drained is not back sooner, est."""


@dataclass(frozen=True, slots=True)
class Repair:
    """How long nodes are out for one kind of repair.

    Attributes:
        what: is repaired.
        of: the classes of the trace.
        count: repairs that were measured.
        quantiles: of the hours out, at 0, 10, 25, 50, 75, 90 and 100 %.
    """

    what: str
    of: str
    count: int
    quantiles: tuple[float, ...]

    SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)

    def seconds(self, share: float) -> float:
        """Return the time in s within which a share of the repairs is done.

        Args:
            share: from 0 to 1.
        """
        points = pairwise(zip(self.SHARES, self.quantiles, strict=True))
        for (low, fast), (high, slow) in points:
            if share <= high:
                place = (share - low) / (high - low)
                hours = exp((1.0 - place) * log(fast) + place * log(slow))
                return max(_LEAST_SECONDS, hours * _HOUR)
        return self.quantiles[-1] * _HOUR


REPAIRS: Mapping[str, Repair] = {
    own.what: own
    for own in (
        Repair("GPU", "GPU but for its memory: lost, unknown errors, PCIe width, XIDs", 97,
               (0.185, 0.22, 0.722, 26.1, 90.1, 362, 2207)),
        Repair("GPU memory", "GPU DBE and SBE beyond their threshold", 61,
               (0.074, 0.206, 0.214, 3.87, 59.2, 531, 2124)),
        Repair("NIC", "NIC lost, too slow, without a GID", 30,
               (0.010, 0.067, 0.326, 11.8, 110, 725, 2042)),
        Repair("cable", "parameter plane cable, link down", 40,
               (1.07, 2.43, 10.3, 47.4, 125, 232, 1049)),
        Repair("power supply", "power supply", 26,
               (8.72, 19.3, 45.2, 351, 493, 1315, 1367)),
        Repair("host", "fans, motherboard, CPU, RAID and riser card, battery", 44,
               (0.266, 15.6, 21.2, 50.9, 202, 234, 1748)),
        Repair("software", "software and firmware, unknown errors, failed stress tests", 272,
               (0.002, 0.760, 2.82, 16.8, 58.6, 197, 5135)),
    )
}  # fmt: skip
"""By what is repaired. The trace has no row of NVLink switches of their own."""
