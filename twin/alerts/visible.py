"""Alerts at a detail: those that can fire on an array whose devices have no series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from twin.alerts.rolled import STANDS_FOR
from twin.alerts.tables import ALERTS, RULES
from twin.catalog import DEVICES, Detail, Level, UnitKind

__all__ = ["alerts_at"]

_WORD = re.compile(r"[a-zA-Z_:][\w:]*")
_EITHER = re.compile(r"\bor\b(?! vector)")
_OF_ARRAYS = (UnitKind.RACK, UnitKind.ARRAY)


def alerts_at(detail: Detail, names: Iterable[str]) -> tuple[str, ...]:
    """Return which alerts say at a detail what these say in full, by name.

    An alert on devices without series is replaced by the one on the roll-ups of their rack, or left
    out where there is none.

    Args:
        detail: of the array.
        names: of the alerts that fire where all devices have series.
    """
    if detail is Detail.GPU:
        return tuple(sorted(names))
    told: set[str] = set()
    for name in names:
        if name in STANDS_FOR:
            told.update(own for own in STANDS_FOR[name] if _can_fire(own, detail))
        elif _can_fire(name, detail):
            told.add(name)
    return tuple(sorted(told))


@cache
def _can_fire(name: str, detail: Detail) -> bool:
    """Return whether all that one side of an ``or`` reads is exposed; what is excluded need not."""
    unseen = _unseen(detail)
    sides = _EITHER.split(_shown(ALERTS[name].expr))
    return any(unseen.isdisjoint(_WORD.findall(side)) for side in sides)


def _shown(expr: str) -> str:
    """Return what an expression shows, without what it leaves out."""
    return expr.split("unless", maxsplit=1)[0]


@cache
def _unseen(detail: Detail) -> frozenset[str]:
    """Return the metrics, and what is recorded of them, that an array does not expose."""
    exposed: dict[bool, set[str]] = {True: set(), False: set()}
    for device in DEVICES:
        if device.frame in _OF_ARRAYS:
            names = {own.metric for own in device.signals}
            names |= {own.metric for own in device.derived}
            exposed[detail.covers(device.detail)] |= names
        rolled = (own.metric(Level.RACK) for own in device.rollups if Level.RACK in own.levels)
        exposed[detail.covers(Detail.RACK)].update(rolled)
    unseen = exposed[False] - exposed[True]
    while more := set(_recorded_of(unseen)) - unseen:
        unseen |= more
    return frozenset(unseen)


def _recorded_of(unseen: set[str]) -> Iterator[str]:
    for rules in RULES:
        for rule in rules.recordings:
            if not unseen.isdisjoint(_WORD.findall(_shown(rule.expr))):
                yield rule.name
