"""Roll-ups: what the aggregator computes over a rack, an array, a hall and the site.

Dashboards and alerts of a large site read these instead of a million series.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from twin.catalog.model import MetricType, Unit

__all__ = ["ABOVE_RACK", "Level", "Operation", "Rollup"]


class Level(StrEnum):
    """What a roll-up is taken over; also the prefix of its metric."""

    RACK = "rack"
    ARRAY = "array"
    HALL = "hall"
    SITE = "site"


class Operation(StrEnum):
    """How the values of the devices become one. Missing devices are left out."""

    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    """Devices that report, or those of them with some values."""
    MISSING = "missing"
    """Devices that do not report although their rack or array does."""
    TOTAL = "total"
    """Sum of what counters rose by since the aggregator began.

    A sum of the counters themselves would fall when a device goes silent, which
    ``rate()`` takes for a reset and answers with a spike.
    """
    DISTRIBUTION = "distribution"
    """How many devices have at most which value: a histogram of the present values."""


_KINDS = {Operation.TOTAL: MetricType.COUNTER, Operation.DISTRIBUTION: MetricType.GAUGE_HISTOGRAM}

_EVERY = (Level.RACK, Level.ARRAY, Level.HALL, Level.SITE)
ABOVE_RACK = (Level.ARRAY, Level.HALL, Level.SITE)
"""Where a roll-up over a rack would say what its few devices say already, or is too much."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """One number over all devices of a rack, an array, a hall or the site.

    Attributes:
        name: metric name without the level's prefix.
        signal: name of the signal that it is taken over.
        operation: how.
        unit: unit as exposed.
        help: help text, with ``{level}`` in place of the level.
        levels: where it is taken.
        equals: with COUNT, count only the devices whose value is this.
        excluding: with COUNT, count only the devices whose value is none of these; with MIN, these
            values are a device's own and count only where no device of its unit has another.
        scale: what values are multiplied with, so that the unit is a base unit.
        bounds: with DISTRIBUTION, the upper ends of the buckets, without infinity.
    """

    name: str
    signal: str
    operation: Operation
    unit: Unit
    help: str
    levels: tuple[Level, ...] = _EVERY
    equals: float | None = None
    excluding: tuple[float, ...] = ()
    scale: float = 1.0
    bounds: tuple[float, ...] = ()

    @property
    def kind(self) -> MetricType:
        """Its Prometheus type."""
        return _KINDS.get(self.operation, MetricType.GAUGE)

    @property
    def series(self) -> int:
        """Series that it gives for one rack, array, hall or site."""
        return len(self.bounds) + 3 if self.operation is Operation.DISTRIBUTION else 1

    def metric(self, level: Level) -> str:
        """Return the metric's name at ``level``."""
        return f"{level}_{self.name}"

    def names(self, level: Level) -> tuple[str, ...]:
        """Return the names of its series at ``level``: those of a gauge histogram, or one."""
        metric = self.metric(level)
        if self.operation is Operation.DISTRIBUTION:
            return tuple(f"{metric}_{part}" for part in ("bucket", "gcount", "gsum"))
        return (metric,)

    def help_text(self, level: Level) -> str:
        """Return the metric's help at ``level``."""
        return self.help.format(level=level)
