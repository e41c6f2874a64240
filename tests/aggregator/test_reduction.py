"""Roll-ups say what plain NumPy says, however their values came in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from twin.aggregator.reduction import Reduction
from twin.catalog import GPU, ROLLUPS, Operation, Rollup, Unit

VALUES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.sampled_from([np.nan, 0.0, 1.0, 2.0, 31.0, 79.0]) | st.floats(-1e3, 1e6),
)
HISTOGRAMS = [r for r in ROLLUPS if r.operation is Operation.DISTRIBUTION]
SINGLE = list(
    {
        (r.operation, r.equals, r.excluding, r.scale): r
        for r in ROLLUPS
        if r.operation not in (Operation.TOTAL, Operation.DISTRIBUTION)
    }.values()
)
"""One of each kind."""
COUNTER = Rollup("x_total", "tx_bytes", Operation.TOTAL, Unit.NONE, "", scale=0.5)
nan = float("nan")


def _plain(rollup: Rollup, values: NDArray[np.float64]) -> float:
    """Return the roll-up of some devices, the obvious way."""
    known = values[~np.isnan(values)]
    match rollup.operation:
        case Operation.COUNT if rollup.equals is not None:
            return float(np.sum(known == rollup.equals))
        case Operation.COUNT:
            return float(np.sum(~np.isin(known, rollup.excluding)))
        case Operation.MISSING:
            return float(values.size - known.size)
    if not known.size:
        return nan
    of: dict[Operation, Callable[[], np.float64]] = {
        Operation.SUM: known.sum,
        Operation.MEAN: known.mean,
        Operation.MIN: lambda: min(
            _least(rollup, row) for row in values if not np.isnan(row).all()
        ),
        Operation.MAX: known.max,
    }
    return float(of[rollup.operation]()) * rollup.scale


def _least(rollup: Rollup, row: NDArray[np.float64]) -> np.float64:
    """Return the least value of a unit; what is left out counts only by itself."""
    known = row[~np.isnan(row)]
    others = known[~np.isin(known, rollup.excluding)]
    least: np.float64 = (others if others.size else known).min()
    return least


def _reduced(rollup: Rollup, values: NDArray[np.float64]) -> Reduction:
    reduction = Reduction([rollup], *values.shape)
    reduction.update(slice(None), values, np.ones(len(values), bool))
    return reduction


def _first(groups: list[int]) -> NDArray[np.intp]:
    return np.array(groups, np.intp)


@pytest.mark.parametrize("rollup", SINGLE, ids=lambda rollup: rollup.name)
@given(values=VALUES, data=st.data())
def test_rollup_is_what_numpy_says(
    rollup: Rollup, values: NDArray[np.float64], data: st.DataObject
) -> None:
    """Over units and over groups of units, with missing devices left out."""
    starts = sorted({0, *data.draw(st.sets(st.integers(0, len(values) - 1)))})
    reduction = _reduced(rollup, values)
    groups = np.split(values, starts[1:])
    expected = [_plain(rollup, group) for group in groups]
    np.testing.assert_allclose(
        reduction.over(rollup, _first(starts)), expected, rtol=1e-9, atol=1e-6
    )


@pytest.mark.parametrize("rollup", HISTOGRAMS, ids=lambda rollup: rollup.name)
@given(values=VALUES)
def test_distribution_is_what_numpy_says(rollup: Rollup, values: NDArray[np.float64]) -> None:
    """A bucket counts the devices up to its bound; the last one counts all."""
    got = _reduced(rollup, values).distribution(rollup, _first([0]))
    known = values[~np.isnan(values)]
    if not known.size:
        assert np.isnan(got.buckets).all()
        assert np.isnan(got.total).all()
        return
    bounds = (*rollup.bounds, np.inf)
    assert got.buckets[0].tolist() == [float(np.sum(known <= bound)) for bound in bounds]
    np.testing.assert_allclose(got.total[0], known.sum(), rtol=1e-9, atol=1e-6)


@given(values=VALUES, data=st.data())
def test_updates_add_up(values: NDArray[np.float64], data: st.DataObject) -> None:
    """Values that come in unit by unit give what they give all at once."""
    rollups = [r for r in GPU.rollups if r.signal == "power_usage"]
    units = len(values)
    order = data.draw(st.lists(st.integers(0, units - 1)))
    piecewise = Reduction(rollups, *values.shape)
    piecewise.update(slice(None), values[::-1], np.zeros(units, bool))
    for unit in [*order, *range(units)]:
        at = np.array([unit])
        piecewise.update(at, values[at], np.ones(1, bool))
    whole = Reduction(rollups, *values.shape)
    whole.update(slice(None), values, np.ones(units, bool))
    for rollup in rollups:
        first = np.arange(units)
        if rollup.operation is Operation.DISTRIBUTION:
            one, other = (r.distribution(rollup, first) for r in (piecewise, whole))
            np.testing.assert_array_equal(one.buckets, other.buckets)
            np.testing.assert_array_equal(one.total, other.total)
        else:
            np.testing.assert_array_equal(piecewise.over(rollup, first), whole.over(rollup, first))


@pytest.mark.parametrize(
    ("seen", "risen"),
    [
        ([[5.0, 7.0]], 0.0),
        ([[5.0, 7.0], [6.0, 9.0]], 3.0),
        ([[5.0, 7.0], [6.0, nan]], 1.0),
        ([[5.0, 7.0], [6.0, nan], [6.0, 10.0]], 4.0),
        ([[5.0, 7.0], [2.0, 7.0]], 2.0),
        ([[nan, 7.0], [100.0, 8.0]], 1.0),
        ([[5.0, 7.0], [nan, nan]], nan),
        ([[5.0, 7.0], [9.0, 7.0], [nan, nan], [9.0, 8.0]], 5.0),
    ],
)
def test_total_is_what_counters_rose_by(seen: list[list[float]], risen: float) -> None:
    """Devices may come, go and begin anew: a total never falls, and never leaps."""
    reduction = Reduction([COUNTER], 1, 2)
    for values in seen:
        reduction.update(slice(None), np.array([values]), np.ones(1, bool))
    expected = [COUNTER.scale * risen]
    np.testing.assert_array_equal(reduction.over(COUNTER, _first([0])), expected)


@given(st.lists(hnp.arrays(np.float64, (2, 3), elements=st.just(nan) | st.floats(0, 1e9))))
def test_total_never_falls(frames: list[NDArray[np.float64]]) -> None:
    """Whatever the counters do, what ``rate()`` sees is no reset."""
    reduction, last = Reduction([COUNTER], 2, 3), 0.0
    for values in frames:
        reduction.update(slice(None), values, np.ones(2, bool))
        (total,) = reduction.over(COUNTER, _first([0]))
        if not np.isnan(total):
            assert total >= last
            last = total


def test_count_of_a_unit_that_lost_all_is_zero() -> None:
    """A rack that reports and has no GPU left has 0 GPUs; a silent rack has no count."""
    reporting = next(r for r in ROLLUPS if r.name == "gpus_reporting")
    missing = next(r for r in ROLLUPS if r.name == "gpus_missing")
    reduction = Reduction([reporting, missing], 2, 4)
    reduction.update(slice(None), np.full((2, 4), nan), np.array([True, False]))
    np.testing.assert_array_equal(reduction.over(reporting, _first([0, 1])), [0.0, nan])
    np.testing.assert_array_equal(reduction.over(missing, _first([0, 1])), [4.0, nan])
    np.testing.assert_array_equal(reduction.over(missing, _first([0])), [4.0])
