"""Outbound messages: what a core without I/O wants to have published."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OutboundMessage"]


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message to be published.

    Attributes:
        topic: its topic.
        payload: its content.
        retain: whether the broker keeps it.
        qos: 1 to be sure that it gets there, 0 for what comes again soon.
    """

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 0
