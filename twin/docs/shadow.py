"""Tables of ``shadow.md``: the relations, and how small a fault is seen, from a saved run.

The page is written by hand except for the part between two marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twin.bench.results import Recorded, load_result
from twin.docs.markdown import between_marks, table
from twin.docs.scale import RESULTS, source
from twin.shadow import RELATIONS

__all__ = ["pages", "with_tables"]

_PAGE = Path(__file__).parents[2] / "docs" / "shadow.md"
_RESULT = RESULTS / "shadow.json"
_METHODS = {"observer": "observer", "ruled": "shipped rule", "statistics": "statistics"}
_ALIKE = 1.05
"""Ratio of times below which they are as good as the same."""
_OTHERS = ("shipped rule", "statistics", "statistics that bear set points")
_SPANS = (("10 min", 600.0), ("1 h", 3600.0))
_INTRODUCTION = """
## Relations

{relations}
## How small a fault is seen

{racks} racks with {gpus:,} GPUs, a frame every {interval_seconds:g} s. While all was well, at most
{wrong[observer]} findings of the observer and {wrong[statistics]} of the statistics stood at a time
in ten minutes. The smallest size of each fault that was seen in time:

"""
_BESIDE = """
How many times smaller than by the others a fault is that the observer saw within an hour, or how
many times earlier it saw the smallest that both did; `>` where the others saw none of the sizes:

"""
_TURNED = """
Where a controller holds a reading (flow, pressures, supply temperature), its statistics see as
little as the observer does, but they see a changed set point as well. While every second rack had
{flow_percent:g} % more flow and coolant {kelvin:g} K warmer for a quarter of an hour, at most
{turned[observer]} findings of the observer stood at a time, and {turned[statistics]} of the
statistics. The last column is of statistics with a limit that bears such a change: a fault has to
move their reading by more than it did.
"""
_EACH = """
Each fault and size, and how long it took:

"""


def pages() -> Mapping[str, str]:
    """Return the page, by its path below ``docs/``."""
    text = _PAGE.read_text(encoding="utf-8")
    return {_PAGE.name: with_tables(text, load_result(_RESULT))}


def with_tables(text: str, result: Recorded | None) -> str:
    """Return the page's text with the tables of a result.

    Raises:
        ValueError: the marks are gone.
    """
    return between_marks(text, None if result is None else _section(result), _PAGE.name)


def _section(result: Recorded) -> str:
    figures = result.figures
    relations = table(("Relation", "Effect", "From", "Parameter of a device"), _relations())
    trials = figures["trials"]
    names = [f"{method}, {span}" for span, _ in _SPANS for method in _METHODS.values()]
    return (
        _INTRODUCTION.format(relations=relations, **figures)
        + table(("Fault", *names), _smallest(trials))
        + _BESIDE
        + table(("Fault", *_OTHERS), _beside(trials))
        + _TURNED.format(**figures)
        + _EACH
        + table(("Fault", "Size", *_METHODS.values(), "named rightly"), _rows(trials))
        + source(result)
    )


def _relations() -> Iterator[tuple[str, ...]]:
    for own in RELATIONS:
        causes = ", ".join(f"`{name}`" for name in own.causes)
        yield f"`{own.name}`", f"`{own.effect}`", causes, own.parameter


def _smallest(trials: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for fault in dict.fromkeys(own["fault"] for own in trials):
        mine = [own for own in trials if own["fault"] == fault]
        cells = []
        for _, span in _SPANS:
            for method in _METHODS:
                seen = [own for own in mine if own[method] is not None and own[method] <= span]
                least = min(seen, key=lambda own: own["size"], default=None)
                cells.append("none" if least is None else _size(least))
        yield fault, *cells


def _beside(trials: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for fault in dict.fromkeys(own["fault"] for own in trials):
        mine = [own for own in trials if own["fault"] == fault]
        first = _least(mine, "observer")
        if first is None:
            yield fault, *["" for _ in _OTHERS]
            continue
        beyond = [own for own in mine if abs(own["shift"]) > abs(own["turned"])]
        yield (
            fault,
            _times(first, mine, "ruled") if first["rules"] else "no rule",
            _times(first, mine, "statistics"),
            _times(first, beyond, "statistics", mine),
        )


def _least(trials: Sequence[Mapping[str, Any]], method: str) -> Mapping[str, Any] | None:
    """Return the smallest fault that a method saw."""
    seen = [own for own in trials if own[method] is not None]
    return min(seen, key=lambda own: float(own["size"]), default=None)


def _times(
    first: Mapping[str, Any],
    trials: Sequence[Mapping[str, Any]],
    method: str,
    tried: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """Return how many times smaller or earlier the observer saw a fault than a method."""
    least = _least(trials, method)
    if least is None:
        largest = max(own["size"] for own in tried or trials)
        return f"> {largest / first['size']:.3g} times smaller"
    if least["size"] > first["size"]:
        return f"{least['size'] / first['size']:.3g} times smaller"
    ratio = least[method] / first["observer"]
    if _ALIKE > ratio > 1.0 / _ALIKE:
        return "as early"
    return f"{ratio:.2g} times earlier" if ratio > 1.0 else f"{1.0 / ratio:.2g} times later"


def _rows(trials: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for own in trials:
        rule = _time(own["ruled"]) if own["rules"] else "no rule"
        named = {True: "yes", False: "no", None: ""}[own["named"]]
        times = (_time(own["observer"]), rule, _time(own["statistics"]))
        yield own["fault"], _size(own), *times, named


def _size(own: Mapping[str, Any]) -> str:
    return f"{own['size']:g} {own['unit']}"


def _time(seconds: float | None) -> str:
    return "not in an hour" if seconds is None else f"{seconds / 60:.1f} min"
