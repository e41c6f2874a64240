"""Comparison of rules on two editions of an exporter: what each loses, why, and its rewriting.

The rules are tested as they are on both editions, then rewritten for the new one and for both at
once. A rewriting is proven only if it does on its edition what the rule did on the old one; the
one for both does so on the old edition, on the new one, and on a fleet that has half of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from twin.catalog.editions import Edition
from twin.rules.audit import RuleFinding, audit
from twin.rules.expression import selectors
from twin.rules.result import ScenarioResult
from twin.rules.rule_yaml import Value, scalar, with_labels
from twin.rules.scenario_run import Options
from twin.rules.source import Rule, RuleSet
from twin.rules.suite import run_suite
from twin.scenario.loader import LoadedScenario
from twin.translation import Renaming, Translation, labels_in, renaming, rewritten, template
from twin.yamls import entries

__all__ = ["EditionVerdict", "RuleComparison", "compare_rules", "translated_rules"]

_STR = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class EditionVerdict:
    """What a rule did on an edition.

    Attributes:
        detects: scenario to the seconds between its first fault and the first firing.
        noisy: scenario to the number of firings while nothing was wrong.
        text: the finding in a few words.
        error: why it could not be evaluated; empty for none.
    """

    detects: Mapping[str, float]
    noisy: Mapping[str, int]
    text: str
    error: str = ""

    @classmethod
    def of(cls, finding: RuleFinding) -> EditionVerdict:
        """Return what an audit found."""
        return cls(finding.detects, finding.noisy, finding.verdict, finding.error)

    def holds_as(self, other: EditionVerdict) -> bool:
        """Return whether a rule sees all that another one sees, and cries no more often."""
        seen = other.detects.keys() <= self.detects.keys()
        return seen and self.noisy.keys() <= other.noisy.keys() and not self.error


@dataclass(frozen=True, slots=True)
class RuleComparison:
    """A rule on two editions.

    Attributes:
        rule: as it is in its file.
        reasons: what the new edition calls otherwise of what it reads, in sentences.
        before: what it does on the old edition; None for a recording rule.
        after: what it does on the new one, unchanged.
        new: the expression for the new edition.
        both: the expression for both.
        new_verdict: what the first does on the new edition.
        both_verdicts: what the second does on the old edition, on half of each, on the new one.
    """

    rule: Rule
    reasons: tuple[str, ...]
    before: EditionVerdict | None
    after: EditionVerdict | None
    new: str
    both: str
    new_verdict: EditionVerdict | None = None
    both_verdicts: tuple[EditionVerdict, ...] = ()

    @property
    def affected(self) -> bool:
        """Whether anything that it reads is otherwise on the new edition."""
        return bool(self.reasons)

    @property
    def lost(self) -> list[str]:
        """Scenarios whose fault it no longer detects, as it stands."""
        if self.before is None or self.after is None:
            return []
        return [name for name in self.before.detects if name not in self.after.detects]

    @property
    def cries(self) -> list[str]:
        """Scenarios in which it fires while nothing is wrong, and did not before."""
        if self.before is None or self.after is None:
            return []
        return [name for name in self.after.noisy if name not in self.before.noisy]

    @property
    def exercised(self) -> bool:
        """Whether a scenario makes it fire on either edition, so that something can be proven."""
        before = self.before
        return before is not None and bool(before.detects or before.noisy or self.cries)

    @property
    def new_proven(self) -> bool:
        """Whether the rewriting does on the new edition what the rule did on the old one."""
        return self._proven(() if self.new_verdict is None else (self.new_verdict,))

    @property
    def both_proven(self) -> bool:
        """Whether the rewriting for both does so on every fleet."""
        return self._proven(self.both_verdicts)

    def _proven(self, verdicts: Sequence[EditionVerdict]) -> bool:
        before = self.before
        if before is None or not self.exercised or not verdicts:
            return False
        return all(own.holds_as(before) for own in verdicts)


def compare_rules(
    rules: RuleSet,
    scenarios: Sequence[LoadedScenario],
    editions: tuple[Edition, Edition],
    options: Options,
    progress: Callable[[str, ScenarioResult], None] = lambda _stage, _result: None,
) -> list[RuleComparison]:
    """Return what becomes of each rule, in the order of the files.

    Args:
        rules: as they are.
        scenarios: with the faults that they are to detect.
        editions: the old one and the new one.
        options: of the runs.
        progress: called with what is tested and each result as it comes.

    Raises:
        ConfigError: promtool is not there.
    """
    way = renaming(*editions)
    new, both = translated_rules(rules, way), translated_rules(rules, way, both=True)
    reasons = {rule.key: _reasons(rule, found, way) for rule, found in _translations(rules, way)}
    touched = _touched(rules, reasons)
    old, latest = (f"{own.exporter}={own.version}" for own in editions)
    runs = _Runs(rules, scenarios, touched, options, progress)
    before = runs.of("as they are, old edition", rules, old)
    runs.keep_to(before)
    after = runs.of("as they are, new edition", rules, latest)
    for_new = runs.of("rewritten, new edition", new, latest)
    for_both = [
        runs.of("for both, old edition", both, old),
        runs.of("for both, half of each", both, old, latest),
        runs.of("for both, new edition", both, latest),
    ]
    return [
        RuleComparison(
            rule,
            _all_reasons(rule, rules, reasons),
            before.get(rule.key),
            after.get(rule.key),
            new_rule.expr,
            both_rule.expr,
            for_new.get(rule.key),
            tuple(own[rule.key] for own in for_both if rule.key in own),
        )
        for rule, new_rule, both_rule in zip(rules.rules, new.rules, both.rules, strict=True)
    ]


class _Runs:
    """Runs of the affected rules, each on an edition."""

    def __init__(
        self,
        rules: RuleSet,
        scenarios: Sequence[LoadedScenario],
        touched: frozenset[str],
        options: Options,
        progress: Callable[[str, ScenarioResult], None],
    ) -> None:
        self._scenarios = scenarios
        self._left_out = {rule.key for rule in rules.alerts if rule.key not in touched}
        self._needed = bool(touched)
        self._options = options
        self._progress = progress

    def of(
        self, stage: str, rules: RuleSet, setting: str, other: str = ""
    ) -> dict[str, EditionVerdict]:
        """Return the verdict on each affected alert, by its key."""
        if not self._needed:
            return {}
        own = rules.without(self._left_out)
        options = replace(
            self._options,
            foreign=True,
            exporters=(setting,),
            mixed=(other,) if other else (),
        )
        chosen = [loaded.exporting([setting]) for loaded in self._scenarios]
        results = run_suite(chosen, own, options, lambda result: self._progress(stage, result))
        return {found.rule.key: EditionVerdict.of(found) for found in audit(own, results)}

    def keep_to(self, verdicts: Mapping[str, EditionVerdict]) -> None:
        """Leave out scenarios that say nothing: no affected rule fires in them, and faults do."""
        told = {name for own in verdicts.values() for name in (*own.detects, *own.noisy)}
        if told:
            self._scenarios = [
                loaded
                for loaded in self._scenarios
                if loaded.name in told or not loaded.scenario.faults
            ]


def translated_rules(rules: RuleSet, way: Renaming, *, both: bool = False) -> RuleSet:
    """Return the rules as another edition needs them, or as both do, under the same keys."""
    labelled = _labelled(rules, way)
    return replace(
        rules, rules=tuple(_translated(rule, way, both, labelled) for rule in rules.rules)
    )


def _labelled(rules: RuleSet, way: Renaming) -> frozenset[str]:
    """Return the recorded metrics that read the exporter's, directly or through others."""
    found: frozenset[str] = frozenset()
    while True:
        more = found | {
            rule.name
            for rule in rules.recordings
            if any(own.names((*way.metrics, *found)) for own in rule.selectors)
        }
        if more == found:
            return found
        found = more


def _named(rule: Rule, way: Renaming) -> frozenset[str]:
    """Return the labels of the exporter that a rule's own labels and annotations name."""
    texts = [scalar(value) for value in _texts(rule)]
    return labels_in(" ".join(texts), way)


def _texts(rule: Rule) -> Iterator[Value]:
    for key in ("labels", "annotations"):
        section = rule.body.get(key)
        if isinstance(section, yaml.MappingNode):
            yield from entries(section).values()


def _translated(rule: Rule, way: Renaming, both: bool, labelled: frozenset[str]) -> Rule:
    found = rewritten(rule.expr, way, both=both, labelled=labelled, named=_named(rule, way))
    body = dict(rule.body)
    if found.text != rule.expr:
        body["expr"] = _literal(found.text)
    for key in ("labels", "annotations"):
        section = body.get(key)
        if isinstance(section, yaml.MappingNode):
            texts = {
                name: _literal(template(scalar(value), way, both=both, labelled=labelled))
                for name, value in entries(section).items()
            }
            body[key] = with_labels({}, texts)["labels"]
    return replace(rule, expr=found.text, body=body, selectors=selectors(found.text))


def _literal(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode(_STR, text, style="|" if "\n" in text else '"')


def _translations(rules: RuleSet, way: Renaming) -> Iterator[tuple[Rule, Translation]]:
    labelled = _labelled(rules, way)
    for rule in rules.rules:
        yield rule, rewritten(rule.expr, way, labelled=labelled, named=_named(rule, way))


def _reasons(rule: Rule, found: Translation, way: Renaming) -> tuple[str, ...]:
    """Return what is otherwise of what a rule reads, in its expression and in its texts."""
    told = [own.old_and_new for own in found.metrics]
    named = dict.fromkeys((*(old for old, _ in found.labels), *sorted(_named(rule, way))))
    told += [f"label {old} is {way.labels[old]}" for old in named]
    return (*told, *found.notes)


def _touched(rules: RuleSet, reasons: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the keys of the alerts for which something is otherwise."""
    return frozenset(rule.key for rule in rules.alerts if _all_reasons(rule, rules, reasons))


def _all_reasons(
    rule: Rule, rules: RuleSet, reasons: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the reasons of a rule, and those of the recordings that it reads."""
    told = list(reasons[rule.key])
    for recording in rules.feeding([rule]):
        if recording.key != rule.key and reasons[recording.key]:
            told += [f"{recording.name}: {reason}" for reason in reasons[recording.key]]
    return tuple(dict.fromkeys(told))
