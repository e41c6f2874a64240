"""The ring of rows in simulated time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.aggregator.history import MeterHistory


def times(history: MeterHistory, since: float | None = None) -> list[float]:
    """Return the times of the rows."""
    return [float(ts) for ts in history.since(since)[0]]


def test_rows_come_back_in_order() -> None:
    """Rows are returned oldest first, one column of values a meter."""
    history = MeterHistory(2, span=10)
    for ts in range(5):
        history.add(100.0 + ts, [ts, -ts])
    moments, values = history.since()
    assert moments.tolist() == [100, 101, 102, 103, 104]
    assert values.tolist() == [[0, 1, 2, 3, 4], [0, -1, -2, -3, -4]]


def test_only_the_span_is_kept() -> None:
    """What is older than the span is gone, whatever the spacing of the rows."""
    history = MeterHistory(1, span=10)
    for ts in range(0, 100, 3):
        history.add(float(ts), [ts])
    assert times(history) == [90, 93, 96, 99]


def test_since_leaves_out_what_is_known() -> None:
    """Whoever has rows up to a time gets the newer ones only."""
    history = MeterHistory(1, span=10)
    for ts in range(5):
        history.add(float(ts), [0.0])
    assert times(history, 2.0) == [3, 4]
    assert times(history, 4.0) == []


def test_since_of_another_run_gives_all() -> None:
    """Whoever has rows of a time that has not come yet gets all."""
    history = MeterHistory(1, span=10)
    history.add(5.0, [0.0])
    assert times(history, 1000.0) == [5]


def test_at_most_a_row_a_second() -> None:
    """Rows that come faster are left out, one that is a little early is not."""
    history = MeterHistory(1, span=10)
    kept = [history.add(ts, [0.0]) for ts in (0.0, 0.5, 0.98, 1.9, 1.99)]
    assert kept == [True, False, True, False, True]


def test_a_clock_that_runs_backwards_begins_anew() -> None:
    """An earlier time is another run, and the rows of the former are dropped."""
    history = MeterHistory(1, span=10)
    history.add(100.0, [1.0])
    history.add(50.0, [2.0])
    assert times(history) == [50]
    assert history.newest == 50.0


def test_nothing_yet() -> None:
    """Before the first row there is no newest one and nothing to return."""
    history = MeterHistory(3)
    assert history.newest is None
    assert [part.shape for part in history.since()] == [(0,), (3, 0)]


@given(st.lists(st.floats(0, 1e5), max_size=200), st.none() | st.floats(0, 1e5))
def test_never_more_than_the_span(moments: list[float], since: float | None) -> None:
    """Whatever comes, times rise, lie within the span and after what was asked for."""
    history = MeterHistory(1, span=20)
    for ts in moments:
        history.add(ts, [ts])
    kept, values = history.since(since)
    assert len(history) <= 21
    assert (np.diff(kept) > 0).all()
    assert kept.size == 0 or kept[-1] - kept[0] <= 20
    assert values[0].tolist() == kept.tolist()


def test_memory_does_not_grow() -> None:
    """A day of rows takes as much as a quarter of an hour."""
    history = MeterHistory(2)
    for ts in range(0, 86_400, 7):
        history.add(float(ts), [ts, ts])
    assert len(history) == pytest.approx(901, abs=1)
    assert len(times(history)) == 129
