"""Unknown references: metrics and labels in rules that a site does not have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from twin.rules.expression import Selector
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import RuleSet

__all__ = ["unknown_metrics", "unmatched"]

_SHOWN = 6
_PROMETHEUS_OWN = ("ALERTS", "ALERTS_FOR_STATE", "scrape_", "prometheus_", "alertmanager_")
"""Series that Prometheus makes itself, or that its own job has."""


def unknown_metrics(rules: RuleSet, metrics: frozenset[str]) -> dict[str, list[str]]:
    """Return what each rule names that neither the site nor another rule makes."""
    made = {rule.name for rule in rules.recordings}
    found = {
        rule.key: sorted(
            {
                own.name
                for own in rule.selectors
                if own.name is not None
                and own.name not in metrics | made
                and not own.name.startswith(_PROMETHEUS_OWN)
            }
        )
        for rule in rules.rules
    }
    return {key: names for key, names in found.items() if names}


def unmatched(samples: Samples, rules: RuleSet) -> dict[str, dict[str, str]]:
    """Return for each rule's key its selectors that match no series of their metric, with a hint.

    A metric of which nothing was scraped at all is left out: that says nothing of labels.
    """
    known: dict[Selector, str] = {}
    found: dict[str, dict[str, str]] = {}
    for rule in rules.rules:
        for selector in rule.selectors:
            family = samples.families.get(selector.name or "")
            if family is None:
                continue
            plain = replace(selector, seconds=0.0)
            if plain not in known:
                known[plain] = _hint(plain, family)
            if known[plain]:
                found.setdefault(rule.key, {})[plain.text] = known[plain]
    return found


def _hint(selector: Selector, family: MetricFamily) -> str:
    """Return which labels there are instead; empty when the selector finds something."""
    if any(selector.selects(labels) for labels in family.labels):
        return ""
    for matcher in selector.matchers:
        label, operator, value = matcher
        others = tuple(own for own in selector.matchers if own != matcher)
        rest = replace(selector, matchers=others)
        values = {labels.get(label, "") for labels in family.labels if rest.selects(labels)}
        if values:
            instead = "none has that label" if values == {""} else f"there is {_listed(values)}"
            return f'no series of {rest.text} has {label}{operator}"{value}"; {instead}'
    return f"no series is {selector.text}"


def _listed(values: Collection[str]) -> str:
    shown = ", ".join(f'"{value}"' for value in sorted(values)[:_SHOWN])
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return f"{shown}{more}"
