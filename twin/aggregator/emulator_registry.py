"""Registry of emulators: their status and the faults in force."""

from __future__ import annotations

from twin.aggregator.rivals import Rivals
from twin.aggregator.store import Missing, timeout_of
from twin.errors import FrameError
from twin.wire import ActiveFault, Clock, EmulatorStatus, Faults

__all__ = ["EmulatorRegistry"]

_MOST_LAG_SECONDS = 86_400.0
"""A clock that is further off is a wrong clock, and must not spoil the histogram's sum."""

_MOST_AHEAD_SECONDS = 2 * 86_400.0
"""Simulated seconds by which a gateway's clock may be ahead of its emulator's."""
_SLACK_SECONDS = 600.0
"""Seconds of the wall clock by which an emulator may run ahead of the clock it announced."""

_MOST_EMULATORS = 1000
"""Each makes a few series, and their names come from the network."""


class EmulatorRegistry:
    """The last word of every emulator.

    A status does not say which units its emulator feeds. So when every emulator is gone
    all units are lost at once, and when some are gone their units fall to the timeout.

    Attributes:
        emulators: last status by the emulator's name.
        faults: the faults in force, in order of injection.
        faults_known: whether that list was told since the broker was connected.
    """

    def __init__(self, interval: float) -> None:
        self.emulators: dict[str, EmulatorStatus] = {}
        self.faults: tuple[ActiveFault, ...] = ()
        self.faults_known = False
        self.rivals = Rivals()
        """Emulators that publish the same."""
        self.interval = interval
        """Seconds of the wall clock between two frames of a unit, as it was last reported."""
        self._clock: Clock | None = None
        self._speed = 1.0
        self._timeout = timeout_of(interval)

    def on_status(self, status: EmulatorStatus) -> None:
        """Ingest the status of an emulator.

        Raises:
            FrameError: with the reason ``foreign``, for more emulators than a site has.
        """
        known = len(self.emulators)
        if status.emulator not in self.emulators and known >= _MOST_EMULATORS:
            raise FrameError("foreign", f"there are {known} emulators already")
        # Where a shard's jobs stand is for other shards, and may be long.
        self.emulators[status.emulator] = status.model_copy(update={"jobs": None})
        online = self._online()
        if online:
            self._timeout = timeout_of(max(other.interval / other.speed for other in online))
            self.interval = max(other.interval / other.speed for other in online)
        if status.state == "online" and status.clock is not None:
            self._clock, self._speed = status.clock, status.speed

    def on_faults(self, faults: Faults) -> None:
        """Take over the list of faults in force."""
        self.faults = faults.active
        self.faults_known = True

    def forget_status(self, emulator: str) -> None:
        """Drop an emulator whose retained status was deleted."""
        self.emulators.pop(emulator, None)

    def forget(self) -> None:
        """Drop all: the broker is away, and on return it repeats what it retained."""
        self.emulators.clear()
        self.faults = ()
        self.faults_known = False

    @property
    def timeout(self) -> float:
        """Seconds of silence after which a unit is given up."""
        return self._timeout

    @property
    def loss(self) -> Missing | None:
        """Why no emulator is left; None while one is online, or if none was ever known."""
        if not self.emulators or self._online():
            return None
        lost = any(status.state == "lost" for status in self.emulators.values())
        return Missing.WILL if lost else Missing.OFFLINE

    @property
    def online(self) -> bool:
        """Whether an emulator says that it publishes."""
        return bool(self._online())

    def lag(self, ts: float, now: float) -> float | None:
        """Return how long ago a frame was due, in seconds of the wall clock.

        Args:
            ts: the frame's simulated time.
            now: the wall clock.

        Returns:
            From 0 to a day; None while no emulator has announced its clock.
        """
        if self._clock is None:
            return None
        due = self._clock.wall + (ts - self._clock.simulated) / self._speed
        return min(max(0.0, now - due), _MOST_LAG_SECONDS)

    def is_ahead(self, ts: float, now: float) -> bool:
        """Whether a frame is of a time that no emulator can have reached yet.

        Such a frame would let all that follow look old. Without a clock this cannot be decided.

        Args:
            ts: the frame's simulated time.
            now: the wall clock.
        """
        if self._clock is None:
            return False
        reached = self._clock.simulated + (now - self._clock.wall + _SLACK_SECONDS) * self._speed
        return ts > reached + _MOST_AHEAD_SECONDS

    def _online(self) -> list[EmulatorStatus]:
        return [status for status in self.emulators.values() if status.state == "online"]
