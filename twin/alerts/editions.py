"""Rules for other editions of an exporter, or several at once, generated from the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from twin.alerts.model import Alert, Rules
from twin.catalog.editions import EDITIONS, Edition
from twin.translation import Renaming, labels_in, renaming, rewritten, template

__all__ = ["for_editions", "ways_to"]


def ways_to(editions: Sequence[Edition]) -> list[tuple[Renaming, bool]]:
    """Return the renamings from the catalogue's edition to these, and whether to keep both.

    Args:
        editions: that the result has to work with; none for the catalogue's.
    """
    first = EDITIONS["dcgm"][0]
    chosen = list(dict.fromkeys(editions)) or [first]
    if first in chosen:
        chosen.remove(first)
        return [(renaming(first, own), True) for own in chosen]
    steps = [(renaming(first, chosen[0]), False)]
    return steps + [(renaming(chosen[0], own), True) for own in chosen[1:]]


def for_editions(tables: Iterable[Rules], editions: Sequence[Edition] = ()) -> list[Rules]:
    """Return tables of rules that work with each of these editions."""
    found = list(tables)
    for way, both in ways_to(editions):
        found = [_translated(rules, way, both) for rules in found]
    return found


def _translated(rules: Rules, way: Renaming, both: bool) -> Rules:
    recordings = tuple(
        replace(rule, expr=rewritten(rule.expr, way, both=both).text) for rule in rules.recordings
    )
    alerts = tuple(_alert(alert, way, both) for alert in rules.alerts)
    return replace(rules, recordings=recordings, alerts=alerts)


def _alert(alert: Alert, way: Renaming, both: bool) -> Alert:
    named = labels_in(alert.summary + alert.detail, way)
    return replace(
        alert,
        expr=rewritten(alert.expr, way, both=both, named=named).text,
        summary=template(alert.summary, way, both=both),
        detail=template(alert.detail, way, both=both),
    )
