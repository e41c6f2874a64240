"""Outdoor air: the day, the season, and the weather that comes and goes over days.

All is a function of the date, so a past that is made in parts, and sites that stand beside each
other, have one weather.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, floor, pi, sqrt

import numpy as np

from twin.parameters import WaterParameters

__all__ = ["outdoor_celsius", "relative_humidity", "season_kelvin", "spell_kelvin"]

_HOUR, _DAY = 3600.0, 86_400.0
_YEAR = 365.2425 * _DAY
_STREAM = 44
_FRONT_SECONDS = 2.0 * _DAY
"""From one draw of the weather to the next, est.: fronts pass every few days."""
_SMOOTH = sqrt(0.75)
"""Spread of what is drawn so often and joined by cosines, over that of the draws."""


def outdoor_celsius(seconds: float, water: WaterParameters) -> float:
    """Return the outdoor temperature of a mean day in °C: a sine.

    Args:
        seconds: unix time, of which only the time of day counts.
        water: mean, swing, hour of the peak and offset of local time.
    """
    phase = 2.0 * pi * (_local(seconds, water) - water.outdoor_peak_hour * _HOUR) / _DAY
    return water.outdoor_celsius + water.outdoor_swing_kelvin * cos(phase)


def season_kelvin(seconds: float, water: WaterParameters) -> float:
    """Return by how much the season is warmer than the year in K: a sine.

    Args:
        seconds: unix time.
        water: the warmest day and how warm it is.
    """
    if not water.season_kelvin:
        return 0.0
    phase = 2.0 * pi * (_local(seconds, water) - (water.season_peak_day - 1.0) * _DAY) / _YEAR
    return water.season_kelvin * cos(phase)


def spell_kelvin(seconds: float, water: WaterParameters) -> float:
    """Return by how much a warm or cold spell is above what is usual in the season, in K.

    Args:
        seconds: unix time.
        water: spread of the spells, and which weather it is.
    """
    if not water.weather_kelvin:
        return 0.0
    place = seconds / _FRONT_SECONDS
    front = floor(place)
    share = 0.5 - 0.5 * cos(pi * (place - front))
    before, after = (_front(water.weather, own) for own in (front, front + 1))
    return water.weather_kelvin / _SMOOTH * ((1.0 - share) * before + share * after)


def _local(seconds: float, water: WaterParameters) -> float:
    return seconds + water.utc_offset_hours * _HOUR


@lru_cache(maxsize=1024)
def _front(weather: int, number: int) -> float:
    """Return a draw of the weather, of a normal distribution."""
    return float(np.random.default_rng([_STREAM, weather, abs(number)]).normal())


def relative_humidity(celsius: float, dew: float) -> float:
    """Return the relative humidity by the Magnus formula, 0 to 1."""

    def pressure(at: float) -> float:
        return float(np.exp(17.62 * at / (243.12 + at)))

    return min(pressure(dew) / pressure(celsius), 1.0)
