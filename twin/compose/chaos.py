"""Chaos actions on a service of the stack, and their undoing.

Each of these is what happens to a real pipeline: a process that dies, hangs or is starved, a
host that is gone, a cable that is pulled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from twin.compose.engine import Stack, engine_errors
from twin.errors import ConfigError

if TYPE_CHECKING:
    from docker.models.containers import Container

__all__ = ["VERBS", "Harm", "Undo", "Verb", "begin"]

Undo = Callable[[], None]

_PERIOD_MICROSECONDS = 100_000
_LEAST_SHARE = 0.01
"""Of a core: the kernel grants no less than a millisecond in a period."""
_STOP_SECONDS = 10


class Verb(StrEnum):
    """What is done to a service."""

    STOP = "stop"
    PAUSE = "pause"
    KILL = "kill"
    RESTART = "restart"
    CUT = "cut"
    SLOW = "slow"


VERBS: Mapping[Verb, str] = MappingProxyType(
    {
        Verb.STOP: "ended in order",
        Verb.PAUSE: "frozen",
        Verb.KILL: "killed",
        Verb.RESTART: "ended and started at once",
        Verb.CUT: "cut off its network",
        Verb.SLOW: "given a share of a core",
    }
)
"""What each means for the service, until it is undone."""


@dataclass(frozen=True, slots=True)
class Harm:
    """One thing done to one service.

    Attributes:
        verb: what.
        service: to whom.
        network: of a cut, the network as the compose file calls it; None for all of them.
        share: of a slow-down, the cores that are left, from 0.01.

    Raises:
        ConfigError: the share is too small, or a network is named where none is cut.
    """

    verb: Verb
    service: str
    network: str | None = None
    share: float = 0.05

    def __post_init__(self) -> None:
        if not _LEAST_SHARE <= self.share <= 1:
            raise ConfigError(f"share {self.share:g} of a core is not possible; take 0.01 to 1")
        if self.network is not None and self.verb is not Verb.CUT:
            raise ConfigError(f"{self.verb} is not about a network; leave {self.network!r} out")

    def __str__(self) -> str:
        off = f" off {self.network}" if self.network else ""
        return f"{self.verb} {self.service}{off}"


def begin(stack: Stack, harm: Harm) -> Undo:
    """Do it, and return what undoes it; to undo twice, or what ended by itself, does no harm.

    Raises:
        ConfigError: there is no such service or network, or it is not as it must be.
        ServiceError: the engine did not do it.
    """
    container = stack.container(harm.service)
    if container.status != "running":
        raise ConfigError(
            f"{harm.service} is {container.status}, so it cannot be disturbed; "
            f"start it with: docker compose up -d {harm.service}"
        )
    with engine_errors(str(harm)):
        match harm.verb:
            case Verb.STOP:
                container.stop(timeout=_STOP_SECONDS)
                return _starter(container)
            case Verb.KILL:
                container.kill()
                return _starter(container)
            case Verb.PAUSE:
                container.pause()
                return _unpauser(container)
            case Verb.RESTART:
                container.restart(timeout=_STOP_SECONDS)
                return lambda: None
            case Verb.SLOW:
                return _slow(container, harm.share)
            case Verb.CUT:
                return _cut(stack, container, harm)


def _starter(container: Container) -> Undo:
    def undo() -> None:
        with engine_errors(f"start {container.name}"):
            container.start()  # no effect on a running one

    return undo


def _unpauser(container: Container) -> Undo:
    def undo() -> None:
        with engine_errors(f"unpause {container.name}"):
            container.reload()
            if container.status == "paused":
                container.unpause()

    return undo


def _slow(container: Container, share: float) -> Undo:
    before = container.attrs["HostConfig"].get("CpuQuota") or -1
    quota = round(share * _PERIOD_MICROSECONDS)
    container.update(cpu_period=_PERIOD_MICROSECONDS, cpu_quota=quota)

    def undo() -> None:
        with engine_errors(f"give {container.name} its cores back"):
            container.update(cpu_quota=before)

    return undo


def _cut(stack: Stack, container: Container, harm: Harm) -> Undo:
    joined = container.attrs["NetworkSettings"]["Networks"]
    prefix = f"{stack.project}_"
    names = [name for name in joined if harm.network in (None, name.removeprefix(prefix))]
    if not names:
        there = ", ".join(name.removeprefix(prefix) for name in joined) or "none"
        wanted = f"not in network {harm.network!r}" if harm.network else "in no network"
        raise ConfigError(f"{harm.service} is {wanted}; its networks are: {there}")
    undone: list[Undo] = []
    try:
        for name in names:
            # Its aliases are how the others find it; the engine makes its id one by itself.
            aliases = [
                own
                for own in joined[name].get("Aliases") or ()
                if not re.fullmatch("[0-9a-f]{12}", own)
            ]
            network = stack.client.networks.get(name)
            network.disconnect(container)
            undone.append(_joiner(network, container, aliases))
    except BaseException:
        _all(undone)
        raise
    return lambda: _all(undone)


def _joiner(network: object, container: Container, aliases: list[str]) -> Undo:
    def undo() -> None:
        with engine_errors(f"join {container.name} to its network"):
            container.reload()
            if network.name not in container.attrs["NetworkSettings"]["Networks"]:  # type: ignore[attr-defined]  # the SDK has no types
                network.connect(container, aliases=aliases)  # type: ignore[attr-defined]  # as above

    return undo


def _all(undone: list[Undo]) -> None:
    for undo in undone:
        undo()
