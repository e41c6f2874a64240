"""Effects of faults: which series they changed, and which rules read those."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.rules.expression import selectors
from twin.rules.fault_effects import affected, rules_affected
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import Rule, RuleSet

FILE = Path("rules.yml")
NAN = np.nan
NOISE = np.tile([100.0, 102.0, 98.0, 101.0], 5)


@pytest.mark.parametrize(
    ("series", "changed"),
    [
        ([1.0] * 20, False),
        ([1.0] * 10 + [0.0] * 3 + [1.0] * 7, True),
        ([1.0] * 10 + [NAN] * 10, True),
        ([NAN] * 10 + [1.0] * 10, True),
        ([NAN, 1.0] * 10, False),
        (NOISE, False),
        (np.where(np.arange(20) < 10, NOISE, 60.0), True),
        (np.arange(20.0) * 3.0, False),
        (np.minimum(np.arange(20.0), 9.0) * 3.0, True),
    ],
)
def test_a_series_is_changed_or_goes_on(series: list[float], changed: object) -> None:
    """Steps, gaps and halted counters are effects; noise and steady counting are none."""
    assert affected(np.array([series], np.float64), 10)[0] == changed


SAMPLES = Samples(
    5.0,
    20,
    {
        "up": MetricFamily(
            [{"job": "dcgm-exporter", "instance": "a"}, {"job": "dcgm-exporter", "instance": "b"},
             {"job": "snmp-exporter", "instance": "a"}],
            np.array([[1.0] * 10 + [0.0] * 10, [1.0] * 20, [1.0] * 20]),
        )
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("expr", "charged"),
    [
        ("up == 0", True),
        ('up{job="dcgm-exporter"} == 0', True),
        ('up{job=~"dcgm.*",instance!="b"} == 0', True),
        ('up{job="snmp-exporter"} == 0', False),
        ('up{job="dcgm-exporter",instance="b"} == 0', False),
        ('absent(up{job="other"})', False),
        ("recorded < 1", True),
        ("none > 1", False),
    ],
)
def test_a_rule_is_charged_for_what_it_reads(expr: str, charged: object) -> None:
    """A rule whose matchers leave out every series that changed has not missed the fault."""
    rules = [
        Rule(name, name == "A", text, 0.0, {}, "g", FILE, line, line, {}, selectors(text))
        for line, (name, text) in enumerate([("recorded", "min(up)"), ("A", expr)])
    ]
    found = rules_affected(SAMPLES, RuleSet((FILE,), tuple(rules)), ["up"], 50.0)
    assert bool(found) == charged
