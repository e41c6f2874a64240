"""Roll-ups say what plain NumPy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from twin.aggregator.rollup import Rollups, roll_up
from twin.catalog import ROLLUPS, Frame, Level, Operation, Rollup

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

VALUES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.sampled_from([np.nan, 0.0, 1.0]) | st.floats(-1e6, 1e6),
)


def _plain(rollup: Rollup, values: NDArray[np.float64]) -> float:
    """Return the roll-up of some devices, the obvious way."""
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan")
    match rollup.operation:
        case Operation.SUM:
            return float(known.sum())
        case Operation.MEAN:
            return float(known.mean())
        case Operation.MAX:
            return float(known.max())
        case Operation.COUNT:
            return float(known.size if rollup.equals is None else np.sum(known == rollup.equals))


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: rollup.name)
@given(values=VALUES)
def test_rollup_is_what_numpy_says(rollup: Rollup, values: NDArray[np.float64]) -> None:
    """Over every rack and over the site, with missing devices left out."""
    result = roll_up(rollup, values)
    racks = [_plain(rollup, row) for row in values]
    np.testing.assert_allclose(result[Level.RACK], racks, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(result[Level.SITE], [_plain(rollup, values)], rtol=1e-9, atol=1e-6)


def test_silent_rack_has_no_rollup(feed: Feed) -> None:
    """The roll-ups of a rack disappear with it, and the site's go on without it."""
    feed.frame(Frame.RACK, 0)
    feed.frame(Frame.RACK, 2)
    lines = [line for line in feed.lines() if line.startswith("rack_gpu_power_watts{")]
    assert [line.split('rack="')[1][:5] for line in lines] == ["r0001", "r0003"]
    assert any(line.startswith("site_gpu_power_watts{") for line in feed.lines())


def test_silent_site_has_no_rollups(feed: Feed) -> None:
    """Where nothing reports, nothing is rolled up: not even a zero."""
    metrics = [rollup.metric(level) for rollup in ROLLUPS for level in Level]
    assert not [line for line in feed.lines() if line.startswith(tuple(metrics))]


def test_counts_are_whole_numbers(feed: Feed) -> None:
    """Five GPUs are not 5.0 GPUs."""
    feed.site()
    (line,) = [line for line in feed.lines() if line.startswith("site_gpus_reporting{")]
    assert line.endswith(" 12")


def test_computed_once_a_change(feed: Feed) -> None:
    """Without a new frame the same roll-ups are given again; with one they are new."""
    rollups = Rollups(feed.core.store)
    feed.outputs["gpu"]["gpu_temp"][:] = 50.0
    feed.site()
    values = rollups.values()
    assert rollups.values() is values
    assert rollups.site("gpu_temperature_max_celsius") == 50.0
    feed.outputs["gpu"]["gpu_temp"][:] = 77.0
    feed.frame(Frame.RACK, 0, ts=2.0, seq=2)
    assert rollups.site("gpu_temperature_max_celsius") == 77.0
