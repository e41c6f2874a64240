"""Alerts that are judged by a few of their series: the same verdict, for less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from twin.rules.engine import EngineOutcome, Episode, evaluate
from twin.rules.jobs import Candidate
from twin.rules.promtool import PromtoolAnswer, PromtoolJob, run
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import RuleSet, load_rules

pytestmark = pytest.mark.integration

END = 80
HOSTS = 17
CARDS = 4


@dataclass
class Work:
    """What promtool was given."""

    jobs: list[PromtoolJob] = field(default_factory=list)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Count what the judge gives promtool."""
    done = Work()

    def counting(job: PromtoolJob, seconds: float | None = None) -> PromtoolAnswer:
        done.jobs.append(job)
        return run(job, seconds)

    monkeypatch.setattr("twin.rules.judging.run", counting)
    return done


def site() -> Samples:
    """Return a busy and an idle metric of 68 cards, and one value for each host."""
    chance = np.random.default_rng(3)
    cards = [
        {"host": f"h{host}", "card": f"{card}", "uuid": f"u{host}-{card}", "job": "dcgm"}
        for host in range(HOSTS)
        for card in range(CARDS)
    ]
    hosts = [{"host": f"h{host}", "job": "dcgm"} for host in range(HOSTS)]
    busy = 90.0 + chance.random((len(cards), END))
    flapping = np.repeat((chance.integers(0, 100, (len(cards), END // 20)) > 1), 20, axis=1)
    few = np.zeros((len(cards), END))
    few[::20] = 1.0
    return Samples(
        5.0,
        END,
        {
            "busy": MetricFamily(cards, busy),
            "flapping": MetricFamily(cards, flapping.astype(np.float64)),
            "size_of": MetricFamily(cards, np.full((len(cards), END), 80.0)),
            "few": MetricFamily(cards, few),
            "size": MetricFamily(hosts, np.full((HOSTS, END), 100.0)),
        },
    )


def rules_of(folder: Path, rules: Sequence[str], group: str = "", more: str = "") -> RuleSet:
    """Return these rules, each an alert's expression and what else it has."""
    path = folder / "rules.yml"
    lines = [f"      - {{alert: A{i}, expr: '{own}" for i, own in enumerate(rules)]
    path.write_text(
        f"groups:\n  - name: g\n{group}    rules:\n" + "}\n".join(lines) + "}\n" + more,
        encoding="utf-8",
    )
    return load_rules([str(path)])


Judged = tuple[EngineOutcome, EngineOutcome]


@pytest.fixture
def both(work: Work) -> Callable[[RuleSet], Judged]:
    """Return what comes out with all series judged, and with a few where they are enough."""

    def judge(rules: RuleSet) -> Judged:
        samples = site()
        candidates = [Candidate(rule, rule.body) for rule in rules.alerts]
        whole = evaluate(samples, candidates, rules, 5.0)
        work.jobs.clear()
        calm = dict.fromkeys(range(len(candidates)), 5.0 * END)
        return whole, evaluate(samples, candidates, rules, 5.0, calm=calm)

    return judge


def fired(outcome: EngineOutcome, index: int) -> list[Episode]:
    """Return the episodes of an alert that fired."""
    return [own for own in outcome.episodes if own.candidate == index and own.firing is not None]


NOISY = (
    "busy > 50', for: 1m",
    "size_of > 50', for: 1m, labels: {severity: page, value: '{{ $value }}'}",
    "avg_over_time(busy[1m]) > 80'",
    "busy / (busy + flapping) > 0.85', for: 1m, keep_firing_for: 1m",
    "busy > on (host) group_left size * 0.8', for: 1m",
    "busy * on (host) group_left size > 0', for: 1m",
    "flapping == 1', for: 50s",
    "max by (host, card) (busy) > 50', for: 1m",
    "busy > scalar(avg(busy)) - 5', for: 1m",
    "busy > ignoring (host, card, uuid) group_left avg by (job) (busy) - 5', for: 1m",
    "topk(66, busy) > 0'",
    "recorded > 50', for: 1m",
)
RECORDING = "      - {record: recorded, expr: 'max by (host, card) (busy)'}\n"


def test_what_fires_for_many_is_judged_by_a_few_of_its_series(
    tmp_path: Path, both: Callable[[RuleSet], Judged], work: Work
) -> None:
    """Every episode told of a noisy rule is one that the whole site gives, and a few are told."""
    rules = rules_of(tmp_path, NOISY, more=RECORDING)
    whole, part = both(rules)
    assert not part.errors
    assert part.true == whole.true
    assert part.cut.keys() == set(range(len(NOISY)))
    for index, text in enumerate(NOISY):
        told = fired(part, index)
        assert 4 <= len({own.labels["host"] + own.labels["card"] for own in told}) <= 32, text
        assert all(own in fired(whole, index) for own in told), text
    assert max(len(job.series) for job in work.jobs[:3]) <= 68


def test_work_does_not_grow_with_the_series(
    tmp_path: Path, both: Callable[[RuleSet], Judged], work: Work
) -> None:
    """Of noisy rules of 68 series, promtool is given 16 of each of three metrics at most."""
    both(rules_of(tmp_path, NOISY[:4]))
    assert work.jobs
    assert max(len(job.series) for job in work.jobs) <= 16 * 3


EXACT = (
    "few == 1', for: 1m",
    "busy > 95', for: 1m",
    "busy > 50', for: 1m, labels: {host: all}",
    'busy > 50\', labels: {first: "{{ with query \\"size\\" }}{{ len . }}{{ end }}"}',
    "sum(busy) > 50', for: 1m",
    "busy > 90.5', for: 3m",
)


def test_what_a_few_do_not_stand_for_is_judged_whole(
    tmp_path: Path, both: Callable[[RuleSet], Judged]
) -> None:
    """Few or no firings, failing labels and templates that query end as they do with all series."""
    whole, part = both(rules_of(tmp_path, EXACT))
    assert part == whole
    assert not part.cut
    assert set(whole.errors) == set(part.errors)


def test_a_limit_of_a_group_is_one_of_all_its_alerts(
    tmp_path: Path, both: Callable[[RuleSet], Judged]
) -> None:
    """A noisy rule that exceeds its group's limit cannot be evaluated, whatever a few do."""
    whole, part = both(rules_of(tmp_path, NOISY[:1], group="    limit: 50\n"))
    assert "limit" in part.errors[0]
    assert part == whole


def test_alerts_that_others_read_are_judged_whole(
    tmp_path: Path, both: Callable[[RuleSet], Judged]
) -> None:
    """A rule that counts the firing alerts sees all of them."""
    rules = rules_of(tmp_path, (NOISY[0], 'count(ALERTS{alertname="A0"}) > 60\''))
    whole, part = both(rules)
    assert part == whole
    assert fired(part, 1)
