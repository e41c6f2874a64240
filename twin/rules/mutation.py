"""Mutation testing of rules: each rule broken on purpose, to see whether a scenario notices.

A test suite that stays green whatever is done to a rule proves nothing of it. So each
alert is evaluated again with its threshold, its ``for`` and its selectors broken; a
mutant that changes no verdict of any scenario has survived.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from twin.rules.engine import Episode
from twin.rules.jobs import Candidate
from twin.rules.result import Check, CheckStatus, ScenarioResult
from twin.rules.source import Rule, RuleSet
from twin.rules.verdict import judge
from twin.scenario import show_duration
from twin.scenario.loader import LoadedScenario

__all__ = ["Mutant", "killed", "mutants", "survivors"]

_LIMIT = re.compile(
    r"(?P<operator>==|!=|>=|<=|>|<)"
    r"(?P<matching>\s*(?:(?:on|ignoring)\s*\([^)]*\)\s*(?:group_(?:left|right)\s*(?:\([^)]*\)\s*)?)?)?)"
    r"(?P<value>-?[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?)(?![\w.])"
)
"""A number that is compared with, or by which what is compared with is multiplied."""
_FAR = "1e300"
_HOURS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one thing broken.

    Attributes:
        rule: the rule as it is.
        kind: ``deaf``, ``loose``, ``for`` or ``selector``.
        candidate: the broken rule.
    """

    rule: Rule
    kind: str
    candidate: Candidate

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.rule.key} {self.kind}"

    def shows_in(self, loaded: LoadedScenario) -> bool:
        """Whether a scenario could notice it: silence only where the alert is spoken of."""
        if self.kind == "loose":
            return True
        return self.rule.name in {name for _, name in loaded.scenario.expect.alerts()}


def mutants(rules: RuleSet) -> list[Mutant]:
    """Return all mutants of all alerts."""
    return [mutant for rule in rules.alerts for mutant in _of(rule)]


def _of(rule: Rule) -> Iterator[Mutant]:
    """Yield the rule with an unreachable limit, a trivial one, a `for` of a day, no series."""
    deaf, loose = (_limited(rule.expr, reached=reached) for reached in (False, True))
    yield _mutant(rule, "deaf", expr=deaf)
    if loose != rule.expr:
        yield _mutant(rule, "loose", expr=loose)
    yield _mutant(rule, "for", **{"for": show_duration(rule.lasts + _HOURS)})
    yield _mutant(rule, "selector", expr=_blind(rule))


def _mutant(rule: Rule, kind: str, **changed: str) -> Mutant:
    return Mutant(rule, kind, Candidate(rule, {**rule.body, **changed}))


def _limited(expr: str, *, reached: bool) -> str:
    """Return an expression whose numeric limits are out of reach, or reached by anything."""

    def moved(match: re.Match[str]) -> str:
        operator = match["operator"]
        if reached:
            operator = {"==": "!=", "!=": "=="}.get(operator, operator)
            limit = _FAR if operator.startswith("<") else f"-{_FAR}"
            return f"{operator}{match['matching']}{limit}"
        if operator == "!=":
            return f"=={match['matching']}{_FAR}"
        return f"{operator}{match['matching']}{f'-{_FAR}' if operator.startswith('<') else _FAR}"

    found = _LIMIT.sub(moved, expr)
    if found == expr and not reached:
        return f"({expr}\n) == {_FAR}"
    return found


def _blind(rule: Rule) -> str:
    """Return the expression with every selector wanting a label that no series has."""
    names = {own.name for own in rule.selectors if own.name is not None}
    if not names:
        return f"({rule.expr}\n) and on (twin_mutant) vector(0) > 0"
    words = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w:])(?P<name>{words})(?![\w:(])(?P<open>\s*\{{)?")
    return pattern.sub(_wanting, rule.expr)


def _wanting(match: re.Match[str]) -> str:
    return f'{match["name"]}{{twin_mutant="x"' + (", " if match["open"] else "}")


def survivors(rules: RuleSet, results: Sequence[ScenarioResult]) -> list[Mutant]:
    """Return the mutants that no scenario noticed."""
    dead = frozenset[str]().union(*(result.killed for result in results))
    return [mutant for mutant in mutants(rules) if mutant.key not in dead]


def killed(
    loaded: LoadedScenario,
    broken: Mapping[int, Mutant],
    episodes: Sequence[Episode],
    checks: Sequence[Check],
    rules: RuleSet,
) -> frozenset[str]:
    """Return the keys of the mutants that turn a check of this scenario red.

    Args:
        loaded: the scenario.
        broken: the mutants, by their index among the candidates.
        episodes: of all candidates.
        checks: of the rules as they are.
        rules: as they are; their candidates come first.
    """
    names = [rule.name for rule in rules.alerts]
    places = {rule.key: index for index, rule in enumerate(rules.alerts)}
    by_candidate: dict[int, list[Episode]] = {}
    for episode in episodes:
        by_candidate.setdefault(episode.candidate, []).append(episode)
    good = [own for index in range(len(names)) for own in by_candidate.get(index, [])]
    red = {check.text for check in checks if check.status is CheckStatus.FAILED}
    dead = set()
    for candidate, mutant in broken.items():
        index = places[mutant.rule.key]
        mine = [replace(own, candidate=index) for own in by_candidate.get(candidate, [])]
        if mine == by_candidate.get(index, []):
            continue
        rest = [own for own in good if own.candidate != index]
        after = judge(loaded, [*rest, *mine], names)
        if any(own.status is CheckStatus.FAILED and own.text not in red for own in after):
            dead.add(mutant.key)
    return frozenset(dead)
