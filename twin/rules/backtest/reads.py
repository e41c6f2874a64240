"""Reads of some rules: the series of the past that they need, and how far back each looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twin.catalog.selectors import labelled
from twin.errors import ConfigError
from twin.rules.expression import Selector, reach
from twin.rules.rule_yaml import seconds_of
from twin.rules.source import Rule, RuleSet

__all__ = ["readers", "selectors_of", "warm_up"]

_MADE = ("ALERTS", "ALERTS_FOR_STATE")
"""Series that the engine makes of the rules themselves."""
_TOGETHER = 20
"""Metrics without matchers that are asked for in one query."""
_NAME = "__name__"


def readers(rules: RuleSet) -> dict[str, list[str]]:
    """Return the names of the rules that read each metric of the past."""
    made = {rule.name for rule in rules.recordings}.union(_MADE)
    found: dict[str, list[str]] = {}
    for rule in rules.rules:
        for own in rule.selectors:
            if own.name and own.name not in made and rule.name not in found.get(own.name, ()):
                found.setdefault(own.name, []).append(rule.name)
    return found


def selectors_of(rules: RuleSet) -> list[str]:
    """Return selectors for all series that the rules read and do not record themselves.

    Raises:
        ConfigError: a rule reads series of any name.
    """
    known = readers(rules)
    chosen: dict[str, dict[str, None]] = {name: {} for name in known}
    others: dict[str, None] = {}
    for rule in rules.rules:
        for own in rule.selectors:
            if own.name in known:
                chosen[own.name][_text(own)] = None
            elif own.name is None and own.matchers:
                others[_text(own)] = None
            elif own.name is None:
                raise ConfigError(
                    f"{rule.file}:{rule.expr_line}: {rule.name} reads series of any name, which is "
                    "all of the past; name its metrics"
                )
    whole = [name for name, texts in chosen.items() if name in texts]
    parts = [text for name, texts in chosen.items() if name not in texts for text in texts]
    together = [whole[at : at + _TOGETHER] for at in range(0, len(whole), _TOGETHER)]
    batches = [f'{{{_NAME}=~"{"|".join(names)}"}}' for names in together]
    return [*batches, *parts, *others]


def _text(selector: Selector) -> str:
    """Return a selector as PromQL writes it, with its values escaped."""
    inside = ",".join(
        f"{label}{operator}{labelled(label, value).removeprefix(f'{label}=')}"
        for label, operator, value in selector.matchers
        if label != _NAME or selector.name is None
    )
    return f"{selector.name or ''}{{{inside}}}" if inside else selector.name or ""


def warm_up(rules: RuleSet) -> dict[str, float]:
    """Return by its key how many seconds of the past each alert needs before it can be judged.

    It is infinite for one that looks at a fixed time or ahead.
    """
    by_name: dict[str, list[Rule]] = {}
    for rule in rules.recordings:
        by_name.setdefault(rule.name, []).append(rule)
    return {
        rule.key: _reach(rule, by_name, frozenset())
        + sum(seconds_of(rule.body.get(key)) for key in ("for", "keep_firing_for"))
        for rule in rules.alerts
    }


def _reach(rule: Rule, recorded: Mapping[str, Sequence[Rule]], above: frozenset[str]) -> float:
    below = [
        _reach(other, recorded, above | {rule.key})
        for own in rule.selectors
        for name in own.names(recorded)
        for other in recorded[name]
        if other.key not in above | {rule.key}
    ]
    return reach(rule.expr) + max(below, default=0.0)
