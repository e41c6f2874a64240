"""Bus interface: all that the rest of the twin sees of MQTT."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Bus", "InboundMessage", "Will"]


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message as it came in.

    Attributes:
        topic: topic that it was published to.
        payload: its bytes.
        retain: whether the broker had it in store when we subscribed.
    """

    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us when we vanish without a goodbye."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


class Bus(Protocol):
    """One connection to a broker. Once it is gone, every call raises BusError."""

    @property
    def dropped(self) -> int:
        """Messages thrown away because the reader of ``messages()`` fell too far behind."""

    @property
    def waiting(self) -> int:
        """Messages that came in and that the reader of ``messages()`` did not take yet."""

    @property
    def congested(self) -> bool:
        """Whether the broker did not take yet what was published before."""

    @property
    def blocked(self) -> float:
        """Seconds that publishers have waited for the broker to take what they sent."""

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Send ``payload`` to the broker; with a ``qos`` above 0 wait until it says that it has it.

        While the connection is congested it waits first. A caller that is cancelled then has
        sent nothing.

        Raises:
            BusError: the connection is gone.
        """

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Ask for all messages whose topic matches, retained ones first.

        Raises:
            BusError: the connection is gone, or the broker does not allow it.
        """

    def messages(self) -> AsyncIterator[InboundMessage]:
        """Return the messages as they come in, without an end.

        Raises:
            BusError: from the iterator, when the connection is gone and all is read.
        """

    def more(self, most: int) -> list[InboundMessage]:
        """Return the messages that wait to be read, at most so many; it waits for none."""
