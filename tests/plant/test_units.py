"""Numerical helpers: what NumPy gives, at the price of a few values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from twin.plant.units import Unchanged, all_of, any_of, clamp, equal, frozen, mean_of, sum_of

SHAPES = arrays.array_shapes(max_dims=3, max_side=12)
NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(values=arrays.arrays(np.bool_, SHAPES))
def test_any_and_all_are_those_of_numpy(values: np.ndarray) -> None:
    """Whatever the flags, both say what the methods say."""
    assert (any_of(values), all_of(values)) == (bool(values.any()), bool(values.all()))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(data=st.data())
def test_sum_and_mean_are_those_of_numpy_to_the_last_bit(kind: type, data: st.DataObject) -> None:
    """In either precision sum and mean are the same numbers as those of the methods."""
    values = data.draw(arrays.arrays(kind, SHAPES, elements=NUMBERS))
    assert sum_of(values) == float(values.sum())
    assert mean_of(values) == float(values.mean())


@given(value=NUMBERS, least=NUMBERS, most=NUMBERS)
def test_a_number_is_clamped_as_an_array_is(value: float, least: float, most: float) -> None:
    """A plain number takes a way of its own to the same result."""
    assert clamp(value, least, most) == clamp(np.array([value]), least, most)[0]


def test_only_what_nobody_can_write_to_is_unchanged() -> None:
    """The same array counts as unchanged once it is frozen, a number if it is equal."""
    same, values = Unchanged(), np.ones(3)
    assert not same(values, 1.0)
    assert not same(values, 1.0)
    frozen(values)
    assert same(values, 1.0)
    assert not same(values, 2.0)
    assert not same(frozen(np.ones(3)), 2.0)


def test_equal_arrays() -> None:
    """Arrays are equal if all of their values are."""
    values = np.arange(4.0)
    assert equal(values, values)
    assert equal(values, values.copy())
    assert not equal(values, values + 1.0)
