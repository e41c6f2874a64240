"""The swing of the last minute against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.plant import Conditions, Plant
from twin.plant.swing import Swing
from twin.site import Layout, parse_site


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


@pytest.mark.parametrize("packs", ["", "megapacks: {count: 1}, "])
def test_swing_is_that_of_seconds_however_long_the_steps(packs: str) -> None:
    """Load and import swing as much in steps of 5 s as in steps of 1 s, with Megapacks or not."""
    pauses = "training: {eval_seconds: 0, checkpoint_seconds: 0}"
    layout = Layout(parse_site(f"{{name: a, racks: 4, servers_per_rack: 4, {packs}{pauses}}}", "a"))
    shown = []
    for dt in (1.0, 5.0):
        plant, healthy = Plant(layout, seed=3, longest=5.0), Conditions.healthy(layout)
        values = []
        for second in range(0, 300, round(dt)):
            plant.step(dt, healthy)
            if second >= 90 and second % 5 == 0:
                out = plant.outputs()
                values.append((out["facility"]["load_swing"].sum(), out["grid"]["swing"].sum()))
        shown.append(np.mean(values, axis=0))
    np.testing.assert_allclose(shown[1], shown[0], rtol=0.1)
