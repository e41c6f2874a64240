"""Groups with ``query_offset``, which promtool 3 knows and Debian's does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twin.rules import judging
from twin.rules.engine import evaluate
from twin.rules.jobs import Candidate
from twin.rules.promtool import Found, PromtoolAnswer, PromtoolJob, run
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import load_rules

pytestmark = pytest.mark.integration

OFFSET = 30.0


def as_prometheus_3(job: PromtoolJob, seconds: float | None = None) -> PromtoolAnswer:
    """Answer as a promtool does that knows offsets: ALERTS is dated back by them."""
    (group, rules), *_ = job.groups
    job.groups = [(replace(group, attributes={}), rules)]
    answer = run(job, seconds)
    return PromtoolAnswer(
        [Found(own.query, own.at - OFFSET, own.labels, own.value) for own in answer.found],
        answer.errors,
    )


def test_an_alert_fires_when_its_group_has_seen_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Prometheus dates ALERTS back, and yet tells of an alert at the time of the evaluation."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n  - name: g\n    rules: [{alert: A, expr: a > 0, for: 10s}]\n", encoding="utf-8"
    )
    plain = load_rules([str(path)])
    rules = replace(
        plain,
        rules=tuple(
            replace(own, home=replace(own.home, attributes={"query_offset": "30s"}))
            for own in plain.rules
        ),
    )
    values = np.array([[0.0] * 12 + [1.0] * 12])
    samples = Samples(5.0, 24, {"a": MetricFamily([{"x": "1"}], values)})
    candidates = [Candidate(rule, rule.body) for rule in rules.alerts]
    monkeypatch.setattr(judging, "run", as_prometheus_3)
    (episode,) = evaluate(samples, candidates, rules, 5.0).episodes
    assert (episode.pending, episode.firing) == (65.0, 75.0)
