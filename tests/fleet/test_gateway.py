"""The gateway's service: a Prometheus that is away, slow or refuses, and what goes out then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.fleet.conftest import NOW, Show, answer, layout_of, scraped
from twin.bus import BrokerUrl
from twin.clients.prometheus import QueryError
from twin.errors import ServiceError
from twin.fleet.gateway import Gateway
from twin.fleet.gateway_core import GatewayCore
from twin.wire import Codec, EmulatorStatus


class Source:
    """A Prometheus that answers as it is told."""

    def __init__(self, body: bytes = b"", error: Exception | None = None) -> None:
        self.body, self.error, self.at = body, error, NOW

    def now(self) -> float:
        """Return its time."""
        if self.error is not None and not isinstance(self.error, QueryError):
            raise self.error
        return self.at

    def raw(self, query: str, at: float) -> bytes:
        """Return the body."""
        assert query.endswith("ms]")
        assert at == self.at
        if self.error is not None:
            raise self.error
        return self.body


class Wire:
    """A bus that keeps what is published."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Keep a message."""
        assert retain == (qos == 1)
        self.sent.append((topic, payload))


@pytest.fixture
def polled() -> Callable[[Source, GatewayCore], list[tuple[str, bytes]]]:
    """Return a function that polls once and returns what was published."""

    def poll(source: Source, core: GatewayCore) -> list[tuple[str, bytes]]:
        gateway, wire = Gateway(core, source, "gateway-0", wall=lambda: NOW - 100.0), Wire()
        gateway._bus = wire  # type: ignore[assignment]
        asyncio.run(gateway._poll())
        return wire.sent

    return poll


Poll = Callable[[Source, GatewayCore], list[tuple[str, bytes]]]


def test_a_poll_publishes_metadata_frames_and_a_status(shown: Show, polled: Poll) -> None:
    """The status ties the time of Prometheus to ours, so lag is told whatever the clocks say."""
    layout, first = shown()
    sent = polled(Source(answer(scraped(first))), GatewayCore(layout, "gateway-0", Codec.JSON))
    kinds = [topic.split("/")[3] for topic, _ in sent]
    assert kinds == ["meta"] * 3 + ["rack"] * 3 + ["status"]
    status = EmulatorStatus.model_validate_json(sent[-1][1])
    assert status.clock is not None
    assert (status.clock.simulated, status.clock.wall) == (NOW, NOW - 100.0)
    assert (status.state, status.interval, status.frames) == ("online", 10.0, 3)


@pytest.mark.parametrize("error", [ServiceError("it is away"), QueryError("too many samples")])
def test_a_prometheus_that_goes_away_gives_no_frames(polled: Poll, error: Exception) -> None:
    """The gateway stays, says that it is there, invents nothing and counts."""
    core = GatewayCore(layout_of(), "gateway-0", Codec.JSON)
    sent = polled(Source(error=error), core)
    assert not any("/rack/" in topic and "/meta/" not in topic for topic, _ in sent)
    assert sent[-1][0] == "twin/v1/small/status/gateway-0"
    assert core.figures.refused == 1


def test_a_prometheus_that_is_not_there_at_the_start_ends_the_command() -> None:
    """A wrong address or login is told at once, not by a site that stays silent."""
    core = GatewayCore(layout_of(), "gateway-0", Codec.JSON)
    gateway = Gateway(core, Source(error=ServiceError("wants a login")), "gateway-0")
    with pytest.raises(ServiceError, match="wants a login"):
        asyncio.run(gateway.run(BrokerUrl("127.0.0.1", 1), asyncio.Event()))
