"""Delivery watch: a connection on which frames still come, and statuses no longer do.

Mosquitto 2.0 drops messages for a reader that hangs, and never takes back the in-flight slots of
the QoS 1 messages among them (its issues 2362 and 3188). When all slots are gone it delivers
frames, which are QoS 0, and nothing else, for as long as the connection stands. A new connection
has all its slots, and is told again what is retained.
"""

from __future__ import annotations

__all__ = ["DeliveryWatch"]

_LEAST_SECONDS = 30.0
"""An emulator says every 2 s that it is online."""
_REGULAR = 2
"""Statuses on one connection after which more are due: who says it once owes no second one."""


class DeliveryWatch:
    """Notices that statuses are overdue while frames come.

    Attributes:
        overdue: whether they are.
    """

    def __init__(self) -> None:
        self.overdue = False
        self._statuses = 0
        self._last = 0.0

    def connected(self) -> None:
        """Begin anew with a new connection."""
        self.overdue = False
        self._statuses = 0

    def status(self, at: float) -> None:
        """Take note of a status that has just been published, at an elapsed time."""
        self._statuses += 1
        self._last = at

    def look(self, at: float, timeout: float, *, reporting: bool) -> None:
        """Compare with the frames.

        Args:
            at: elapsed time.
            timeout: seconds after which a silent unit is given up.
            reporting: whether any unit reports.
        """
        # An emulator that hangs sends neither; its units count as reporting until the timeout.
        patience = max(_LEAST_SECONDS, 2.0 * timeout)
        self.overdue = reporting and self._statuses >= _REGULAR and at - self._last > patience
