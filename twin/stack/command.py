"""Command to a running emulator, and its answer."""

from __future__ import annotations

import asyncio

from twin.bus import BrokerUrl, Bus, connect
from twin.errors import BusError, ConfigError, FrameError
from twin.wire import Ack, Clear, EmulatorStatus, Inject, SetDetail, Topics, decode_message

__all__ = ["send_command"]

_ADDRESSEES = {
    Inject: ("inject", "emulator"),
    Clear: ("clear", "emulator"),
    SetDetail: ("detail", "aggregator"),
}
"""Kind of a command in its topic, and who carries it out."""

_ANSWER_SECONDS = 5.0
_DISCOVERY_SECONDS = 1.0


async def send_command(
    broker: BrokerUrl, site: str | None, command: Inject | Clear | SetDetail
) -> Ack:
    """Publish ``command`` and return the answer: the emulator's, of a detail an aggregator's.

    Args:
        broker: where they are connected.
        site: name of its site; None when the broker carries only one.
        command: what to do.

    Raises:
        BusError: the broker cannot be reached, or no emulator or aggregator answers.
        ConfigError: the broker carries several sites and none was named.
    """
    kind, who = _ADDRESSEES[type(command)]
    async with connect(broker, client_id=f"twin-{command.id}") as bus:
        topics = Topics(site or await _only_site(bus, broker))
        await bus.subscribe(topics.ack(command.id), qos=1)
        await bus.publish(topics.command(kind), command.encode(), qos=1)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                async for message in bus.messages():
                    if message.topic != topics.ack(command.id):
                        continue
                    try:
                        return decode_message(Ack, message.payload)
                    except FrameError:
                        continue
        except TimeoutError:
            pass
    raise BusError(
        f"no {who} of site {topics.site!r} answered on {broker} within "
        f"{_ANSWER_SECONDS:g} s; is it running (twin up), and is --site its site?"
    )


async def _only_site(bus: Bus, broker: BrokerUrl) -> str:
    """Return the one site that has an emulator online, by the retained statuses."""
    await bus.subscribe(Topics.every_status(), qos=1)
    sites: set[str] = set()
    try:
        async with asyncio.timeout(_DISCOVERY_SECONDS):
            async for message in bus.messages():
                address = Topics.parse(message.topic)
                if address is not None and _is_online(message.payload):
                    sites.add(address.site)
    except TimeoutError:
        pass
    if not sites:
        raise BusError(f"no emulator is online on {broker}; start one with twin up")
    if len(sites) > 1:
        raise ConfigError(f"{broker} carries the sites {', '.join(sorted(sites))}; choose --site")
    return sites.pop()


def _is_online(payload: bytes) -> bool:
    try:
        return decode_message(EmulatorStatus, payload).state == "online"
    except FrameError:
        return False
