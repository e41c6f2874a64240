"""Detail at run time: the commands that change it, and the retained setting.

The setting of a command is retained on the topic ``detail``, so that an aggregator that
starts anew, or a second one, exposes the same. It outweighs what the aggregator was
started with until a command resets it. A broker that forgets what it retained, as one
without persistence does at a restart, is told again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from twin.errors import ConfigError, FrameError
from twin.site import DetailPlan, Layout, count_series
from twin.wire import Ack, DetailSetting, SetDetail, Topics, decode_message

__all__ = ["DetailControl", "Outgoing"]

_REMIND_TICKS = 4
"""Ticks within which the broker tells what it retained: it does so with the subscription."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published.

    Attributes:
        topic: its topic.
        payload: its content; empty to delete what is retained.
        retain: whether the broker keeps it.
        qos: 1 to be sure that it gets there, 0 for what comes again soon.
    """

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1


class DetailControl:
    """Carries out commands on the detail of a site.

    Args:
        layout: the site.
        started: the plan that it was started with.
        apply: takes over a new plan.

    Attributes:
        topics: the topics whose messages :meth:`handle` takes.
        plan: the plan in force.
    """

    def __init__(
        self, layout: Layout, started: DetailPlan, apply: Callable[[DetailPlan], None]
    ) -> None:
        self._layout = layout
        self._names = Topics(layout.site.name)
        self._started = started
        self._apply = apply
        self.plan = started
        self._commanded = False
        self._ticks_to_wait: int | None = None
        self.topics = frozenset({self._names.detail, self._names.command("detail")})

    def handle(self, topic: str, payload: bytes, retain: bool) -> list[Outgoing]:
        """Take over one message of :attr:`topics` and return what is to be published.

        Raises:
            FrameError: it is not a valid message, or it does not fit the site.
        """
        if topic == self._names.detail:
            self._restore(payload)
            return []
        if retain:
            raise FrameError("stale", "commands are not retained: its age is unknown")
        return self._command(decode_message(SetDetail, payload))

    def connected(self) -> None:
        """Take note that a connection stands: the broker tells what it retained, if anything."""
        self._ticks_to_wait = _REMIND_TICKS

    def remind(self) -> list[Outgoing]:
        """Return the setting when the broker has forgotten it; call it twice a second or so."""
        if self._ticks_to_wait is None:
            return []
        self._ticks_to_wait -= 1
        if self._ticks_to_wait > 0:
            return []
        self._ticks_to_wait = None
        return [self._kept()] if self._commanded else []

    def _kept(self) -> Outgoing:
        setting = DetailSetting(detail=self.plan.settings)
        return Outgoing(self._names.detail, setting.encode(), retain=True)

    def _restore(self, payload: bytes) -> None:
        self._ticks_to_wait = None
        plan = self._started
        if payload:
            setting = decode_message(DetailSetting, payload)
            try:
                plan = plan.changed(setting.detail)
            except ConfigError as error:
                raise FrameError("value", str(error)) from error
        self._commanded = bool(payload)
        self._take(plan)

    def _command(self, command: SetDetail) -> list[Outgoing]:
        try:
            before = self._started if command.reset else self.plan
            plan = before.changed(command.detail)
        except ConfigError as error:
            return [self._answer(command.id, str(error), accepted=False)]
        self._take(plan)
        answer = self._answer(
            command.id, f"{plan}: {count_series(self._layout, plan):,} series", accepted=True
        )
        self._commanded = bool(command.detail) or (self._commanded and not command.reset)
        if command.reset and not command.detail:
            return [Outgoing(self._names.detail, b"", retain=True), answer]
        if not command.detail:
            return [answer]
        return [self._kept(), answer]

    def _take(self, plan: DetailPlan) -> None:
        if plan != self.plan:
            self.plan = plan
            self._apply(plan)
            _log.info("detail set", detail=str(plan), series=count_series(self._layout, plan))

    def _answer(self, identifier: str, detail: str, *, accepted: bool) -> Outgoing:
        ack = Ack(id=identifier, accepted=accepted, detail=detail)
        return Outgoing(self._names.ack(identifier), ack.encode())
