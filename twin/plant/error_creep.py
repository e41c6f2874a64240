"""Correctable errors of a healthy fleet: counters that rise now and then on devices that are well.

Each device has a rate of its own around the mean of the fleet, a few a much higher one: in the
field most devices show no errors in weeks and a few show most of them (Sridharan and Liberty 2012,
A Study of DRAM Failures in the Field). All rates are far below what any health check warns at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = [
    "NIC_SYMBOL_RATE",
    "NVLINK_RATE",
    "PCIE_RATE",
    "SINGLE_BIT_RATE",
    "ErrorCreep",
    "Errors",
    "errors_of",
]

Errors = tuple[NDArray[np.intp], NDArray[np.int64]]
"""Devices that have errors, by their place among all, and how many each."""

_HOUR, _DAY = 3600.0, 86_400.0
_SPREAD = 1.5
"""Standard deviation of the logarithm of a device's rate, est."""
SINGLE_BIT_RATE = 66e-9 * 40.0 * 100.0 / _HOUR
"""Single-bit errors a second of a GPU's memory: 66 failures in 10⁹ h of a DRAM die (Sridharan and
Liberty 2012), 40 dies in five stacks of HBM3, and 100 errors of a fault until it is gone, est."""
PCIE_RATE = 1.0 / (30.0 * _DAY)
"""Replays a second of a GPU's PCIe link, est.: one a month; DCGM warns at 8 a minute."""
NVLINK_RATE = 1.0 / (7.0 * _DAY)
"""Flits a second of a GPU's NVLinks that fail their CRC, est.: one a week."""
NIC_SYMBOL_RATE = 4.0e11 * 1e-18
"""Symbol errors a second after correction, est.: at a bit error ratio of 10⁻¹⁸ on 400 Gb/s, a
thousandth of the 10⁻¹⁵ at which links are called bad."""


class ErrorCreep:
    """Rare errors of many devices; one draw a step says how many there are, and whose.

    Args:
        shape: of the devices.
        rate: mean errors a second of a device.
        rng: source of all randomness.
    """

    def __init__(self, shape: tuple[int, int], rate: float, rng: np.random.Generator) -> None:
        size = shape[0] * shape[1]
        own = rng.lognormal(-(_SPREAD**2) / 2.0, _SPREAD, size)
        self._rng = rng
        self._ends = np.cumsum(own * rate)

    def errors(self, dt: float) -> Errors | None:
        """Return the errors of ``dt`` seconds, None where there are none."""
        total = self._ends.item(-1)
        count = int(self._rng.poisson(total * dt))
        if not count:
            return None
        whose = np.searchsorted(self._ends, self._rng.random(count) * total, side="right")
        return np.unique(whose, return_counts=True)

    def added(self, counter: Floats, dt: float, where: NDArray[np.bool_] | None = None) -> Floats:
        """Return a counter with the errors of ``dt`` seconds, of some devices only if so wanted."""
        errors = self.errors(dt)
        if errors is None:
            return counter
        places, counts = errors
        if where is not None:
            counts = counts * where.reshape(-1)[places]
        risen = counter.copy()
        risen.reshape(-1)[places] += counts
        return risen


def errors_of(counts: NDArray[np.int64]) -> Errors:
    """Return the errors of which each device has so many."""
    places = np.nonzero(counts.reshape(-1))[0]
    return places, counts.reshape(-1)[places]
