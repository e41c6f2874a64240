"""Health check: whether an observer reports on its site."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys

from twin.bus import BrokerUrl, connect
from twin.compose.online import site_name
from twin.errors import BusError, TwinError
from twin.wire import Topics

__all__ = ["check_observing"]

_REPORT_SECONDS = 100.0
"""Time in which an observer reports at least once, where a frame comes every 25 s or sooner."""


async def check_observing(broker: BrokerUrl, site: str, wait: float = _REPORT_SECONDS) -> None:
    """Return when an observer reports on the site.

    Args:
        broker: where it is connected; the user must be allowed to read its reports.
        site: name of the site.
        wait: seconds that it may take.

    Raises:
        BusError: it does not, or the broker cannot be reached.
    """
    async with connect(broker, client_id=f"twin-probe-{secrets.token_hex(4)}") as bus:
        await bus.subscribe(Topics(site).shadow("+"))
        try:
            async with asyncio.timeout(wait):
                async for _ in bus.messages():
                    return
        except TimeoutError:
            pass
    raise BusError(
        f"no observer has reported on site {site} at {broker} for {wait:g} s; see its log, and "
        "whether frames come"
    )


def main() -> None:
    """Check the observer at ``$TWIN_BROKER`` on the site ``$TWIN_SITE``, for a container."""
    try:
        broker = BrokerUrl.parse(os.environ.get("TWIN_BROKER", "mqtt://127.0.0.1:1883"))
        asyncio.run(check_observing(broker, site_name()))
    except TwinError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
