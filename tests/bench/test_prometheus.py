"""How much of a site is shown to a Prometheus that holds so many series."""

from __future__ import annotations

import pytest

from twin.bench.data import scaled_site
from twin.bench.prometheus import detail_of
from twin.errors import ConfigError
from twin.site import DetailPlan, Layout, count_series

LAYOUT = Layout(scaled_site(10 * 512))


@pytest.mark.parametrize("full", [0, 1, 5, 10])
def test_as_many_arrays_as_fit(full: int) -> None:
    """One series less than the next array needs, and it stays a roll-up."""
    plan = detail_of(LAYOUT, _series(full + 1) - 1 if full < 10 else 10**9)
    assert count_series(LAYOUT, plan) == _series(full)


def test_too_few_series() -> None:
    """What not even the roll-ups fit in is told with what they need."""
    with pytest.raises(ConfigError, match=r"--series 1 is too few: the roll-ups of scaled-5120"):
        detail_of(LAYOUT, 1)


def _series(full: int) -> int:
    plan = DetailPlan.of_site(LAYOUT.site).changed(
        ["rack", *(f"a{n + 1:03d}=gpu" for n in range(full))]
    )
    return count_series(LAYOUT, plan)
