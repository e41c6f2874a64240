"""Roll-up messages: one aggregator shard's part of the halls and the site.

Each shard of the aggregators reduces the devices of its arrays, hall by hall, to the few
figures from which any roll-up can be made of several: sums, counts, extremes. The first
shard adds them up.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.wire.messages import Few, Many, Message, Strict

__all__ = ["RollupPart", "SignalPart"]

_MOST = 1e100
"""Further from zero is no sum of anything, and the sum of many such would be none."""
_Number = Annotated[float, Field(ge=-_MOST, le=_MOST)] | None
_Row = Many[Annotated[float, Field(ge=-_MOST, le=_MOST)]]
_Count = Annotated[int, Field(ge=0)]


class SignalPart(Strict):
    """The devices of one signal, reduced; each list has one element a hall of the part."""

    reports: _Row
    """Units that report."""
    count: _Row
    """Devices that report."""
    total: _Row
    """Sum of their values."""
    lowest: Many[_Number]
    """Least value, None without any."""
    highest: Many[_Number]
    """Greatest value, None without any."""
    risen: _Row
    """What counters rose by since the aggregator began."""
    matching: Many[_Row]
    """Devices that each count of the catalogue counts."""
    buckets: Many[Many[_Row]]
    """For each distribution of the catalogue and each of its bounds, devices up to it."""


class RollupPart(Message):
    """The part of one shard of the aggregators."""

    shard: Annotated[str, Field(pattern=r"^\d{1,4}/\d{1,4}$")]
    """Which shard."""
    ready: bool
    """Whether every rack of the shard has reported."""
    arrays: Many[tuple[_Count, _Count]]
    """Its arrays, counted from 0, as ranges with their first and last."""
    halls: Many[str]
    """Halls in which it has arrays."""
    signals: Few[SignalPart]
    """The signals that are rolled up, by device class and name."""
