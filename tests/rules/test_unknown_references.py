"""Labels that no series has are told, with those that there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.rules.expression import selectors
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import Rule, RuleSet
from twin.rules.unknown_references import unmatched

FILE = Path("rules.yml")
JOBS = (
    'no series of up has job="dcgm"; there is "job-0", "job-1", "job-2", "job-3", "job-4", '
    '"job-5" and 2 more'
)
SAMPLES = Samples(
    5.0,
    2,
    {
        "up": MetricFamily(
            [{"job": f"job-{number}", "instance": str(number % 2)} for number in range(8)],
            np.ones((8, 2)),
        )
    },
)


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ('up{job="job-1"} == 0', []),
        ('up{job=~"job-.*", instance!="7"}', []),
        ("none > 1", []),
        (
            'up{job="dcgm"} == 0',
            [JOBS],
        ),
        (
            'up{instance="1", job=~"job-[02]"}',
            ['no series of up{job=~"job-[02]"} has instance="1"; there is "0"'],
        ),
        ('rate(up{rack="r1"}[5m])', ['no series of up has rack="r1"; none has that label']),
        ('up{rack="r1", hall="h1"}', ['no series is up{rack="r1", hall="h1"}']),
    ],
)
def test_labels_that_no_series_has(expr: str, told: list[str]) -> None:
    """A selector that finds nothing of a metric that is there says which label is to blame."""
    rule = Rule("A", True, expr, 0.0, {}, "g", FILE, 3, 4, {}, selectors(expr))
    found = unmatched(SAMPLES, RuleSet((FILE,), (rule,)))
    assert list(found.get(rule.key, {}).values()) == told
