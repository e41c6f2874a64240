"""The broker's figures of itself: what is taken, what is refused, and a broker that says no."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from twin.aggregator import Core
from twin.aggregator.broker_figures import BROKER_FILTER, BrokerFeed
from twin.aggregator.shard_assignment import ShardAssignment
from twin.bus import BrokerRefusedError
from twin.catalog.broker import BROKER_TOPICS
from twin.errors import BusError
from twin.site import Shard

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

LABELS = '{job="mosquitto-exporter",instance="mosquitto-exporter:9234",site="small"}'


def series(core: Core) -> list[str]:
    """Return the lines of the broker's figures, without comments."""
    return [line for line in bytes(core.metrics()).decode().splitlines() if line[:7] == "broker_"]


def refused(core: Core, reason: str) -> int:
    """Return how many messages were refused for that reason."""
    return core.telemetry.tallies()["twin_messages_refused_total"][reason]


def test_figures_are_series(feed: Feed) -> None:
    """A figure is the first number of its payload, under the exporter's name and labels."""
    feed.send("$SYS/broker/uptime", b"86521 seconds", retain=True)
    feed.send("$SYS/broker/clients/connected", b"3", retain=True)
    feed.send("$SYS/broker/clients/connected", b"4")
    feed.send("$SYS/broker/load/sockets/1min", b"1.75")
    assert series(feed.core) == [
        f"broker_uptime{LABELS} 86521",
        f"broker_clients_connected{LABELS} 4",
        f"broker_load_sockets_1min{LABELS} 1.75",
    ]


def test_they_stand_as_the_exporter_has_them(feed: Feed) -> None:
    """Help and type are the exporter's, in both formats."""
    feed.send("$SYS/broker/bytes/sent", b"5")
    plain, openmetrics = (bytes(feed.core.metrics(openmetrics=each)) for each in (False, True))
    assert (
        b"# HELP broker_bytes_sent $SYS/broker/bytes/sent\n# TYPE broker_bytes_sent counter\n"
        in plain
    )
    assert b"# TYPE broker_bytes_sent unknown\n" in openmetrics


def test_without_figures_there_are_no_series(feed: Feed) -> None:
    """A broker that says nothing of itself, as the embedded one, has no series."""
    feed.site()
    assert series(feed.core) == []


@pytest.mark.parametrize(
    "topic",
    ["$SYS/broker/version", "$SYS/broker/stranger", "$SYS/brokers/emqx/uptime", "$share", "$"],
)
def test_other_topics_are_passed_over(feed: Feed, topic: str) -> None:
    """Only topics of the catalogue are kept, however many others there are, and none is refused."""
    for number in range(100):
        feed.send(f"{topic}/{number}", b"1")
    feed.send(topic, b"1")
    assert series(feed.core) == []
    assert sum(feed.core.telemetry.tallies()["twin_messages_refused_total"].values()) == 0


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "value"),
        (b"nan", "value"),
        (b"many", "value"),
        (b"\xff\xfe", "value"),
        (b"1" * 65, "oversized"),
    ],
)
def test_bad_payloads_are_refused_and_counted(feed: Feed, payload: bytes, reason: str) -> None:
    """What is no number, or too long for one, leaves the last figure and is counted."""
    feed.send("$SYS/broker/uptime", b"7 seconds")
    feed.send("$SYS/broker/uptime", payload)
    assert series(feed.core) == [f"broker_uptime{LABELS} 7"]
    assert refused(feed.core, reason) == 1


@pytest.mark.parametrize("payload", [b"9" * 64, b"-1.5", b"00012", b"18446744073709551616"])
def test_any_number_can_be_exposed(feed: Feed, payload: bytes) -> None:
    """However large a number a stranger sends, the page is rendered and the value finite."""
    for topic in BROKER_TOPICS:
        feed.send(topic, payload)
    lines = series(feed.core)
    assert len(lines) == len(BROKER_TOPICS)
    assert all(abs(float(line.rsplit(" ", 1)[1])) < 1e65 for line in lines)


def test_one_aggregator_of_several_has_them(feed: Feed) -> None:
    """Of shards only the one that leads exposes the broker, so no series stands twice."""
    for shard, count in ((0, 1), (1, 0)):
        core = Core(feed.layout, division=ShardAssignment(feed.layout, Shard(shard, 2)))
        core.handle("$SYS/broker/uptime", b"7 seconds", False, 0.0)
        assert len(series(core)) == count


class _Bus:
    """A connection that answers a subscription as it is told."""

    def __init__(self, answer: Callable[[], None]) -> None:
        self.asked: list[str] = []
        self._answer = answer

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Take note, then answer."""
        assert qos == 1
        self.asked.append(topic_filter)
        self._answer()


def _refuse() -> None:
    raise BrokerRefusedError("no right")


def _drop() -> None:
    raise BusError("the connection is lost")


async def test_a_broker_may_refuse_them() -> None:
    """A refused subscription ends nothing and is not tried again."""
    bus, feed = _Bus(_refuse), BrokerFeed(wanted=True)
    await feed.subscribe(bus)  # type: ignore[arg-type]  # only subscriptions are asked for
    await feed.subscribe(bus)  # type: ignore[arg-type]  # likewise
    assert bus.asked == [BROKER_FILTER]


async def test_a_broker_may_hang_up_over_them() -> None:
    """A broker that ends the connection over the subscription is asked twice and no more."""
    bus, feed = _Bus(_drop), BrokerFeed(wanted=True)
    for _ in range(2):
        with pytest.raises(BusError):
            await feed.subscribe(bus)  # type: ignore[arg-type]  # only subscriptions are asked for
    await feed.subscribe(bus)  # type: ignore[arg-type]  # likewise
    assert len(bus.asked) == 2


async def test_who_does_not_expose_them_does_not_ask() -> None:
    """An aggregator that does not lead subscribes to nothing of the broker."""
    bus = _Bus(_refuse)
    await BrokerFeed(wanted=False).subscribe(bus)  # type: ignore[arg-type]  # as above
    assert bus.asked == []
