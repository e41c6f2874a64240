"""Rival emulators: two of them that publish the same part of a site at the same time.

Each has its own clock and running numbers, so counters jump back and forth and frames seem to
be lost. Their statuses tell: two names online for one part, or one name that two processes bear,
which throw each other out at the broker in turn.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import structlog

from twin.wire import EmulatorStatus

__all__ = ["Rivals"]

_FRESH_SECONDS = 10.0
"""An emulator says every 2 s that it is online."""
_CLASH_SECONDS = 60.0
"""Two of one name come back in turn, each after up to 15 s."""
_FORMER = 8
"""Processes of a name that are remembered: one that comes back after another is a rival."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Heard:
    """What was heard of one name.

    Attributes:
        part: of the site that it says to publish; empty for all.
        instance: which process it was last; None for one that does not say so.
        at: elapsed time when it was last online.
        clashed: elapsed time when a process came back after another.
        former: processes before the last one.
    """

    part: str
    instance: str | None
    at: float
    clashed: float = float("-inf")
    former: deque[str | None] = field(default_factory=lambda: deque(maxlen=_FORMER))


class Rivals:
    """Notices rivals.

    Attributes:
        names: the emulators that have one, in order.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._heard: dict[str, _Heard] = {}

    def hear(self, status: EmulatorStatus, at: float) -> None:
        """Take note of a status that has just been published.

        Args:
            status: of an emulator.
            at: elapsed time.
        """
        if status.state != "online":
            return
        part, name = status.shard or "", status.emulator
        heard = self._heard.get(name)
        if heard is None:
            self._heard[name] = _Heard(part, status.instance, at)
            return
        if status.instance != heard.instance:
            if status.instance in heard.former:
                heard.clashed = at
            heard.former.append(heard.instance)
        heard.part, heard.instance, heard.at = part, status.instance, at

    def look(self, at: float) -> None:
        """Find emulators that have a rival now, and log each once."""
        self._heard = {
            name: heard for name, heard in self._heard.items() if at - heard.at < _CLASH_SECONDS
        }
        parts: dict[str, list[str]] = {}
        for name, heard in self._heard.items():
            if at - heard.at < _FRESH_SECONDS:
                parts.setdefault(heard.part, []).append(name)
        whole = parts.get("", [])
        found = {name for names in parts.values() if len(names) > 1 for name in names}
        if whole and len(parts) > 1:
            found |= {name for names in parts.values() for name in names}
        found |= {
            name for name, heard in self._heard.items() if at - heard.clashed < _CLASH_SECONDS
        }
        names = tuple(sorted(found))
        if names and not self.names:
            _log.warning(
                "several emulators publish the same part of the site; stop all but one of them, "
                "or give each its own --site or --shard",
                emulators=", ".join(names[:5]),
            )
        self.names = names
