"""BMCs without a bus: the emulator's core feeds the core of the Redfish service."""

from __future__ import annotations

import base64
from itertools import count
from typing import Any

import orjson

from tests.aggregator.twinning import EPOCH, advance
from twin.aggregator import Token
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.redfish import Destinations, Login, RedfishCore
from twin.redfish.exchange import BmcAnswer, BmcRequest
from twin.site import Layout, Site, parse_site
from twin.wire import Inject, Topics

__all__ = ["EPOCH", "PASSWORD", "SMALL", "USER", "BmcRig", "basic"]

USER, PASSWORD = "admin", "a-password-of-the-tests"
SMALL = """
name: small
racks: 2
racks_per_array: 2
servers_per_rack: 2
"""
"""Four servers of eight GPUs in two racks with coolant."""


def basic(user: str = USER, shown: str = PASSWORD) -> str:
    """Return the header ``Authorization`` of a login."""
    return "Basic " + base64.b64encode(f"{user}:{shown}".encode()).decode()


class BmcRig:
    """An emulator, and the BMCs over what it publishes.

    Args:
        text: the site.
        site: the site instead, None for that of the text.
        destinations: where events may be sent.

    Attributes:
        emulator: the emulator's core.
        core: of the Redfish service.
        now: seconds since the start.
    """

    def __init__(
        self, text: str = SMALL, site: Site | None = None, destinations: tuple[str, ...] = ()
    ) -> None:
        layout = Layout(site or parse_site(text, "test"))
        self.emulator = EmulatorCore(EmulatorConfig(layout, seed=1), EPOCH)
        self.core = RedfishCore(
            layout, Login(USER, Token(PASSWORD)), destinations=Destinations(destinations)
        )
        self.now = 0
        self._numbers = count()
        self._topics = Topics(layout.site.name)
        for message in self.emulator.announcement({}):
            self.core.handle(message.topic, message.payload, True, EPOCH, 0.0)
        self.run(2)

    def run(self, seconds: int = 1) -> None:
        """Let simulated seconds pass, with all messages and frames."""
        for _ in range(seconds):
            self.now += 1
            wall, at = EPOCH + self.now, float(self.now)
            advance(self.emulator, self.core, wall, at)

    def inject(self, fault: str, target: str, **parameters: float) -> None:
        """Let a fault begin that does not end."""
        command = Inject(
            id=f"i{next(self._numbers)}", fault=fault, target=target, duration=1e6,
            parameters=parameters,
        )  # fmt: skip
        before = len(self.emulator.faults.active)
        assert self.emulator.on_message(self._topics.command("inject"), command.encode())
        assert len(self.emulator.faults.active) == before + 1, fault

    def ask(self, bmc: str, path: str, method: str = "GET", **fields: Any) -> BmcAnswer | None:
        """Return the answer of a BMC to a request that shows the login, unless it says other."""
        found = self.core.directory.find(bmc)
        assert found is not None, bmc
        path, _, query = path.partition("?")
        pairs = tuple((name, value) for name, _, value in
                      (own.partition("=") for own in query.split("&") if own))  # fmt: skip
        named: dict[str, Any] = {"authorization": basic(), "now": EPOCH + self.now,
                                 "at": float(self.now), **fields}  # fmt: skip
        return self.core.ask(found, BmcRequest(method, path, pairs, **named))

    def get(self, bmc: str, path: str) -> dict[str, Any]:
        """Return the resource at a path below ``/redfish/v1/``."""
        answer = self.ask(bmc, f"/redfish/v1/{path}")
        assert answer is not None, f"{bmc} does not answer"
        assert answer.status == 200, answer.body
        found: dict[str, Any] = orjson.loads(answer.body)
        return found
