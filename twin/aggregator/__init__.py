"""The aggregator: takes frames from the bus, holds arrays, serves HTTP."""

from __future__ import annotations

from twin.aggregator.core import Core
from twin.aggregator.firing_alerts import AlertServer
from twin.aggregator.limits import Limits
from twin.aggregator.service import Aggregator, AggregatorConfig, serve
from twin.aggregator.store import Missing, Store
from twin.aggregator.summary import ArrayFigures, Summary
from twin.aggregator.text_format import ExpositionWriter
from twin.aggregator.tls import CertificateFiles
from twin.aggregator.tokens import Token

__all__ = [
    "Aggregator",
    "AggregatorConfig",
    "AlertServer",
    "ArrayFigures",
    "CertificateFiles",
    "Core",
    "ExpositionWriter",
    "Limits",
    "Missing",
    "Store",
    "Summary",
    "Token",
    "serve",
]
