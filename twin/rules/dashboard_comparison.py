"""Comparison of dashboards on two editions of an exporter: which panels go empty, and rewritings.

Every query is asked at the end of a scenario, of the old edition, of the new one, and after its
rewriting of the new one and of a fleet that has half of each. Variables of Grafana stand for
everything that they may be, and its intervals for those of a scrape every 15 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twin.catalog.editions import Edition
from twin.content_cache import Cache
from twin.rules.expression import selectors
from twin.rules.kept_samples import kept_sample
from twin.rules.mixed_fleet import mixed
from twin.rules.promtool import PromtoolJob, run
from twin.rules.promtool_series import input_series
from twin.rules.sampling import Samples, known_metrics
from twin.scenario.loader import LoadedScenario
from twin.translation import DashboardQuery, Renaming, queries_of, renaming, rewritten

__all__ = ["QueryComparison", "compare_dashboard"]

_INTERVALS = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__interval_ms": "15000",
    "__range": "15m",
    "__range_s": "900",
    "__range_ms": "900000",
}
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::[^}]*)?\}|\$([A-Za-z_]\w*)|\[\[(\w+)(?::\w+)?\]\]")
_EXACT = re.compile(r"(!?)=\s*\"([^\"]*(?:\$|\[\[)[^\"]*)\"")
_LIKE = re.compile(r"([=!]~)\s*\"([^\"]*(?:\$|\[\[)[^\"]*)\"")
_MANY = 1e-6
"""How far values may differ that are taken for the same, relative to them."""


@dataclass(frozen=True, slots=True)
class QueryComparison:
    """A query of a dashboard on two editions.

    Attributes:
        query: as it is in the dashboard.
        reasons: what the new edition calls otherwise of what it reads.
        before: series on the old edition; None where it cannot be asked.
        after: series on the new one, unchanged.
        new: the query for the new edition.
        both: the query for both.
        new_same: whether the first gives on the new edition what the query gave on the old one.
        both_same: whether the second gives it on a fleet that has half of each.
    """

    query: DashboardQuery
    reasons: tuple[str, ...]
    before: int | None
    after: int | None
    new: str
    both: str
    new_same: bool = False
    both_same: bool = False

    @property
    def lost(self) -> bool:
        """Whether it answers on the old edition, and not on the new one unchanged."""
        return bool(self.before) and not self.after


def compare_dashboard(
    dashboard: Mapping[str, Any],
    loaded: LoadedScenario,
    editions: tuple[Edition, Edition],
    cache: Cache | None = None,
) -> list[QueryComparison]:
    """Return what becomes of each query, in the order of the dashboard.

    Args:
        dashboard: its JSON.
        loaded: a scenario at whose end the queries are asked.
        editions: the old one and the new one.
        cache: where samples are kept.

    Raises:
        ConfigError: promtool is not there.
    """
    way = renaming(*editions)
    asked = list(queries_of(dashboard, way))
    new = [rewritten(own.expr, way, named=own.named) for own in asked]
    both = [rewritten(own.expr, way, both=True, named=own.named) for own in asked]
    texts = ([own.expr for own in asked], [own.text for own in new], [own.text for own in both])
    filled = [[_filled(text) for text in part] for part in texts]
    old_samples, new_samples = _sampled(loaded, editions, filled, cache)
    before = _answers(old_samples, filled[0], way)
    after = _answers(new_samples, filled[0], way)
    for_new = _answers(new_samples, filled[1], way)
    for_both = _answers(mixed(old_samples, new_samples), filled[2], way)
    return [
        QueryComparison(
            query,
            tuple(own.old_and_new for own in translation.metrics)
            + tuple(f"label {old} is {renamed}" for old, renamed in translation.labels),
            _count(before[place]),
            _count(after[place]),
            translation.text,
            both[place].text,
            _same(before[place], for_new[place]),
            _same(before[place], for_both[place]),
        )
        for place, (query, translation) in enumerate(zip(asked, new, strict=True))
    ]


def _filled(text: str) -> str:
    """Return a query with everything that a variable may be in its place."""

    def any_of(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        return _INTERVALS.get(name, ".*")

    text = _EXACT.sub(lambda m: f'{m[1] or "="}~"{_VARIABLE.sub(any_of, m[2])}"', text)
    text = _LIKE.sub(lambda m: f'{m[1]}"{_VARIABLE.sub(any_of, m[2])}"', text)
    return _VARIABLE.sub(lambda m: _INTERVALS.get(m[1] or m[2] or m[3], "5m"), text)


def _sampled(
    loaded: LoadedScenario,
    editions: tuple[Edition, Edition],
    queries: Sequence[Sequence[str]],
    cache: Cache | None,
) -> tuple[Samples, Samples]:
    """Return what is scraped on each edition of all that the queries read."""
    found = []
    read = {own for part in queries for text in part for own in selectors(text)}
    for edition in editions:
        own = loaded.exporting([f"{edition.exporter}={edition.version}"])
        metrics = known_metrics(own.layout)
        wanted = frozenset(name for selector in read for name in selector.names(metrics))
        found.append(kept_sample(own, wanted, cache))
    return found[0], found[1]


_Answer = Mapping[tuple[tuple[str, str], ...], float]


def _answers(samples: Samples, queries: Sequence[str], way: Renaming) -> list[_Answer | None]:
    """Return what each query gives at the end; None for one that cannot be asked."""
    end = samples.interval * samples.scrapes
    read = list(dict.fromkeys(own for text in queries for own in selectors(text)))
    series = input_series(samples, read)
    job = PromtoolJob(series, samples.interval, samples.interval, end)
    places = [job.ask(text, [end]) for text in queries]
    answer = run(job)
    wrong = {*answer.errors, *answer.oversized}
    found: dict[int, dict[tuple[tuple[str, str], ...], float]] = {}
    for sample in answer.found:
        labels = tuple(_labels(sample.labels, way))
        found.setdefault(sample.query, {})[labels] = sample.value
    return [None if place in wrong else found.get(place, {}) for place in places]


def _labels(labels: Mapping[str, str], way: Renaming) -> Iterator[tuple[str, str]]:
    """Yield labels that are called alike on both editions, in order."""
    old_names = {new: old for old, new in way.labels.items()}
    alike = {old_names.get(name, name): value for name, value in labels.items()}
    alike.pop("__name__", None)
    yield from sorted(alike.items())


def _count(answer: _Answer | None) -> int | None:
    return None if answer is None else len(answer)


def _same(one: _Answer | None, other: _Answer | None) -> bool:
    if one is None or other is None or one.keys() != other.keys():
        return False
    return all(
        value != value  # noqa: PLR0124 - only NaN differs from itself
        or abs(value - other[labels]) <= _MANY * max(abs(value), 1.0)
        for labels, value in one.items()
    )
