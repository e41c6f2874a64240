"""Trip tables: how long a unit stays connected while voltage or frequency is off.

The rows follow IEEE 1547: a level, and the time beyond it after which the unit
disconnects. It connects again after a time within the normal range.
"""

from __future__ import annotations

from twin.parameters import MegapackParameters as Parameters

__all__ = ["RideThrough"]

_NORMAL_VOLTAGE = (0.917, 1.05)
"""Voltage over nominal within which a unit may enter service (IEEE 1547-2018, from memory)."""
_NORMAL_OFFSET_HERTZ = (-0.5, 0.1)
"""The same for the frequency, against nominal."""


class RideThrough:
    """The timers of one trip table; all units see the same bus, so there is one.

    Args:
        parameters: the tables.
        nominal_hertz: nominal frequency of the grid.
    """

    def __init__(self, parameters: Parameters, nominal_hertz: float) -> None:
        self._reconnect = parameters.reconnect_seconds
        self._hertz = nominal_hertz
        # Rows as (quantity, sign, level, seconds): beyond when sign x value < sign x level.
        self._rows = [
            *(("voltage", 1.0, *row) for row in parameters.undervoltage_trips),
            *(("voltage", -1.0, *row) for row in parameters.overvoltage_trips),
            *(("frequency", 1.0, *row) for row in parameters.underfrequency_trips),
            *(("frequency", -1.0, *row) for row in parameters.overfrequency_trips),
        ]
        self._beyond = [0.0] * len(self._rows)
        self._normal_for = 0.0
        self.tripped = False
        """Whether the protection keeps the units off."""

    def step(self, voltage: float, frequency: float, dt: float) -> None:
        """Advance by ``dt`` seconds at this voltage (over nominal) and frequency in Hz."""
        low, high = _NORMAL_VOLTAGE
        offset = frequency - self._hertz
        normal = low <= voltage <= high and (
            _NORMAL_OFFSET_HERTZ[0] <= offset <= _NORMAL_OFFSET_HERTZ[1]
        )
        if normal:
            if self.tripped:
                self._normal_for += dt
                self.tripped = self._normal_for < self._reconnect
            if any(self._beyond):
                self._beyond = [0.0] * len(self._rows)
            return
        self._normal_for = 0.0
        for index, (quantity, sign, level, seconds) in enumerate(self._rows):
            value = voltage if quantity == "voltage" else frequency
            beyond = sign * value < sign * level
            self._beyond[index] = self._beyond[index] + dt if beyond else 0.0
            if self._beyond[index] >= seconds:
                self.tripped = True
