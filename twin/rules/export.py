"""A scenario as a unit test of promtool, which runs anywhere without the twin."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from twin.catalog.selectors import labelled
from twin.rules.documents import read_parts
from twin.rules.engine import Episode, begins, evaluate
from twin.rules.jobs import Candidate, grouped
from twin.rules.promtool import seconds_text
from twin.rules.promtool_series import input_series
from twin.rules.rule_yaml import groups_yaml
from twin.rules.sampling import known_metrics, sample
from twin.rules.scenario_run import wanted_metrics
from twin.rules.source import RuleSet
from twin.scenario.loader import LoadedScenario

__all__ = ["export"]


def export(loaded: LoadedScenario, rules: RuleSet, folder: Path) -> str:
    """Return the test file: the series as they were scraped, and when each alert fires.

    Rule files that promtool cannot read as they are, such as objects of Kubernetes, are written
    beside it as one that has their groups.

    What is expected is what the rules do now, alert by alert whenever one begins or ends
    to fire, so that the file fails when a rule is changed in what it sees.

    Args:
        loaded: the scenario.
        rules: to test.
        folder: in which the file will lie; the rule files are named relative to it.

    Raises:
        ConfigError: promtool is not there.
    """
    scenario = loaded.scenario
    samples = sample(loaded, wanted_metrics(rules, known_metrics(loaded.layout)))
    candidates = [Candidate(rule, rule.body) for rule in rules.alerts]
    outcome = evaluate(samples, candidates, rules, scenario.evaluate)
    # As it was judged: promtool takes groups in any order unless it is told one.
    groups = grouped([(rule, rule.body) for rule in rules.rules], rules)
    selectors = [own for rule in rules.rules for own in rule.selectors]
    # As promtool dates ALERTS: back by the offset of the group.
    fired = [
        own.moved(partial(_dated, candidates[own.candidate].rule.offset))
        for own in outcome.episodes
        if own.firing is not None
    ]
    moments = {begins(samples, scenario.evaluate), scenario.duration}
    moments |= {at for own in fired for at in (own.firing, own.ended) if at is not None}
    files = rules.files
    if not all(_is_plain(file) for file in files):
        files = (folder / "twin-rules" / f"{loaded.name}.rules.yml",)
        files[0].parent.mkdir(parents=True, exist_ok=True)
        files[0].write_text(groups_yaml(groups), encoding="utf-8")
    document = {
        "rule_files": [os.path.relpath(file, folder) for file in files],
        "evaluation_interval": seconds_text(scenario.evaluate),
        "group_eval_order": list(dict.fromkeys(group.name for group, _ in groups)),
        "tests": [
            {
                "name": loaded.name,
                "interval": seconds_text(scenario.scrape),
                "input_series": [
                    {"series": name, "values": values}
                    for name, values in input_series(samples, selectors)
                ],
                "promql_expr_test": [_moment(at, fired) for at in sorted(moments)],
            }
        ],
    }
    return _head(loaded) + yaml.safe_dump(document, sort_keys=False, width=10_000)


def _dated(offset: float, at: float) -> float:
    return max(at - offset, 0.0)


def _is_plain(file: Path) -> bool:
    """Return whether promtool reads of a file what the twin reads."""
    return [part.text.encode() for part in read_parts(file)[0]] == [file.read_bytes()]


def _head(loaded: LoadedScenario) -> str:
    faults = "".join(
        f"#   {seconds_text(event.at)}: {event.kind} {event.target or ''}".rstrip() + "\n"
        for event in loaded.scenario.faults
    )
    return (
        f"# {loaded.scenario.title}\n"
        f"# Made by `twin rules export {loaded.name}`; run it with `promtool test rules`.\n"
        f"{faults}"
    )


def _moment(at: float, fired: Sequence[Episode]) -> Mapping[str, Any]:
    """Return the test that exactly these alerts fire at one moment."""
    now = [
        own.labels
        for own in fired
        if own.firing is not None and own.firing <= at and (own.ended is None or own.ended > at)
    ]
    samples = [{"labels": _series(labels), "value": 1} for labels in now]
    test: dict[str, Any] = {
        "expr": 'ALERTS{alertstate="firing"}',
        "eval_time": seconds_text(at),
    }
    return test | ({"exp_samples": samples} if samples else {})


def _series(labels: Mapping[str, str]) -> str:
    inside = ", ".join(
        labelled(name, value) for name, value in {**labels, "alertstate": "firing"}.items()
    )
    return f"ALERTS{{{inside}}}"
