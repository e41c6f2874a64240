"""The bus: MQTT behind one small interface.

:mod:`twin.bus.embedded` is a broker for those who have none; only who runs it imports it.
"""

from twin.bus.client import BrokerRefusedError, connect
from twin.bus.link import INBOX_BYTES
from twin.bus.model import Bus, InboundMessage, Will
from twin.bus.reconnect import Backoff, keep_connected
from twin.bus.url import BrokerUrl

__all__ = [
    "INBOX_BYTES",
    "Backoff",
    "BrokerRefusedError",
    "BrokerUrl",
    "Bus",
    "InboundMessage",
    "Will",
    "connect",
    "keep_connected",
]
