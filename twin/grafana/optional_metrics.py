"""Optional metrics: off by default in the real exporters, and left out on a large site."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twin.catalog import DEVICES, Level

__all__ = ["MARKERS", "NOT_EXPORTED", "is_optional"]

NOT_EXPORTED = "Off by default in the exporter, and not exported here"
"""What a panel says where none of its metrics is there."""

MARKERS = tuple(
    rollup.metric(Level.SITE)
    for device in DEVICES
    for rollup in device.rollups
    if device[rollup.signal].extra and Level.SITE in rollup.levels
)
"""Roll-ups of such metrics: a site that has the metrics has one of these."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def _metrics() -> Iterator[str]:
    for device in DEVICES:
        yield from (signal.metric for signal in device if signal.extra)
        for rollup in device.rollups:
            if device[rollup.signal].extra:
                yield from map(rollup.metric, rollup.levels)


def is_optional(query: str) -> bool:
    """Return whether a query asks for a metric that an exporter has off by default."""
    return not frozenset(_NAME.findall(query)).isdisjoint(_metrics())
