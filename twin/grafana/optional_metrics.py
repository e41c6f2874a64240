"""Optional metrics: off by default in the real exporters, and left out on a large site."""

from __future__ import annotations

import re
from functools import cache

from twin.catalog import DEVICES, ROLLUPS, Level

__all__ = ["MARKERS", "NOT_EXPORTED", "is_optional"]

NOT_EXPORTED = "Off by default in the exporter, and not exported here"
"""What a panel says where none of its metrics is there."""

MARKERS = tuple(
    rollup.metric(Level.SITE)
    for rollup in ROLLUPS
    if rollup.signal.extra and Level.SITE in rollup.levels
)
"""Roll-ups of such metrics: a site that has the metrics has one of these."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@cache
def _metrics() -> frozenset[str]:
    signals = {signal.metric for device in DEVICES for signal in device if signal.extra}
    rolled = {
        rollup.metric(level) for rollup in ROLLUPS if rollup.signal.extra for level in rollup.levels
    }
    return frozenset(signals | rolled)


def is_optional(query: str) -> bool:
    """Return whether a query asks for a metric that an exporter has off by default."""
    return not _metrics().isdisjoint(_NAME.findall(query))
