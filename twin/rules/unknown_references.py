"""Unknown references: metrics of real exporters or of none, and labels of no series."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType

from twin.catalog import DEVICES, GPU
from twin.catalog.broker import MOSQUITTO
from twin.catalog.editions import EDITIONS, editions_with
from twin.catalog.real_exporters import exporter_of, real_names
from twin.catalog.schedulers import STATE_EXPORTERS
from twin.rules.expression import Selector
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import RuleSet

__all__ = [
    "Lacking",
    "edition_hint",
    "is_off_by_default",
    "is_on_other_sites",
    "lacking_metrics",
    "nearest_name",
    "unmatched",
]

_SHOWN = 6
_NEAR, _VERY_NEAR = 0.8, 0.9
"""How alike two names are that one may mean: of the same exporter, and of different ones."""


_OF_ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}
"""Series that the engine makes of the rules' alerts."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """Metrics that a rule names and the site does not have.

    Attributes:
        real: those that a real exporter has, with the exporter.
        unknown: those that no known exporter has, with a hint, which may be empty.
    """

    real: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


def lacking_metrics(rules: RuleSet, metrics: frozenset[str]) -> dict[str, Lacking]:
    """Return by each rule's key what it names that neither the site nor another rule makes."""
    made = {rule.name for rule in rules.recordings} | _OF_ALERTS
    found: dict[str, Lacking] = {}
    for rule in rules.rules:
        names = sorted({own.name for own in rule.selectors if own.name} - metrics - made)
        real = {name: exporter for name in names if (exporter := _exporter(name))}
        unknown = {name: _hint_at(name, metrics) for name in names if name not in real}
        if names:
            found[rule.key] = Lacking(real, unknown)
    return found


@cache
def _on_other_sites() -> Mapping[str, str]:
    """Return the exporter of every metric of the catalogue."""
    return MappingProxyType(
        {
            **{
                name: exporter.job
                for exporter in (MOSQUITTO, *STATE_EXPORTERS)
                for metric in exporter.metrics
                for name in metric.names
            },
            **{
                family.metric: family.group.exporter.job
                for device in DEVICES
                for family in device.derived
            },
            **{
                signal.metric: signal.family.job
                for device in DEVICES
                for signal in device.signals
                if not signal.hidden
            },
            **{
                name: own.family.job
                for all_ in EDITIONS.values()
                for own in all_
                for name in own.fields
            },
        }
    )


def edition_hint(name: str) -> str:
    """Return which editions expose a metric, where not all do; empty where all or none do."""
    having = [
        own for own in editions_with(name) if name in {own.row(signal).metric for signal in GPU}
    ]
    if is_off_by_default(name) or not having or len(having) == len(EDITIONS[having[0].exporter]):
        return ""
    return f"{having[0].family.job} {', '.join(own.version for own in having)}"


def is_off_by_default(name: str) -> bool:
    """Return whether an exporter has a metric in no edition's own list, only in a counters file."""
    rows = [
        own.row(signal)
        for own in editions_with(name)
        for signal in GPU
        if own.row(signal).metric == name
    ]
    return bool(rows) and all(row.listed for row in rows)


def is_on_other_sites(name: str) -> bool:
    """Return whether the twin has a metric, on whatever site."""
    return name in _on_other_sites()


def _exporter(name: str) -> str | None:
    return _on_other_sites().get(name) or exporter_of(name)


@cache
def _hint_at(name: str, metrics: frozenset[str]) -> str:
    if ":" in name:
        return "a recording rule would make it; add its file with --rules"
    near = nearest_name(name, (*metrics, *_on_other_sites(), *real_names()))
    return f"did you mean {near}?" if near else ""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known metric name that a wrong one may mean; None where none is near.

    Names of the same exporter, which begin alike, may differ more than others; a name that
    lacks only its unit or ``_total`` means the one that has it.
    """
    names: dict[str, str] = {}
    for own in known:
        if not own.endswith("*"):
            names.setdefault(own.lower(), own)
    wrong = name.lower()
    first = wrong.partition("_")[0]
    same = [own for own in names if own.partition("_")[0] == first]
    longer = [own for own in same if own.rpartition("_")[0] == wrong]
    near = (
        longer[:1] * (len(longer) == 1)
        or get_close_matches(wrong, same, n=1, cutoff=_NEAR)
        or get_close_matches(wrong, names, n=1, cutoff=_VERY_NEAR)
    )
    return names[near[0]] if near else None


def unmatched(samples: Samples, rules: RuleSet) -> dict[str, dict[str, str]]:
    """Return for each rule's key its selectors that match no series of their metric, with a hint.

    A metric of which nothing was scraped at all is left out: that says nothing of labels. So
    is a label that comes with a value, such as ``err_code``: another value brings another.
    """
    known: dict[Selector, str] = {}
    found: dict[str, dict[str, str]] = {}
    for rule in rules.rules:
        for selector in rule.selectors:
            family = samples.families.get(selector.name or "")
            if family is None:
                continue
            told = _told_by_value(selector.name or "")
            lasting = tuple(own for own in selector.matchers if own[0] not in told)
            plain = replace(selector, matchers=lasting, seconds=0.0)
            if plain not in known:
                known[plain] = _hint(plain, family)
            if known[plain]:
                found.setdefault(rule.key, {})[plain.text] = known[plain]
    return found


@cache
def _told_by_value(metric: str) -> frozenset[str]:
    """Return the labels of a metric that depend on its value."""
    return frozenset(
        label
        for device in DEVICES
        for signal in device.signals
        if signal.metric == metric
        for pairs in (signal.value_labels or {}).values()
        for label, _ in pairs
    )


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
