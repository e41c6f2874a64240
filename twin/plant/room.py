"""The air of the halls: the heat that coolant does not take, and the air handlers."""

from __future__ import annotations

from twin.plant.exchanger import WATER_JOULES_PER_LITER_KELVIN
from twin.plant.units import lag
from twin.site import Layout, Site

__all__ = ["AIR_JOULES_PER_KILOGRAM_KELVIN", "Room", "air_stream_kilograms_per_second"]

AIR_JOULES_PER_KILOGRAM_KELVIN = 1006.0
_USUAL_MARGIN = 0.6
"""Margin beyond the servers' part that the other heat takes up on a large site, est."""


def air_stream_kilograms_per_second(site: Site) -> float:
    """Return the air through all servers of a site at work in kg/s."""
    cooled = site.air_racks.count(True) * site.servers_per_rack
    beside = site.water.air_kilograms_per_second * (site.servers - cooled)
    return beside + site.fans.nominal_kilograms_per_second * cooled


class Room:
    """The air that the handlers supply, one temperature for the site.

    The handlers hold their set point as long as their water and their capacity allow;
    warmer facility water and heat beyond the capacity come through to the air. Without
    power they and their water stand still, and so does the temperature: what heats the air
    has the same power as they.
    """

    def __init__(self, layout: Layout) -> None:
        site = layout.site
        self._water = site.cooling.facility_supply_celsius
        self._set = site.facility.air_celsius
        self._seconds = site.water.air_seconds
        rest = site.air_heat_watts
        self._capacity = (1.0 + site.water.air_margin_ratio) * rest
        self._stream = air_stream_kilograms_per_second(site) * AIR_JOULES_PER_KILOGRAM_KELVIN
        self.air = self._set
        """Air to the servers in °C."""
        full = max(rest, self._capacity / (1.0 + _USUAL_MARGIN))
        self._full = self._flow(site.water.air_water_rise_kelvin, full)
        self._live = True

    @staticmethod
    def _flow(rise: float, heat: float) -> float:
        return heat / rise / WATER_JOULES_PER_LITER_KELVIN * 60.0

    @property
    def flow(self) -> float:
        """Facility water of the air handlers in L/min."""
        return self._full if self._live else 0.0

    def step(self, heat: float, water: float, dt: float, *, live: bool = True) -> None:
        """Advance by ``dt`` seconds.

        Args:
            heat: heat into the air in W.
            water: facility water supply in °C.
            dt: step in s.
            live: whether there is power.
        """
        self._live = live
        if not live:
            return
        excess = max(heat - self._capacity, 0.0) / self._stream
        target = self._set + max(water - self._water, 0.0) + excess
        self.air += (target - self.air) * lag(dt, self._seconds)
