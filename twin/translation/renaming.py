"""Renamings: what one edition of an exporter calls otherwise than another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from twin.catalog import GPU, Signal
from twin.catalog.editions import Edition

__all__ = ["MetricRenaming", "Renaming", "renaming"]


@dataclass(frozen=True, slots=True)
class MetricRenaming:
    """What becomes of a metric.

    Attributes:
        old: its name.
        new: its new name; empty where the new edition does not expose it.
        factor: by which an old value is multiplied to have a new one.
        kinds: types before and after, where they differ.
        tested: whether the twin has the metric, so that what is said of it can be tested.
    """

    old: str
    new: str
    factor: float = 1.0
    kinds: tuple[str, str] | None = None
    tested: bool = True

    @property
    def old_and_new(self) -> str:
        """What becomes of it, in words."""
        if not self.new:
            return f"{self.old} is gone"
        factor = f" (x {self.factor:.12g})" if self.factor != 1.0 else ""
        words = [f"{self.old} is {self.new}{factor}"] if self.renamed else []
        if self.kinds is not None:
            words.append(f"{self.new} is a {self.kinds[1]} and no {self.kinds[0]}")
        return ", ".join(words)

    @property
    def renamed(self) -> bool:
        """Whether an expression with the old name reads something else now."""
        return self.old != self.new or self.factor != 1.0


@dataclass(frozen=True, slots=True)
class Renaming:
    """The way from one edition to another.

    Attributes:
        before: the edition that an expression is written for.
        after: the other one.
        metrics: by the old name; those that stay as they are among them.
        labels: old name to new name.
    """

    before: Edition
    after: Edition
    metrics: Mapping[str, MetricRenaming] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def name(self, metric: str) -> str:
        """Return what a metric is called, which is empty where it is not exposed."""
        change = self.metrics.get(metric)
        return metric if change is None else change.new

    def of(self, metric: str) -> MetricRenaming | None:
        """Return what becomes of a metric, None for one of another exporter."""
        return self.metrics.get(metric)


def renaming(before: Edition, after: Edition) -> Renaming:
    """Return the way from one edition of an exporter to another."""
    labels = dict(zip(before.family.labels, after.family.labels, strict=False))
    if len(before.family.labels) != len(after.family.labels):
        labels = {}
    return Renaming(
        before,
        after,
        {own.old: own for own in _metrics(before, after)},
        {old: new for old, new in labels.items() if old != new},
    )


def _metrics(before: Edition, after: Edition) -> Iterator[MetricRenaming]:
    """Yield what becomes of each metric; where one has several names, the exposed one last."""
    exposed: dict[str, list[Signal]] = {}
    for own in map(after.row, GPU) if after.rows is None else after.shown(GPU):
        exposed.setdefault(own.name, []).append(own)
    for old, new, factor in _unmodelled(before, after):
        yield MetricRenaming(old, new, factor, tested=False)
    for metric, (name, change) in before.fields.items():
        if metric != before.row(GPU[name]).metric:
            kind = change.kind or GPU[name].kind
            yield _metric(metric, change.factor, kind, exposed.get(name, []))
    for signal in (*map(before.row, GPU), *before.shown(GPU)):
        found = exposed.get(signal.name, [])
        yield _metric(signal.metric, signal.factor, signal.kind, found)


def _metric(old: str, factor: float, kind: str, exposed: Sequence[Signal]) -> MetricRenaming:
    """Return what becomes of a metric, which keeps its name where a counters file has it."""
    if not exposed:
        return MetricRenaming(old, "")
    new = next((own for own in exposed if own.metric == old), exposed[-1])
    kinds = (str(kind), str(new.kind)) if kind != new.kind else None
    return MetricRenaming(old, new.metric, _ratio(new.factor, factor), kinds)


def _ratio(new: float, old: float) -> float:
    """Return a quotient of two factors as a person writes it: 1e6 and not 1000000.0000000001."""
    return float(f"{new / old:.9g}")


def _unmodelled(before: Edition, after: Edition) -> Iterator[tuple[str, str, float]]:
    """Yield fields that the twin has no signal for: old name, new name, factor."""
    for old, (new, factor) in after.renamed.items():
        if old not in before.renamed:
            yield old, new, factor
    for old, (new, factor) in before.renamed.items():
        if old not in after.renamed:
            yield new, old, _ratio(1.0, factor)
