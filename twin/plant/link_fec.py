"""Forward error correction of NVLinks: raw bit error rates and what is corrected, link by link.

A link sends codewords of 544 symbols of ten bits (KP4), of which 15 symbols can be corrected. With
independent bit errors the number of wrong symbols in a codeword is binomial: at a raw bit error
rate of 1e-5, one codeword in twenty has one, and none has sixteen in the life of the link. A link
that ages has more of them in the higher bins long before it loses a codeword.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from twin.catalog.rack_scale.links import FEC_BINS
from twin.plant.units import Floats
from twin.site import Layout

__all__ = ["LinkFec", "corrected"]

_SYMBOLS, _SYMBOL_BITS = 544, 10
_CODEWORDS_PER_SECOND = 53.125e9 * 8.0 / (_SYMBOLS * _SYMBOL_BITS)
"""Of a link of 53,125 MB/s each way (nvidia-smi)."""
_RAW_BER, _RAW_SPREAD = 5e-6, 0.5
"""Median raw bit error rate of a healthy link and spread of its logarithm, est.: Redfish of a GB300
tray has 9e-6."""
_AGEING = 200.0
"""Growth of the raw bit error rate for each recovery a second, est."""
_MOST_BER = 1e-3
_ROUNDING = 1e-12
_DAY = 86_400.0


def corrected(ber: Floats) -> Floats:
    """Return the share of codewords with 0 to 15 wrong symbols: (bins, ...).

    Args:
        ber: raw bit error rate, any shape. What is beyond the last bin is counted in it.
    """
    wrong = -np.expm1(_SYMBOL_BITS * np.log1p(-ber))
    shares = np.stack(
        [
            comb(_SYMBOLS, count) * wrong**count * (1.0 - wrong) ** (_SYMBOLS - count)
            for count in range(FEC_BINS)
        ]
    )
    beyond = 1.0 - shares.sum(axis=0)
    shares[-1] += np.where(beyond > _ROUNDING, beyond, 0.0)
    return shares


class LinkFec:
    """What the links of all racks correct; arrays are (racks, GPUs a rack, links).

    Args:
        shape: of the links.
        rng: source of all randomness.
    """

    def __init__(self, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
        self._healthy = _RAW_BER * np.exp(_RAW_SPREAD * rng.standard_normal(shape))
        self._ber: Floats = self._healthy
        self._seconds: Floats = rng.uniform(3.0, 30.0, (shape[0], 1, 1)) * _DAY
        """Time for which the links of each rack have been up, as far as none was lost."""
        self._apart: Floats = np.zeros((FEC_BINS, *shape))
        """Codewords that a link has beside those of its healthy time."""

    @classmethod
    def of(cls, layout: Layout, rng: np.random.Generator) -> LinkFec | None:
        """Return that of a site, None where it does not show it."""
        site = layout.site
        if not site.nvlink.fec or not site.telemetry.extra_signals:
            return None
        return cls((*site.accelerators, site.nvlink.links), rng.spawn(1)[0])

    def step(self, weak: NDArray[np.bool_], rate: Floats, up: NDArray[np.bool_], dt: float) -> None:
        """Let the links send for ``dt`` seconds.

        Args:
            weak: links that age.
            rate: recoveries a second of the weak link of each GPU, (racks, GPUs a rack).
            up: links that are up.
            dt: step in s.
        """
        self.rest(dt)
        if not weak.any() and up.all():
            return
        aged = np.minimum(self._healthy * (1.0 + _AGEING * rate[:, :, None]), _MOST_BER)
        self._ber = np.where(up, np.where(weak, aged, self._healthy), np.nan)
        changed = weak | ~up
        usual, now = self._healthy[changed], aged[changed]
        sent = np.where(up[changed], corrected(now), 0.0)
        self._apart[:, changed] += (sent - corrected(usual)) * _CODEWORDS_PER_SECOND * dt

    def rest(self, dt: float) -> None:
        """Let the links, all of them well, send for ``dt`` seconds."""
        self._seconds = self._seconds + dt
        self._ber = self._healthy

    def outputs(self) -> dict[str, Floats]:
        """Return the signals of all links, (racks, links a rack)."""
        count = len(self._healthy)
        usual = corrected(self._healthy) * (_CODEWORDS_PER_SECOND * self._seconds)
        bins = np.maximum(np.round(usual + self._apart), 0.0).reshape(FEC_BINS, count, -1)
        return {
            "raw_ber": self._ber.reshape(count, -1),
            **{f"fec_{number}": own for number, own in enumerate(bins)},
        }
