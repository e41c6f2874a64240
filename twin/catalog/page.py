"""Tables of the live page: what it shows of the devices of a class in one rack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from twin.parameters import Site

__all__ = ["DeviceColumn", "PageTable"]

Bound = float | Callable[[Site], float] | None


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
