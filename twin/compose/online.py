"""Health check: whether the broker holds an emulator's status as online."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys

from twin.bus import BrokerUrl, connect
from twin.errors import BusError, FrameError, TwinError
from twin.site import load_site
from twin.wire import EmulatorStatus, Topics, decode_message

__all__ = ["check_online", "site_name"]

_ANSWER_SECONDS = 3.0


async def check_online(broker: BrokerUrl, site: str, emulator: str) -> None:
    """Return when the broker holds the emulator for online.

    An emulator that hangs is not: the broker has published its Last Will.

    Args:
        broker: where it is connected; the user must be allowed to read its status.
        site: name of its site.
        emulator: its name.

    Raises:
        BusError: it is not, or the broker cannot be reached.
    """
    topic = Topics(site).status(emulator)
    state = "unknown to the broker"
    async with connect(broker, client_id=f"twin-probe-{secrets.token_hex(4)}") as bus:
        await bus.subscribe(topic, qos=1)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                async for message in bus.messages():
                    try:
                        state = decode_message(EmulatorStatus, message.payload).state
                    except FrameError:
                        state = "known by a status that cannot be read"
                    break
        except TimeoutError:
            pass
    if state != "online":
        raise BusError(f"emulator {emulator} of site {site} is {state} at {broker}; see its log")


def main() -> None:
    """Check the emulator that is named, at ``$TWIN_BROKER`` on the site ``$TWIN_SITE``.

    For the health check of a container, which runs every few seconds: the ``twin`` command
    takes twice as long to load.
    """
    try:
        broker = BrokerUrl.parse(os.environ.get("TWIN_BROKER", "mqtt://127.0.0.1:1883"))
        asyncio.run(check_online(broker, site_name(), sys.argv[1]))
    except TwinError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)


def site_name() -> str:
    """Return the name of the site ``$TWIN_SITE``, which of a site of one's own is in its file."""
    site = os.environ.get("TWIN_SITE", "demo")
    return load_site(site).name if "/" in site else site


if __name__ == "__main__":
    main()
