"""Workloads beside runs, those that nothing was fitted to among them."""

from __future__ import annotations

import pytest

from twin.docs.workload_runs import RunComparison, run_comparisons

RUNS = run_comparisons()
_SHORT = ("bert", "dlrm")
"""Runs of five minutes, whose 1 % quantile is a sample or two."""


@pytest.mark.parametrize("row", RUNS, ids=lambda row: f"{row.workload}-{row.run.use}")
def test_power_is_that_of_the_run(row: RunComparison) -> None:
    """Medians are within 5 %, the quantiles of 1 % and 99 % within 10 %."""
    low, middle, high = row.differences
    assert abs(middle) <= 0.05
    assert abs(high) <= 0.10
    assert abs(low) <= (0.15 if row.workload in _SHORT else 0.10)


def test_what_is_fitted_is_validated_too() -> None:
    """Every workload that was fitted to a run is compared with one to which it was not."""
    fitted = {row.workload for row in RUNS if row.run.use == "calibrated"}
    assert fitted == {row.workload for row in RUNS if row.run.use == "validated"}
