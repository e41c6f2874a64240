"""Chaos actions on a running stack, as steps of a scenario."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from twin.compose.chaos import VERBS, Harm, Verb, begin
from twin.compose.engine import Stack
from twin.errors import TwinError
from twin.scenario import ScenarioEvent

__all__ = ["ChaosActions", "harm_of"]

_DISTURBANCES: Mapping[str, Harm] = MappingProxyType(
    {
        "emulator-lost": Harm(Verb.KILL, "emulator"),
        "broker-lost": Harm(Verb.STOP, "mosquitto"),
        "aggregator-down": Harm(Verb.STOP, "aggregator"),
    }
)
"""What brings about on a stack what a rule test only pretends."""

_RECOVERY_SECONDS = 30.0
"""Time after its end in which the harmed service may still be starting."""


def harm_of(event: ScenarioEvent) -> Harm | None:
    """Return what is done to which service, None for what is done to none.

    Raises:
        ConfigError: the step names a network or a share that is not possible.
    """
    if not event.is_chaos:
        return _DISTURBANCES.get(event.kind)
    service, _, network = (event.target or "").partition("/")
    return Harm(
        Verb(event.kind.removeprefix("service-")), service, network or None, **event.parameters
    )


class ChaosActions:
    """What is done to the services, and not undone yet.

    Args:
        connect: returns the stack; called once, when the first step is due.
    """

    def __init__(self, connect: Callable[[], Stack]) -> None:
        self._connect = connect
        self._stack: Stack | None = None
        self._open: list[tuple[float, Harm, Callable[[], None]]] = []
        self._excused = 0.0

    def excuse(self, now: float) -> bool:
        """Return whether a service may fail to answer: it is disturbed or just restarting."""
        return bool(self._open) or now < self._excused

    async def begin(self, harm: Harm, ends: float) -> str:
        """Do it, to be undone at ``ends``, and return a sentence on it.

        Raises:
            ConfigError: there is no such service or network, or no Docker SDK.
            ServiceError: the engine cannot be reached or did not do it.
        """
        task = asyncio.create_task(asyncio.to_thread(self._begin, harm))
        try:
            undo = await asyncio.shield(task)
        except asyncio.CancelledError:
            # What has begun cannot be stopped halfway; so that it is undone, it is awaited.
            with suppress(TwinError):
                self._open.append((ends, harm, await task))
            raise
        self._open.append((ends, harm, undo))
        return f"{harm.service} is {VERBS[harm.verb]}"

    async def end(self, now: float) -> list[str]:
        """Undo what is over, and return a sentence on each."""
        over = [own for own in self._open if own[0] <= now]
        for own in over:
            await asyncio.to_thread(own[2])
            self._open.remove(own)
            self._excused = now + _RECOVERY_SECONDS
        return [f"{harm.service} is as before" for _, harm, _ in over]

    async def undo(self) -> None:
        """Undo all that is left; one that fails does not keep the others from it.

        Raises:
            ServiceError: the engine did not undo one of them.
        """
        failed: TwinError | None = None
        while self._open:
            _, _, undo = self._open.pop()
            try:
                await asyncio.shield(asyncio.to_thread(undo))
            except TwinError as error:
                failed = error
        if failed is not None:
            raise failed

    def _begin(self, harm: Harm) -> Callable[[], None]:
        if self._stack is None:
            self._stack = self._connect()
        return begin(self._stack, harm)
