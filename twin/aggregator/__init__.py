"""The aggregator: takes frames from the bus, holds arrays, serves HTTP."""

from __future__ import annotations

from twin.aggregator.core import Core
from twin.aggregator.service import Aggregator, AggregatorConfig, serve
from twin.aggregator.store import Missing, Store
from twin.aggregator.summary import ArrayFigures, Summary
from twin.aggregator.telemetry import OWN_METRICS, OwnMetric
from twin.aggregator.text import Text

__all__ = [
    "OWN_METRICS",
    "Aggregator",
    "AggregatorConfig",
    "ArrayFigures",
    "Core",
    "Missing",
    "OwnMetric",
    "Store",
    "Summary",
    "Text",
    "serve",
]
