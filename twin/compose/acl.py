"""Access list of the Mosquitto broker: users and their topics.

What is not listed is refused. Patterns of Mosquitto (``%u``) hold for every user, also for
those who may not write at all, so each user is given its topics by name instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.wire import Topics

__all__ = ["BrokerRole", "BrokerUser", "render_acl"]

_VERSION = "$SYS/broker/version"
_FIGURES = "$SYS/broker/#"
"""What the broker says of itself; the aggregator exposes it."""


class BrokerRole(Enum):
    """What a user of the broker is there for."""

    EMULATOR = "emulator"
    AGGREGATOR = "aggregator"
    OBSERVER = "observer"
    CONTROLLERS = "controllers"
    CONTROL = "control"
    GUEST = "guest"
    HEALTH = "health"


_OBSERVED = (UnitKind.MEGAPACK, UnitKind.GENSET, UnitKind.GRID, UnitKind.JOB)
"""Units beside the racks whose frames the observer reads."""
_OF_A_SITE = (BrokerRole.EMULATOR, BrokerRole.AGGREGATOR, BrokerRole.OBSERVER,
              BrokerRole.CONTROLLERS)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A user of the broker and what it may do.

    Attributes:
        name: its login; an emulator's is also its name on the status topic.
        role: what it is there for.
        site: the only site it may touch; None for all of them.
        injects: of an aggregator, whether its page may give commands.
    """

    name: str
    role: BrokerRole
    site: str | None = None
    injects: bool = False

    def rights(self) -> tuple[tuple[str, str], ...]:
        """Return ``read`` or ``write`` with a topic filter, one pair a right.

        Raises:
            ConfigError: the role is one of a site, and none is named.
        """
        if self.role is BrokerRole.HEALTH:
            return (("read", _VERSION),)
        if self.site is None and self.role in _OF_A_SITE:
            raise ConfigError(f"user {self.name!r} of the broker has no site; name one")
        topics = Topics(self.site or "+")
        match self.role:
            case BrokerRole.EMULATOR:
                return self._emulator(topics)
            case BrokerRole.AGGREGATOR:
                return self._aggregator(topics)
            case BrokerRole.OBSERVER | BrokerRole.CONTROLLERS:
                return self._of_racks(topics)
            case BrokerRole.CONTROL:
                return (("read", topics.everything), ("write", topics.command("+")))
            case _:
                return (("read", topics.everything),)

    def _emulator(self, topics: Topics) -> tuple[tuple[str, str], ...]:
        written = (
            *(topics.frames(kind) for kind in UnitKind),
            topics.blocks("+"),
            topics.status(self.name),
            topics.meta("+"),
            topics.jobs("+"),
            topics.queue,
            topics.faults,
            topics.ack("+"),
        )
        # It reads its own status to say whether the broker holds it for online.
        read = (topics.command("+"), topics.status(self.name))
        return (*(("write", topic) for topic in written), *(("read", topic) for topic in read))

    def _of_racks(self, topics: Topics) -> tuple[tuple[str, str], ...]:
        """Return the rights of who needs no more than what racks say, and of the observer."""
        # The observer reads its own reports to say whether it reports; BMCs say nothing at all.
        observes = self.role is BrokerRole.OBSERVER
        own = topics.shadow("+") if observes else topics.status("+")
        kinds = (UnitKind.RACK, *(_OBSERVED if observes else ()))
        frames = (topics.frames(kind) for kind in kinds)
        jobs = (topics.jobs("+"),) if observes else ()
        read = (*frames, topics.blocks("+"), topics.meta("+"), *jobs, own)
        written = (("write", own),) if observes else ()
        return (*written, *(("read", topic) for topic in read))

    def _aggregator(self, topics: Topics) -> tuple[tuple[str, str], ...]:
        # What was set by a command is retained, and the command is answered.
        written = [topics.detail, topics.ack("+")]
        if self.injects:
            written += [topics.command("inject"), topics.command("clear")]
        read = (topics.everything, _FIGURES)
        return (*(("read", topic) for topic in read), *(("write", topic) for topic in written))


def render_acl(users: Iterable[BrokerUser]) -> str:
    """Return the text of Mosquitto's ``acl_file`` for these users.

    Raises:
        ConfigError: the role is one of a site, and none is named.
    """
    lines = ["# Made by `twin stack secrets`. Users who are not listed have no access."]
    for user in users:
        lines += ["", f"user {user.name}"]
        lines += [f"topic {right} {topic}" for right, topic in user.rights()]
    return "\n".join(lines) + "\n"
