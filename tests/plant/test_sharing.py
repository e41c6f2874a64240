"""Sharing what is scarce."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.plant.sharing import Share, fair_level

GROUPS = st.lists(st.tuples(st.floats(0, 1e10), st.integers(0, 500)), min_size=1, max_size=8)


@settings(deadline=None)
@given(GROUPS, st.floats(0, 1e12))
def test_a_limit_is_used_up_and_kept(groups: list[tuple[float, int]], limit: float) -> None:
    """All get what they want, or nothing is left over; nobody who wants less gives way to more."""
    wanted = np.array([want for want, _ in groups])
    members = np.array([float(count) for _, count in groups])
    level = fair_level(wanted, members, limit)
    given_out = float((np.minimum(wanted, level) * members).sum())
    asked = float((wanted * members).sum())
    assert given_out == pytest.approx(min(asked, limit), rel=1e-9)


def test_all_alike_share_evenly() -> None:
    """Ports that want the same get the same, as if nobody else were there."""
    share = Share.of(5.0, 10, 20.0)
    assert share.each == 2.0
    assert share.total == pytest.approx(20.0)
    assert share.pace(slice(0, 1)) == 1.0


def test_the_greedy_slow_each_other_down() -> None:
    """Two jobs that want all of it get half each; a third that wants little is served in full."""
    wanted = np.array([[10.0], [10.0], [0.5]], dtype=np.float32)
    share = Share.of(wanted, np.full((3, 1), 4.0), 20.0)
    np.testing.assert_allclose(np.ravel(share.each), [2.25, 2.25, 0.5])
    assert share.total == pytest.approx(20.0)
    assert share.pace(slice(0, 1)) == pytest.approx(0.45)
    assert share.pace(slice(2, 3)) == 1.0


def test_nothing_to_share() -> None:
    """Without a storage, or without a port, nobody is slower than alone."""
    wanted = np.array([[1.0], [0.0]], dtype=np.float32)
    assert Share.of(wanted, np.ones((2, 1)), 0.0).pace(slice(0, 1)) == 1.0
    assert Share.of(wanted, np.zeros((2, 1)), 5.0).pace(slice(0, 1)) == 1.0
