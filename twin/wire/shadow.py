"""Reports of an observer: what each relation shows on an array, and what it has found there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.wire.messages import END_OF_TIME, Many, Message, Strict

__all__ = [
    "MOST_FINDINGS",
    "ShadowDevices",
    "ShadowFinding",
    "ShadowRelation",
    "ShadowReport",
    "ShadowUnit",
]

MOST_FINDINGS = 100
"""Findings of an array that a report tells; the strongest first."""
_MOST = 1e15
_Number = Annotated[float, Field(ge=-_MOST, le=_MOST)]
_Count = Annotated[int, Field(ge=0, le=2**53)]
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ShadowUnit = Literal["K", "W", "L/min", "Pa", "rpm", "V", "ratio", "B/s", "s"]
"""Units of effects."""
_Time = Annotated[float, Field(ge=0, lt=END_OF_TIME)]


_MOST_VALUES = 100_000
_Values = Annotated[Many[_Number | None], Field(max_length=_MOST_VALUES)]


class ShadowDevices(Strict):
    """What a relation expects of each device of an array, rack by rack; None where it does not."""

    device: _Name
    """Class of the devices."""
    expected: _Values
    """Mean expected effect."""
    residual: _Values
    """Mean of measured less expected."""
    sigmas: _Values
    """Smoothed deviation over its standard deviation, beyond what the model may be off by."""


class ShadowRelation(Strict):
    """A relation over the devices of an array, in its last block of time."""

    relation: _Name
    """Name of the relation."""
    unit: ShadowUnit
    """Unit of its effect."""
    devices: _Count
    """Devices that have one."""
    covered: _Count
    """Those that are calibrated and whose causes are measured, where the relation holds."""
    residual: _Number | None
    """Mean of measured less expected over them; None without any."""
    sigmas: _Number | None
    """Root mean square of each one's deviation over its standard deviation."""
    drift: _Number | None
    """Greatest change of a parameter since it was calibrated, over it, with its sign."""
    racks: _Values = ()
    """Largest of the smoothed deviations of each rack's devices over their standard deviation, with
    its sign; empty where it is not told."""
    each: ShadowDevices | None = None
    """The same of each device; None where it is not told."""


class ShadowFinding(Strict):
    """A lasting deviation and the cause that explains it best."""

    cause: _Name
    """Name of the cause."""
    target: Annotated[str, Field(max_length=64)]
    """Address of the culprit."""
    relation: _Name
    """Relation by which it was found."""
    unit: ShadowUnit
    """Unit of its effect."""
    expected: _Number | None
    """Mean of the last block that was expected; None where the block is not covered."""
    measured: _Number | None
    """Mean that was measured."""
    residual: _Number
    """Mean deviation since it began."""
    sigmas: _Number
    """The same over the standard deviation of a block."""
    drift: _Number
    """Change of the relation's parameter since it was calibrated, over it."""
    since: _Time
    """When it began."""
    text: Annotated[str, Field(max_length=300)]
    """One sentence."""


class ShadowReport(Message):
    """What an observer says of an array."""

    ts: _Time
    """End of the block of time that it is about."""
    block: Annotated[float, Field(gt=0, le=1e6)]
    """Seconds of such a block; the next report comes after as long."""
    false_alarms: Annotated[float, Field(gt=0, le=1e6)]
    """Findings a week on a healthy site that the user puts up with."""
    limit: Annotated[float, Field(gt=0, le=1e6)]
    """Limit of the CUSUMs, in standard deviations of a block."""
    relations: Annotated[Many[ShadowRelation], Field(max_length=64)]
    """All relations that the array has devices of."""
    findings: Annotated[Many[ShadowFinding], Field(max_length=MOST_FINDINGS)]
    """What was found there."""
