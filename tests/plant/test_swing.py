"""The swing of the last minute against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.plant.swing import Swing


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200), st.sampled_from([0.5, 1.0, 7.0]))
def test_swing_is_largest_minus_smallest_of_a_minute(values: list[float], dt: float) -> None:
    """It equals a plain scan over the values of the last minute."""
    swing = Swing()
    for count, value in enumerate(values, 1):
        swing.add(value, dt)
        kept = [v for i, v in enumerate(values[:count], 1) if i * dt > count * dt - 60.0]
        assert swing.value == pytest.approx(max(kept) - min(kept))


def test_no_value_no_swing() -> None:
    """Before the first value there is none."""
    assert Swing().value == 0.0
