"""Gridding of raw samples: values at steps, gaps as gaps."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from twin.clients.gridding import ScrapeGrid, scrape_interval
from twin.clients.ranges import RawSeries
from twin.rules.backtest.gridding import gridded

NAN = np.nan


def series(times: list[float], values: list[float] | None = None) -> RawSeries:
    """Return a series; its values count by default."""
    own = range(len(times)) if values is None else values
    return RawSeries({"__name__": "x", "a": "b"}, np.array(times), np.array(own, np.float64))


def row(own: RawSeries, scrapes: int) -> list[float]:
    """Return its values every ten seconds."""
    samples, _ = gridded([own], ScrapeGrid(0.0, 10.0, scrapes))
    assert samples.families["x"].labels == [{"a": "b"}]
    return list(samples.families["x"].values[0])


def test_a_sample_stands_at_the_next_step() -> None:
    """A sample between two steps is seen from the later one on."""
    assert_array_equal(row(series([3, 13, 23]), 4), [0, 1, 2, NAN])


def test_jitter_moves_no_sample() -> None:
    """Samples some milliseconds around a step each keep a step of their own."""
    times = [10.004, 19.998, 30.003, 39.997, 50.001]
    assert_array_equal(row(series(times), 6), [NAN, 0, 1, 2, 3, 4])


def test_a_missed_scrape_is_a_gap() -> None:
    """A series without a sample for two intervals is gone after the first."""
    assert_array_equal(row(series([10, 20, 30, 50, 60]), 7), [0, 1, 2, NAN, 3, 4, NAN])


def test_a_slow_series_stands_between_its_samples() -> None:
    """A series that is scraped every third step holds its value for three, and is counted."""
    samples, slower = gridded([series([10, 40, 70])], ScrapeGrid(0.0, 10.0, 10))
    assert_array_equal(samples.families["x"].values[0], [0, 0, 0, 1, 1, 1, 2, 2, 2, NAN])
    assert slower == {30.0: 1}


def test_a_value_that_is_no_number_is_none() -> None:
    """NaN is a series without a value."""
    assert_array_equal(row(series([10, 20, 30], [1, NAN, 2]), 3), [1, NAN, 2])


def test_the_interval_is_the_shortest_common_one() -> None:
    """A few odd series do not set the step, and single samples tell none."""
    many = [series([0, 15.01, 29.99])] * 30
    slow = [series([0, 60, 120])] * 40
    assert scrape_interval([*many, *slow, series([0, 1, 2])]) == 15.0
    assert scrape_interval([series([0, 15])]) is None
