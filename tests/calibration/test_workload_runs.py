"""Workloads beside runs, those that nothing was fitted to among them."""

from __future__ import annotations

import pytest

from twin.docs.workload_runs import RunComparison, run_comparisons

pytestmark = pytest.mark.xdist_group("calibration")

_SHORT = ("bert", "dlrm")
"""Runs of five minutes, whose 1 % quantile is a sample or two."""


def is_near(row: RunComparison) -> bool:
    """Return whether the median is within 5 %, the quantiles of 1 % and 99 % within 10 %."""
    low, middle, high = map(abs, row.differences)
    return middle <= 0.05 and high <= 0.10 and low <= (0.15 if row.workload in _SHORT else 0.10)


@pytest.mark.full
def test_power_is_that_of_the_run() -> None:
    """Medians are within 5 %, the quantiles of 1 % and 99 % within 10 %."""
    rows = run_comparisons()
    assert [(row.workload, row.run.use, row.differences) for row in rows if not is_near(row)] == []


@pytest.mark.full
def test_what_is_fitted_is_validated_too() -> None:
    """Every workload that was fitted to a run is compared with one to which it was not."""
    rows = run_comparisons()
    fitted = {row.workload for row in rows if row.run.use == "calibrated"}
    assert fitted
    assert fitted == {row.workload for row in rows if row.run.use == "validated"}
