"""Broker figures: Mosquitto's own statistics under ``$SYS``, as series.

Only topics of the catalogue are accepted, so a broker or a client that publishes others there
costs nothing. A broker without them has no series. As with the real exporter, the last values
stay while the broker is unreachable.
"""

from __future__ import annotations

import re

import structlog

from twin.aggregator.state_series import StateSeries
from twin.aggregator.text_format import ExpositionWriter
from twin.bus import BrokerRefusedError, Bus
from twin.catalog.broker import BROKER_TOPICS, MOSQUITTO
from twin.errors import BusError, FrameError

__all__ = ["BROKER_FILTER", "BrokerFeed", "BrokerFigures"]

BROKER_FILTER = "$SYS/broker/#"
"""Topics that the aggregator subscribes to; ``#`` alone does not cover them."""

_LONGEST = 64
"""Bytes of a payload: Mosquitto's longest is its uptime, ``1234567 seconds``."""
_NUMBER = re.compile(rb"-?\d+\.\d+|\d+")
"""The first number of a payload is its value, as in the exporter."""
_log = structlog.get_logger(__name__)


class BrokerFeed:
    """The subscription to the broker's own statistics, which the broker may refuse.

    A broker that refuses it is asked no more, nor is one that twice ends the connection over it:
    some do so to clients that may not read a topic.

    Args:
        wanted: whether the figures are exposed here.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._left = 2 if wanted else 0

    async def subscribe(self, bus: Bus) -> None:
        """Ask for the broker's figures.

        Raises:
            BusError: the connection is gone.
        """
        if not self._left:
            return
        try:
            await bus.subscribe(BROKER_FILTER, qos=1)
        except BrokerRefusedError:
            self._left = 0
            _log.info("the broker's own figures are not ours to read", topics=BROKER_FILTER)
        except BusError:
            self._left -= 1
            raise
        else:
            self._left = 2


class BrokerFigures:
    """The latest figure of each topic.

    Args:
        site: name of the site, a label of all series.
    """

    def __init__(self, site: str) -> None:
        rest = (("job", MOSQUITTO.job), ("instance", MOSQUITTO.instance), ("site", site))
        self._series = StateSeries(MOSQUITTO, rest)

    def handle(self, topic: str, payload: bytes) -> None:
        """Store a message of the broker; topics without a metric are ignored.

        Raises:
            FrameError: the payload is not a number.
        """
        metric = BROKER_TOPICS.get(topic)
        if metric is None:
            return
        if len(payload) > _LONGEST:
            raise FrameError("oversized", f"{len(payload)} bytes; a figure has {_LONGEST} at most")
        number = _NUMBER.search(payload)
        if number is None:
            raise FrameError("value", f"{payload!r} is not a number")
        self._series.add(metric.name, (), float(number[0]))

    def write(self, text: ExpositionWriter) -> None:
        """Append a series for each topic that was received."""
        for head, column in self._series.columns():
            text.add(head, [column])
