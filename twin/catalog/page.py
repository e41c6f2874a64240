"""The live page: what it shows of the devices of a class, in one rack and on the floor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from twin.catalog.rollup import Operation

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import GpuModel, Site

__all__ = [
    "DEGRADED",
    "SERIOUS",
    "DeviceColumn",
    "FloorValue",
    "PageTable",
    "TroubleSign",
    "scale_end",
]

Bound: TypeAlias = "float | Callable[[Site], float] | None"


@dataclass(frozen=True, slots=True)
class DeviceColumn:
    """One value of every device of a class.

    Attributes:
        key: its name in the answer.
        title: its name for people.
        unit: unit as sent.
        signal: signal of the device class.
        decimals: decimals that are sent.
        scale: what the signal is multiplied by.
        low: lower end of its colour scale, None for a value that is not coloured.
        high: upper end, perhaps as a function of the site.
        states: names of the values, for a state whose signal has none.
        counter: whether people want its rate and not its value.
    """

    key: str
    title: str
    unit: str
    signal: str
    decimals: int = 0
    scale: float = 1.0
    low: float | None = None
    high: Bound = None
    states: tuple[str, ...] = ()
    counter: bool = False

    def of(self, site: Site) -> DeviceColumn:
        """Return the column as it is on a site."""
        return replace(self, high=self.high(site)) if callable(self.high) else self


@dataclass(frozen=True, slots=True)
class PageTable:
    """All devices of one class in a rack.

    Attributes:
        title: of the devices, in the plural.
        columns: what is shown of each.
        by_server: whether they are cells in a row a server, and not rows of a table.
    """

    title: str
    columns: tuple[DeviceColumn, ...]
    by_server: bool = False


@dataclass(frozen=True, slots=True)
class FloorValue:
    """One number a rack, by which the floor can be coloured.

    Attributes:
        key: its name in addresses; of the classes of a site that share it the first has it.
        title: its name for people.
        help: what the number of a rack is.
        unit: unit of the numbers.
        decimals: decimals that are sent.
        signal: signal of the device class.
        operation: how the values of a rack's devices become one: MAX or SUM.
        ends: lower and upper end of the colour scale, by the site.
        factor: what the signal is multiplied by.
        counter: whether people want its rate and not its value.
        rank: place among all of them, the least first.
    """

    key: str
    title: str
    help: str
    unit: str
    decimals: int
    signal: str
    operation: Operation
    ends: Callable[[Site], tuple[float, float]]
    factor: float = 1.0
    counter: bool = False
    rank: int = 100


DEGRADED, SERIOUS = 1, 2
"""How much a sign of trouble matters."""


@dataclass(frozen=True, slots=True)
class TroubleSign:
    """A sign of trouble that an operator would look for in a rack's own sensors.

    By default it counts the devices whose signal is missing.

    Attributes:
        level: how much it matters.
        words: for one device, and for several with ``{}`` in place of their number.
        signal: signal of the device class.
        equals: count those whose value is this.
        none_equals: count 1 if all devices of the rack report and none has this value.
        above: count those above this limit of the rack's GPUs.
        rank: place among those of the same level, the least first.
    """

    level: int
    words: tuple[str, str]
    signal: str
    equals: float | None = None
    none_equals: float | None = None
    above: Callable[[GpuModel], float] | None = None
    rank: int = 100


def scale_end(value: float) -> float:
    """Return the next number that a scale can end with: 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times 10ⁿ."""
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    return next(step * power for step in steps if value <= step * power * (1 + 1e-9))
