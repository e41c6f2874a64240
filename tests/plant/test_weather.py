"""Outdoor air over weeks: a season, and spells that no two weeks share."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from twin.faults import FAULTS, FaultSchedule
from twin.parameters import WaterParameters
from twin.plant import Plant
from twin.plant.weather import season_kelvin, spell_kelvin
from twin.site import Layout, parse_site

MEMPHIS = WaterParameters(outdoor_celsius=17, season_kelvin=11.7, weather_kelvin=4)
DAY = 86_400.0


def moment(text: str) -> float:
    """Return the unix time of a date."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_july_is_warm_and_january_is_cold() -> None:
    """The months differ as those of Memphis do, by about 23 K."""
    july = season_kelvin(moment("2026-07-19T12:00"), MEMPHIS)
    january = season_kelvin(moment("2026-01-18T12:00"), MEMPHIS)
    assert july == pytest.approx(11.7, abs=0.1)
    assert january == pytest.approx(-11.7, abs=0.1)


def test_spells_have_the_spread_that_is_asked_for_and_last_some_days() -> None:
    """Over twenty years days differ by 4 K, the next day is like this one, the next week is not."""
    days = np.array([spell_kelvin(number * DAY, MEMPHIS) for number in range(7300)])
    assert days.mean() == pytest.approx(0.0, abs=0.25)
    assert days.std() == pytest.approx(4.0, rel=0.05)
    assert 0.5 < np.corrcoef(days[1:], days[:-1])[0, 1] < 0.8
    assert abs(np.corrcoef(days[7:], days[:-7])[0, 1]) < 0.1


def test_a_spell_follows_from_the_date_and_the_weather_alone() -> None:
    """Asked for in any order a date has one spell, and another weather has another."""
    dates = [moment("2026-03-01") + number * 3600.0 for number in range(100)]
    forth = [spell_kelvin(own, MEMPHIS) for own in dates]
    back = [spell_kelvin(own, MEMPHIS) for own in reversed(dates)]
    other = MEMPHIS.model_copy(update={"weather": 1})
    assert forth == back[::-1]
    assert forth != [spell_kelvin(own, other) for own in dates]
    assert max(np.abs(np.diff(forth))) < 0.6  # K in an hour


def test_the_plant_lives_in_that_weather() -> None:
    """Outdoor air is that of the mean day, the season and the spell, and winter is dry."""
    text = "name: a, racks: 1, servers_per_rack: 1, water: {season_kelvin: 11.7, weather_kelvin: 4}"
    layout = Layout(parse_site(f"{{{text}}}", "a"))
    now = moment("2026-01-18T21:00")
    plant = Plant(layout, 1, "training", now)
    plant.step(1.0, FaultSchedule(layout, FAULTS).conditions(now))
    water = plant.outputs()["water"]
    away = -11.7 + spell_kelvin(now, layout.site.water)
    assert float(water["outdoor_temperature"][0, 0]) == pytest.approx(22 + 6 + away, abs=0.1)
    assert float(water["outdoor_dew_point"][0, 0]) < 14.0 - 11.7 + 0.5 * (away + 11.7) + 0.1
