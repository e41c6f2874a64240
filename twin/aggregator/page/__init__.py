"""The live page: the floor, the lines, the events, and commands if they are allowed."""

from __future__ import annotations

from twin.aggregator.page.routes import LivePage

__all__ = ["LivePage"]
