"""Rewriting: an expression for another edition, or for two editions at once.

A selector is edited where it stands, so that everything else stays as its author wrote it, and a
value keeps its unit, so that thresholds and texts stay right: ``DCGM_FI_DEV_SM_CLOCK < 1200``
becomes ``DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6 < 1200``. A range cannot be divided, so the factor goes
behind the function where this comes to the same (``rate(x[5m]) / 1e6``).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from twin.translation.edits import Edits, Replaced, divided
from twin.translation.renaming import MetricRenaming, Renaming
from twin.translation.structure import (
    LabelUse,
    Reading,
    Structure,
    is_alone,
    is_loose,
    structure_of,
)

__all__ = ["Translation", "rewritten"]

_NAME = "__name__"
_KEPT = "old_name"
"""Label that holds a name while series of several are united."""
_LINEAR = frozenset(
    {
        *("rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear"),
        *("double_exponential_smoothing", "holt_winters"),
        *(
            f"{kind}_over_time"
            for kind in ("avg", "min", "max", "sum", "quantile", "last", "first")
        ),
        *("stddev_over_time", "mad_over_time"),
    }
)
"""Functions of a range whose value grows as the samples do."""
_COUNTING = frozenset(
    {
        *("changes", "resets", "count_over_time", "present_over_time", "absent_over_time"),
        *(f"ts_of_{kind}_over_time" for kind in ("min", "max", "last", "first")),
    }
)
"""Functions of a range for which the unit does not matter."""
_SQUARE = frozenset({"stdvar_over_time"})
_UNITLESS = frozenset({"count", "group", "absent", "timestamp"})
"""Functions and aggregations of a present value for which the unit does not matter."""
_ABSENT = frozenset({"absent", "absent_over_time"})
_EXCLUDING = frozenset({"without", "ignoring"})


@dataclass(frozen=True, slots=True)
class Translation:
    """An expression in another edition's words.

    Attributes:
        text: the expression.
        metrics: what it reads that is called otherwise, or has another type.
        labels: labels that it names and that are called otherwise: old name, new name.
        notes: what cannot be said for certain, in sentences.
    """

    text: str
    metrics: tuple[MetricRenaming, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def rewritten(
    text: str,
    way: Renaming,
    *,
    both: bool = False,
    labelled: Collection[str] = (),
    named: Collection[str] = (),
) -> Translation:
    """Return an expression as the other edition has it, or as both have it.

    Args:
        text: PromQL, with variables of Grafana or without.
        way: from the edition that it is written for to the other one.
        both: whether series of both editions are to be read, under the labels of the old one.
        labelled: recorded metrics that carry the exporter's labels, beside its own metrics.
        named: labels of the result that somebody reads by their old names, with ``both``.
    """
    return _Rewriter(text, way, both, frozenset(labelled), frozenset(named)).result()


class _Rewriter:
    """Rewrites one expression."""

    def __init__(
        self,
        text: str,
        way: Renaming,
        both: bool,
        labelled: frozenset[str],
        named: frozenset[str],
    ) -> None:
        self._text = text
        self._way = way
        self._both = both
        self._labelled = labelled
        self._found: Structure = structure_of(text)
        self._edits = Edits()
        self._metrics: dict[str, MetricRenaming] = {}
        self._labels: dict[str, str] = {}
        self._notes: dict[str, None] = {}
        ours = [own for own in self._found.readings if self._is_ours(own)]
        self._joined = (
            [use for use in self._found.labels if use.label in way.labels] if ours else []
        )
        self._kept = self._labels_to_keep(ours, named)

    def result(self) -> Translation:
        for reading in self._found.readings:
            self._reading(reading)
        for use in self._joined:
            self._label(use)
        return Translation(
            self._edits.applied(self._text),
            tuple(self._metrics.values()),
            tuple(self._labels.items()),
            tuple(self._notes),
        )

    # -- labels -----------------------------------------------------------------

    def _is_ours(self, reading: Reading) -> bool:
        """Return whether a selector reads series with the exporter's labels."""
        if reading.name is not None:
            name = reading.name.text
            return name in self._labelled or self._way.of(name) is not None
        return bool(self._chosen_by_name(reading))

    def _labels_to_keep(self, ours: list[Reading], named: frozenset[str]) -> list[str]:
        """Return the labels that new series are to have under their old names.

        With both editions those that anything names; with one those that series of others are
        joined by, which have them under the old name themselves.
        """
        made = {use.label for use in self._found.labels if use.made}
        foreign = len(ours) < len(self._found.readings)
        joins = {use.label for use in self._joined if use.keyword in ("on", "ignoring")}
        if self._both:
            wanted = {use.label for use in self._joined} | named
        else:
            wanted = joins - made if foreign else set()
        return [label for label in self._way.labels if label in wanted]

    def _label(self, use: LabelUse) -> None:
        """Rename a label outside of selectors, where it is not kept."""
        new = self._way.labels[use.label]
        self._labels[use.label] = new
        if use.label in self._kept:
            if use.keyword in _EXCLUDING:
                self._edits.put(use.token.end, use.token.end, f", {new}")
            return
        quoted = f'"{new}"' if use.token.kind == "string" else new
        self._edits.put(use.token.start, use.token.end, quoted)

    # -- selectors ----------------------------------------------------------------

    def _reading(self, reading: Reading) -> None:
        if not self._is_ours(reading):
            return
        change = self._change(reading)
        if change is not None and (change.renamed or change.kinds):
            self._metrics[change.old] = change
            if not change.new:
                self._notes[f"{self._way.after.title} does not have {change.old}"] = None
                return
        self._matched_labels(reading)
        if reading.name is None:
            self._by_name(reading)
        elif change is not None:
            self._named(reading, change)
        else:
            self._recorded(reading)

    def _change(self, reading: Reading) -> MetricRenaming | None:
        return self._way.of(reading.name.text) if reading.name is not None else None

    def _matched_labels(self, reading: Reading) -> None:
        for matcher in reading.matchers:
            if matcher.label.text in self._way.labels:
                self._labels[matcher.label.text] = self._way.labels[matcher.label.text]

    def _matchers(self, reading: Reading) -> list[tuple[int, int, str]]:
        """Return the changes of the labels that a selector chooses by."""
        return [
            (matcher.label.start, matcher.label.end, self._way.labels[matcher.label.text])
            for matcher in reading.matchers
            if matcher.label.text in self._way.labels
        ]

    def _named(self, reading: Reading, change: MetricRenaming) -> None:
        name = reading.name
        assert name is not None  # noqa: S101 - selectors without a name go another way
        new = Edits([(name.start, name.end, change.new), *self._matchers(reading)])
        unit = self._unit(reading, change)
        if not self._both:
            cancelled = self._cancelled(unit)
            if cancelled is not None:
                text = new.applied(self._text, unit.start, unit.end)
                self._edits.put(unit.start, cancelled, text)
                return
            self._put(unit, self._in_old_unit(unit, new), product=unit.power != 0.0)
            return
        if not change.renamed and not new.made[1:]:
            self._put(unit, self._relabelled(self._text[unit.start : unit.end]))
            return
        self._put(unit, self._union(unit, self._in_old_unit(unit, new)), loose=False)

    def _recorded(self, reading: Reading) -> None:
        """Edit what reads a recorded series, which keeps the exporter's labels."""
        if not self._both:
            self._edits.made += self._matchers(reading)
        elif self._kept and reading.name is not None:
            unit = self._unit(reading, MetricRenaming(reading.name.text, reading.name.text))
            self._put(unit, self._relabelled(self._text[unit.start : unit.end]))

    def _unit(self, reading: Reading, change: MetricRenaming) -> Replaced:
        """Return what is replaced for a selector: itself, or the function that reads its range."""
        call = reading.call
        name = call.name if call is not None else ""
        if reading.ranged and call is not None and name:
            power = self._power(name, change)
            return Replaced(
                call.start, call.end, call.before, call.after, power, change.factor, name
            )
        counted = reading.alone and name in _UNITLESS
        if counted and name in _ABSENT and call is not None:
            return Replaced(call.start, call.end, call.before, call.after, 0.0, change.factor, name)
        power = 0.0 if counted or change.factor == 1.0 else 1.0
        return Replaced(
            reading.start, reading.tail, reading.before, reading.after, power, change.factor
        )

    def _power(self, function: str, change: MetricRenaming) -> float:
        if change.factor == 1.0 or function in _COUNTING:
            return 0.0
        if function in _SQUARE:
            return 2.0
        if function not in _LINEAR:
            self._notes[
                f"{function}() of {change.new} is in another unit; check what it is compared with"
            ] = None
            return 0.0
        return 1.0

    def _in_old_unit(self, unit: Replaced, new: Edits) -> str:
        """Return the new text of a unit, in the old unit, without brackets around it."""
        text = new.applied(self._text, unit.start, unit.end)
        return text + divided(unit.factor**unit.power) if unit.power else text

    def _cancelled(self, unit: Replaced) -> int | None:
        """Return where a division ends that undoes what takes a value back to the old unit."""
        if unit.power != 1.0 or unit.factor >= 1.0 or self._kept:
            return None
        if unit.after is None or unit.after.text != "/":
            return None
        if unit.before is not None and unit.before.text in "/%^":
            return None
        divisor = re.compile(r"\s*/\s*([\d.]+(?:e\d+)?)(?![\w.]|\s*\^)").match(self._text, unit.end)
        if divisor is None or float(divisor[1]) != float(f"{1.0 / unit.factor:.9g}"):
            return None
        return divisor.end()

    def _union(self, unit: Replaced, new: str) -> str:
        old = self._text[unit.start : unit.end]
        if unit.function in _ABSENT:
            return f"{old} and on () {new}"
        return self._relabelled(f"{old} or {new}")

    def _relabelled(self, text: str) -> str:
        """Return series with the old names of the labels that are kept."""
        for label in self._kept:
            new = self._way.labels[label]
            text = f'label_replace({text}, "{label}", "$1", "{new}", "(.+)")'
        return text

    def _put(self, unit: Replaced, text: str, *, product: bool = False, loose: bool = True) -> None:
        """Replace a unit, in brackets where its neighbours need them."""
        if self._kept and not self._both:
            text, product = self._relabelled(text), False
        closed = text.startswith("label_replace(") and self._kept
        if not closed and (product or not loose):
            fits = is_loose if product else is_alone
            if not fits(unit.before, unit.after):
                text = f"({text})"
        self._edits.put(unit.start, unit.end, text)

    # -- selectors without a name -------------------------------------------------

    def _chosen_by_name(self, reading: Reading) -> list[MetricRenaming]:
        """Return the exporter's metrics that a selector chooses by matchers of their name."""
        own = [m for m in reading.matchers if m.label.text == _NAME]
        if not own:
            return []
        return [
            change
            for name, change in self._way.metrics.items()
            if all(_holds(m.operator, m.value.value, name) for m in own)
            and (change.tested or any(m.operator == "=" for m in own))
        ]

    def _by_name(self, reading: Reading) -> None:
        chosen = self._chosen_by_name(reading)
        changed = [own for own in chosen if own.renamed and own.new]
        self._metrics.update((own.old, own) for own in changed)
        if not changed and not (self._kept or self._matchers(reading)):
            return
        unit = self._unit(reading, replace(chosen[0], factor=1.0))
        old = [self._text[unit.start : unit.end]] * self._both
        factors = dict.fromkeys(own.factor for own in chosen if own.new)
        if len(factors) > 1 or (factors != {1.0: None} and not unit.function):
            text = self._relabelled(self._under_old_names(reading, unit, chosen, old))
        else:
            same = self._same_unit(reading, unit, [own for own in chosen if own.new], *factors)
            text = self._relabelled(" or ".join(dict.fromkeys([*old, same])))
            if " or " in text and not self._kept and not is_alone(unit.before, unit.after):
                text = f"({text})"
        self._edits.put(unit.start, unit.end, text)

    def _under_old_names(
        self, reading: Reading, unit: Replaced, chosen: list[MetricRenaming], old: list[str]
    ) -> str:
        """Return the union of series whose factors differ, each under its old name.

        To ``or`` two series that differ in nothing but their names are one, so the name stands in
        a label of its own meanwhile.
        """
        parts = [f'label_replace({text}, "{_KEPT}", "$1", "{_NAME}", "(.+)")' for text in old]
        for own in chosen:
            if own.new:
                text = self._with_name(reading, unit, "=", own.new)
                text += divided(own.factor) if own.factor != 1.0 else ""
                parts.append(f'label_replace({text}, "{_KEPT}", "{own.old}", "", "")')
        named = f'label_replace({" or ".join(parts)}, "{_NAME}", "$1", "{_KEPT}", "(.+)")'
        return f'label_replace({named}, "{_KEPT}", "", "", "")'

    def _same_unit(
        self, reading: Reading, unit: Replaced, chosen: list[MetricRenaming], factor: float
    ) -> str:
        """Return the selector of new names that have one factor."""
        names = sorted({own.new for own in chosen})
        text = self._with_name(reading, unit, "=~" if len(names) > 1 else "=", "|".join(names))
        power = self._power(unit.function, chosen[0]) if unit.function else 1.0
        return text + divided(factor**power) if factor != 1.0 and power else text

    def _with_name(self, reading: Reading, unit: Replaced, operator: str, names: str) -> str:
        """Return a unit with one matcher of the name and the other matchers as they are."""
        new = Edits(self._matchers(reading))
        first, *rest = (m for m in reading.matchers if m.label.text == _NAME)
        new.put(first.label.start, first.value.end, f'{_NAME}{operator}"{names}"')
        for matcher in rest:
            end = matcher.value.end
            end += len(re.match(r"\s*,?\s*", self._text[end:])[0])  # type: ignore[index]  # it matches nothing, too
            new.put(matcher.label.start, end, "")
        return new.applied(self._text, unit.start, unit.end)


def _holds(operator: str, wanted: str, name: str) -> bool:
    if operator in ("=", "!="):
        return (name == wanted) is (operator == "=")
    try:
        return (re.fullmatch(wanted, name) is not None) is (operator == "=~")
    except re.error:
        return False
