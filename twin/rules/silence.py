"""Silence of an alert: how long its expression held, and what kept it from firing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from twin.rules.engine import Episode
from twin.rules.source import Rule
from twin.scenario import show_duration

__all__ = ["Held", "held", "why_silent"]

_SHOWN = 4
"""Changing labels that are named."""


@dataclass(frozen=True, slots=True)
class Held:
    """For how long an expression held without the alert firing.

    Attributes:
        alone: longest time that one instance was pending, in seconds.
        together: longest time that it held altogether, in seconds; longer where instances
            followed each other without a gap.
        changing: labels in which those instances differ; empty where there are none.
    """

    alone: float
    together: float
    changing: tuple[str, ...] = ()


def held(rule: Rule, episodes: Sequence[Episode], end: float) -> Held:
    """Return how long the expression of a silent alert held.

    An alert is its labels: where one of them carries the value, ``for`` restarts with each
    new value, though the expression holds all the time.

    Args:
        rule: the rule.
        episodes: of its alert; at least one.
        end: of the scenario, in seconds.
    """
    alone = max(_end(own, end) - own.pending for own in episodes)
    for labels in _suspects(rule, episodes):
        together = max(_chains(episodes, frozenset(labels), end))
        if together >= rule.lasts:
            return Held(alone, together, labels)
    return Held(alone, alone)


def why_silent(rule: Rule, own: Held, spans: Iterable[float]) -> str:
    """Return why an alert whose expression held did not fire.

    Args:
        rule: the rule.
        own: for how long its expression held.
        spans: length of each fault of the scenario, in seconds.
    """
    lasts = f"for is {show_duration(rule.lasts)}"
    if own.changing:
        named = ", ".join(own.changing[:_SHOWN])
        more = len(own.changing) - _SHOWN
        labels = f"{named} and {more} more" if more > 0 else named
        return (
            f"true for {show_duration(own.together)}, but its labels change ({labels}), and none "
            f"of its alerts lasts longer than {show_duration(own.alone)}: {lasts}"
        )
    text = f"true for at most {show_duration(own.alone)}"
    longest = max(spans, default=0.0)
    if 0.0 < longest < rule.lasts or own.alone >= longest > 0.0:
        return f"{text}: the fault lasts {show_duration(longest)}, {lasts}"
    return f"{text}, {lasts}"


def _end(episode: Episode, end: float) -> float:
    return end if episode.ended is None else episode.ended


def _suspects(rule: Rule, episodes: Sequence[Episode]) -> Iterator[tuple[str, ...]]:
    """Yield sets of labels that may change while the expression holds: templates first.

    Labels change together where one tells the others, as ``err_code`` tells ``err_msg``.
    """
    if len(episodes) < 2:  # noqa: PLR2004 - nothing follows a single one
        return
    labels = dict.fromkeys(label for own in episodes for label in own.labels)
    columns = {label: [own.labels.get(label, "") for own in episodes] for label in labels}
    varying = {label: own for label, own in columns.items() if len(set(own)) > 1}
    templates = tuple(label for label in varying if "{{" in rule.labels.get(label, ""))
    if templates:
        yield templates
    for own in varying.values():
        yield tuple(label for label, other in varying.items() if _tells(own, other))


def _tells(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether equal values of one label mean equal values of the other."""
    known = dict(zip(one, other, strict=True))
    return all(known[mine] == yours for mine, yours in zip(one, other, strict=True))


def _chains(episodes: Sequence[Episode], without: frozenset[str], end: float) -> Iterator[float]:
    """Yield how long episodes followed each other that differ in these labels only.

    Those that overlap are several series, and no series whose labels change.
    """
    groups: dict[frozenset[tuple[str, str]], list[Episode]] = {}
    for own in episodes:
        groups.setdefault(_rest(own.labels, without), []).append(own)
    for group in groups.values():
        began = last = -1.0
        for own in sorted(group, key=lambda each: each.pending):
            if own.pending != last:
                began = own.pending
            last = _end(own, end)
            yield last - began


def _rest(labels: Mapping[str, str], without: frozenset[str]) -> frozenset[tuple[str, str]]:
    return frozenset(item for item in labels.items() if item[0] not in without)
