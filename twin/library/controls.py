"""Controls: the set points that a controller of one's own holds instead of the site's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.plant import Conditions
from twin.site import Layout

__all__ = ["Controls", "SetPoint", "set_points"]

_HOTTEST_CELSIUS = 50.0
_MOST_FLOW = 2.0
_FREEZING_CELSIUS = 5.0


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What a controller can set.

    Attributes:
        name: argument of ``apply``.
        low: least value.
        high: greatest value.
        usual: what the site holds by itself; NaN where that is no fixed value.
        unit: of the values.
        each: how many values there are, one a rack or one for the site.
    """

    name: str
    low: float
    high: float
    usual: float
    unit: str
    each: int


def set_points(layout: Layout) -> tuple[SetPoint, ...]:
    """Return the set points that a site has."""
    site = layout.site
    racks = layout.units(UnitKind.RACK)
    greatest = max(
        site.server.ac_power_watts(model.power_limit_watts, site.fan_power_watts())
        for model in site.models
    )
    found: list[SetPoint] = []
    if site.has_liquid:
        usual = site.cooling.supply_celsius
        coolest = min(max(_FREEZING_CELSIUS, site.cooling.facility_supply_celsius), usual)
        warmest = max(_HOTTEST_CELSIUS, usual)
        found += [
            SetPoint("supply_celsius", coolest, warmest, usual, "°C", racks),
            SetPoint("flow_ratio", 0.0, _MOST_FLOW, 1.0, "ratio", racks),
        ]
    least = site.server.ac_power_watts(min(model.power_idle_watts for model in site.models))
    found.append(SetPoint("server_watts", least, greatest, greatest, "W", racks))
    if site.megapacks.count:
        watts = site.megapacks.count * site.megapacks.power_watts
        found.append(SetPoint("megapack_watts", -watts, watts, np.nan, "W", 1))
    return tuple(found)


@dataclass(slots=True)
class Controls:
    """Set points that are held, each None where the site holds its own.

    Attributes:
        supply_celsius: coolant to the servers, of each rack.
        flow_ratio: flow of the coolant over nominal, of each rack: its pumps go at that speed.
        server_watts: greatest power at the inlets of a server, of each rack.
        megapack_watts: power of all Megapacks together on the grid, positive to discharge.
    """

    supply_celsius: NDArray[np.float64] | None = None
    flow_ratio: NDArray[np.float64] | None = None
    server_watts: NDArray[np.float64] | None = None
    megapack_watts: NDArray[np.float64] | None = None

    def set(self, layout: Layout, **values: ArrayLike | None) -> None:
        """Hold other set points; None gives one back to the site, others stay as they are.

        Raises:
            ConfigError: the site has no such set point, or a value is not possible; then none
                of them is changed.
        """
        points = {point.name: point for point in set_points(layout)}
        checked: dict[str, NDArray[np.float64] | None] = {}
        for name, value in values.items():
            if name not in points:
                known = ", ".join(points)
                raise ConfigError(
                    f"{name}: site {layout.site.name} has no such set point; it has {known}"
                )
            checked[name] = None if value is None else _checked(points[name], value)
        for name, held in checked.items():
            setattr(self, name, held)

    def applied(self, conditions: Conditions, layout: Layout) -> Conditions:
        """Return conditions under which the set points are held; those given stay as they are."""
        if all(value is None for _, value in self._held()):
            return conditions
        held = conditions.copy()
        if self.supply_celsius is not None:
            held.coolant_supply_offset[:] = self.supply_celsius - layout.site.cooling.supply_celsius
        if self.flow_ratio is not None:
            held.coolant_flow_ratio[:] = self.flow_ratio
        if self.server_watts is not None:
            np.minimum(held.server_cap, self.server_watts[:, None], out=held.server_cap)
        if self.megapack_watts is not None:
            held.megapack_order[:] = self.megapack_watts
        return held

    def _held(self) -> Iterator[tuple[str, Any]]:
        return ((own.name, getattr(self, own.name)) for own in fields(self))


def _checked(point: SetPoint, value: ArrayLike) -> NDArray[np.float64]:
    """Return a value for each unit.

    Raises:
        ConfigError: it is not possible.
    """
    try:
        values = np.broadcast_to(np.asarray(value, np.float64), (point.each,)).copy()
    except (TypeError, ValueError):
        wanted = "one number" if point.each == 1 else f"one number, or {point.each}: one a rack"
        raise ConfigError(f"{point.name}: is {value!r}; give {wanted}") from None
    if not ((values >= point.low) & (values <= point.high)).all():
        raise ConfigError(
            f"{point.name}: is {value!r}; that must be from {point.low:g} to {point.high:g} "
            f"{point.unit}"
        )
    return values
