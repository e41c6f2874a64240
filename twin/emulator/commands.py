"""Commands: what comes in over the bus, and the answer to it."""

from __future__ import annotations

import math

import structlog

from twin.errors import ConfigError, FrameError
from twin.faults import FaultSchedule
from twin.wire import Ack, ActiveFault, Clear, Faults, Inject, Topics, decode_message

__all__ = ["Commands"]

_log = structlog.get_logger(__name__)


class Commands:
    """Carries out commands on a fault schedule.

    Args:
        schedule: of the plant.
        topics: of the site.
        lead: simulated seconds before a command takes effect.
    """

    def __init__(self, schedule: FaultSchedule, topics: Topics, lead: float = 0.0) -> None:
        self._schedule = schedule
        self._lead = lead
        self._topics = topics

    def handle(self, topic: str, payload: bytes, now: float, *, retain: bool = False) -> Ack | None:
        """Carry out one command and return the answer, or None when there is no one to answer.

        Args:
            topic: of the message.
            payload: of the message.
            now: simulated time.
            retain: whether the broker had retained it: its age is unknown, so it is refused.
        """
        address = self._topics.parse(topic)
        if address is None or address.kind != "command" or address.name == "detail":
            return None  # the detail is the aggregators' business
        if retain:
            _log.warning("command refused", topic=topic, reason="stale",
                         detail="commands are not retained: its age is unknown")  # fmt: skip
            return None
        try:
            if address.name == "inject":
                return self._inject(decode_message(Inject, payload), now + self._lead)
            if address.name == "clear":
                return self._clear(decode_message(Clear, payload), now)
        except FrameError as error:
            _log.warning("command refused", topic=topic, reason=error.reason, detail=error.detail)
            return None
        _log.warning("command refused", topic=topic, reason="unknown command")
        return None

    def report(self, *, parameters: bool = False) -> Faults:
        """Return the faults in force, as the bus knows them.

        Args:
            parameters: whether to tell those too, for other emulators to follow.
        """
        return Faults(
            active=tuple(
                ActiveFault(
                    id=strike.id,
                    fault=strike.fault.kind,
                    target=strike.target.text,
                    since=strike.since,
                    until=strike.until if math.isfinite(strike.until) else None,
                    parameters=strike.fault.model_dump() if parameters else {},
                )
                for strike in self._schedule.active
            )
        )

    def follow(self, payload: bytes) -> None:
        """Put the faults in force that another emulator says are.

        Raises:
            FrameError: the message is not valid; it has no effect.
        """
        schedule = self._schedule
        try:
            strikes = [
                schedule.applied_fault(
                    active.id,
                    active.fault,
                    active.target,
                    (active.since, math.inf if active.until is None else active.until),
                    active.parameters,
                )
                for active in decode_message(Faults, payload).active
            ]
        except ConfigError as error:
            raise FrameError("value", str(error)) from error
        schedule.restore(strikes)

    def _inject(self, command: Inject, now: float) -> Ack:
        try:
            strike = self._schedule.inject(
                command.id,
                command.fault,
                command.target,
                now,
                command.duration,
                command.parameters,
            )
        except ConfigError as error:
            return Ack(id=command.id, accepted=False, detail=str(error))
        seconds, place = strike.until - strike.since, strike.target.text
        detail = f"{command.fault} is applied to {place} for {seconds:g} s of simulated time"
        _log.info("fault injected", fault=command.fault, target=place, seconds=seconds)
        return Ack(id=command.id, accepted=True, detail=detail)

    def _clear(self, command: Clear, now: float) -> Ack:
        try:
            at = now + self._lead if self._lead else None
            cleared = self._schedule.clear(command.fault, command.target, at)
        except ConfigError as error:
            return Ack(id=command.id, accepted=False, detail=str(error))
        _log.info("faults cleared", count=cleared)
        return Ack(
            id=command.id,
            accepted=True,
            detail=f"{cleared} fault{'' if cleared == 1 else 's'} cleared",
        )
