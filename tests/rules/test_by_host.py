"""Expressions host by host give what the whole gives, and are few samples a query."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.rules.by_host import expr_by_host, rules_by_host
from twin.rules.expression import selectors
from twin.rules.promtool import PromtoolJob, run
from twin.rules.promtool_series import input_series
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import Rule, RuleSet

HOSTS, THREADS, MODES = 6, 224, ("idle", "user", "system")
SAMPLES = Samples(
    30.0,
    4,
    {
        "cpu": MetricFamily(
            [
                {"instance": f"h{host}", "cpu": str(cpu), "mode": mode}
                for host in range(HOSTS)
                for cpu in range(THREADS)
                for mode in MODES
            ],
            np.arange(HOSTS * THREADS * len(MODES))[:, None] * np.arange(1.0, 5.0),
        )
    },
)
FEW = Samples(
    30.0, 4, {"cpu": SAMPLES.families["cpu"].__class__([{"instance": "h0"}], np.ones((1, 4)))}
)


def asked(expr: str, samples: Samples = SAMPLES) -> dict[str, float]:
    """Return what promtool makes of an expression."""
    job = PromtoolJob(input_series(samples, list(selectors(expr))), 30.0, 30.0, 120.0)
    job.ask(expr, [120.0])
    answer = run(job)
    assert not answer.errors
    assert not answer.oversized
    return {str(dict(own.labels)): own.value for own in answer.found}


@pytest.mark.integration
@pytest.mark.parametrize(
    "expr",
    [
        'sum without (mode) (avg without (cpu) (rate(cpu{mode!~"idle|iowait"}[1m]))) * 100',
        "sum by (instance) (rate(cpu[1m]))",
        "sum(rate(cpu[1m])) / count(sum by (instance, cpu) (cpu))",
        "count without (cpu, mode, instance) (cpu)",
        "max by (mode) (cpu)",
        '100 - avg by (instance) (rate(cpu{mode!="idle"}[1m])) * 100',
        "avg(rate(cpu[1m]))",
        "(min(cpu) or count by (mode) (cpu{}))",
    ],
)
def test_host_by_host_is_the_same(expr: str) -> None:
    """Twice the samples that promtool allows are evaluated, and to what the parts add up to."""
    split = expr_by_host(expr, SAMPLES)
    assert split.count('instance="h5"') >= 1
    third = Samples(
        30.0,
        4,
        {
            "cpu": MetricFamily(
                [own for own in SAMPLES.families["cpu"].labels if int(own["cpu"]) % 16 == 0],
                SAMPLES.families["cpu"].values[
                    [int(own["cpu"]) % 16 == 0 for own in SAMPLES.families["cpu"].labels]
                ],
            )
        },
    )
    assert asked(split)
    whole, parts = asked(expr, third), asked(split, third)
    assert whole.keys() == parts.keys()
    assert all(parts[key] == pytest.approx(value) for key, value in whole.items())


@pytest.mark.parametrize(
    "expr",
    [
        "topk(3, cpu)",
        "absent(cpu)",
        'cpu{mode="idle"} / on (cpu) group_left cpu',
        "quantile(0.9, cpu)",
        "sum(cpu",
    ],
)
def test_what_depends_on_other_hosts_is_left(expr: str) -> None:
    """A rank, a join and what no parser knows are evaluated as they stand."""
    assert expr_by_host(expr, SAMPLES) == expr


def test_what_reads_little_is_left() -> None:
    """A rule that promtool can evaluate is handed over as the user wrote it."""
    expr = "sum by (instance) (rate(cpu[1m]))"
    assert expr_by_host(expr, FEW) == expr
    rule = Rule("A", True, expr, 0.0, {}, "g", Path("r.yml"), 3, 4, {"expr": expr},
                selectors(expr))  # fmt: skip
    rules = RuleSet((Path("r.yml"),), (rule,))
    assert rules_by_host(rules, FEW) == rules
    (split,) = rules_by_host(rules, SAMPLES).rules
    assert split.key == rule.key
    assert {own.matchers[0][2] for own in split.selectors} == {f"h{n}" for n in range(HOSTS)}
