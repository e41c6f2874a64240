"""Breakers of the rack PDUs: opened by overload of a phase, closed again by a technician.

A thermal-magnetic breaker has a bimetal a pole. It warms with the square of the current,
as a first-order lag, and opens the breaker at the temperature that a little more than the
rated current would keep up for ever; the magnet opens it at once at several times the
rated current. One warm pole opens all three. The parameters keep the times that
IEC 60898-1, IEC 60947-2 and UL 489 ask for; see :class:`twin.parameters.Pdu`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import PDU
from twin.plant.conditions import Conditions
from twin.plant.units import Floats, any_of, lag
from twin.site import Layout

__all__ = ["Breakers", "rated_amperes"]

_PHASES = 3
_SIZES = (16, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800)
"""Standard rated currents in A (IEC 60059, R10 series)."""


def rated_amperes(carried: float) -> float:
    """Return the least standard rated current that is not below ``carried`` A."""
    return next((float(size) for size in _SIZES if size >= carried), carried)


class Breakers:
    """State of all breakers: (racks, PDUs), and of their poles, (racks, PDUs times phases).

    Args:
        layout: the site.
        full: current of a phase of a PDU that carries all it may have to, in A.
    """

    def __init__(self, layout: Layout, full: float) -> None:
        site = layout.site
        self._p = site.pdu
        self.rated = site.pdu.breaker_amperes or rated_amperes(full / site.pdu.continuous_ratio)
        """Rated current in A."""
        self._heat: Floats = np.zeros(layout.shape(PDU))
        self._open = np.zeros((site.racks, site.pdus_per_rack), dtype=np.bool_)
        self._well_for: Floats = np.zeros(self._open.shape)

    @property
    def heat(self) -> Floats:
        """Temperature rise of each pole over the one at which it opens the breaker."""
        return self._heat

    @property
    def closed(self) -> NDArray[np.bool_]:
        """Breakers that overload has not opened, (racks, PDUs)."""
        return ~self._open

    @property
    def all_closed(self) -> bool:
        """Whether overload has opened none."""
        return not any_of(self._open)

    def settle(self, current: Floats) -> None:
        """Let this current, (racks, phases a rack) in A, have flowed for long."""
        self._heat = self._load(current)

    def step(self, current: Floats, conditions: Conditions, dt: float) -> None:
        """Advance by ``dt`` seconds.

        Args:
            current: of each phase in A, (racks, phases a rack).
            conditions: of the PDUs; a breaker stays open while its rack's PDUs have a fault.
            dt: step in s.
        """
        self._heat += (self._load(current) - self._heat) * lag(dt, self._p.thermal_seconds)
        magnetic = self._p.magnetic_ratio * self.rated
        if self._heat.max() >= 1.0 or current.max() >= magnetic:
            opened = (self._heat >= 1.0) | (current >= magnetic)
            self._open |= opened.reshape(*self._open.shape, _PHASES).any(axis=2)
        if any_of(self._open):
            self._reset(conditions, dt)

    def _load(self, current: Floats) -> Floats:
        """Return the heat that the current would keep up."""
        heat: Floats = (current / (self._p.hold_ratio * self.rated)) ** 2
        return heat

    def _reset(self, conditions: Conditions, dt: float) -> None:
        """Let a technician close what has been open for long enough with its cause gone."""
        well = conditions.pdu_breaker.all(axis=1) & (conditions.pdu_phase_load == 1.0).all(axis=1)
        waited = self._well_for + dt
        self._well_for = np.where(self._open & well[:, None], waited, 0.0)
        self._open = self._open & (self._well_for < self._p.reset_seconds)
