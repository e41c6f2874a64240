"""Rack health from its own sensors, as a level for the floor and as words.

These are the plain signs that an operator would look for first, as the device classes of the
catalogue declare them. They are no alert rules: those have durations and thresholds of their
own, and live with Prometheus.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.store import Store
from twin.catalog import DeviceClass, TroubleSign, UnitKind
from twin.site import Layout

__all__ = ["Troubles"]

_Values = NDArray[np.float64]

_EVERY = slice(None)


class _Sign(NamedTuple):
    """A sign of trouble, and whose it is."""

    device: DeviceClass
    what: TroubleSign
    limits: _Values
    """What the values of each rack must not be above, if that is the sign; shape (racks, 1)."""


class Troubles:
    """The signs of trouble of a site's racks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reporting = store.units[UnitKind.RACK].reporting
        self._signs = _signs_of(store.layout)

    def levels(self) -> _Values:
        """Return 0, 1 (degraded) or 2 (serious) a rack, NaN where the rack is silent."""
        levels = np.zeros(len(self._reporting))
        for sign in self._signs:
            np.maximum(levels, sign.what.level * self._wrong(sign, _EVERY).any(axis=1), out=levels)
        return np.where(self._reporting, levels, np.nan)

    def words(self, rack: int) -> list[str]:
        """Return what one rack complains of, the most serious first."""
        if not self._reporting[rack]:
            return []
        counts = (
            (sign.what, int(self._wrong(sign, slice(rack, rack + 1)).sum())) for sign in self._signs
        )
        return [what.words[count > 1].format(count) for what, count in counts if count]

    def _wrong(self, sign: _Sign, racks: slice) -> NDArray[np.bool_]:
        """Return which devices of the racks are in trouble: (racks, devices a rack)."""
        what, values = sign.what, self._store.column(sign.device, sign.what.signal)[racks]
        if what.equals is not None:
            return np.equal(values, what.equals)
        if what.none_equals is not None:
            found = np.equal(values, what.none_equals).any(axis=1, keepdims=True)
            return np.asarray(np.isfinite(values).all(axis=1, keepdims=True) & ~found, bool)
        if what.above is not None:
            return np.greater(values, sign.limits[racks])
        return np.isnan(values)


def _signs_of(layout: Layout) -> list[_Sign]:
    """Return the signs of what the racks of a site report, the most serious first."""
    found = [
        _Sign(device, what, _limits(layout, what))
        for device in layout.devices_of(UnitKind.RACK)
        for what in device.signs
        if device[what.signal] in layout.reported[device.name]
    ]
    return sorted(found, key=lambda sign: (-sign.what.level, sign.what.rank))


def _limits(layout: Layout, what: TroubleSign) -> _Values:
    racks = range(layout.units(UnitKind.RACK) if what.above is not None else 0)
    limits = [
        [what.above(layout.entire.site.gpu_model(layout.number(UnitKind.RACK, rack)))]
        for rack in racks
        if what.above is not None
    ]
    return np.array(limits, float)
