"""The bus: MQTT behind one small interface, and a broker for those who have none."""

from twin.bus.client import RefusedError, connect
from twin.bus.embedded import embedded_broker
from twin.bus.model import Bus, InboundMessage, Will
from twin.bus.reconnect import Backoff, keep_connected
from twin.bus.url import BrokerUrl

__all__ = [
    "Backoff",
    "BrokerUrl",
    "Bus",
    "InboundMessage",
    "RefusedError",
    "Will",
    "connect",
    "embedded_broker",
    "keep_connected",
]
