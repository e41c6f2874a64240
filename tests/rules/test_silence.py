"""Reasons for the silence of an alert whose expression held."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.rules.engine import Episode
from twin.rules.silence import held, why_silent
from twin.rules.source import Rule

FILE = Path("rules.yml")
TEMPLATE = {"value": "{{ $value }}"}


def rule(lasts: float, labels: dict[str, str] | None = None) -> Rule:
    """Return an alerting rule with this ``for``."""
    return Rule("A", True, "a > 1", lasts, labels or {}, "g", FILE, 3, 4, {}, ())


def pending(begin: float, end: float | None, **labels: str) -> Episode:
    """Return an episode that did not fire."""
    return Episode(0, {"alertname": "A", **labels}, begin, None, end)


VALUES = [
    pending(at, at + 10.0, gpu=gpu, value=str(at)) for at in range(60, 180, 10) for gpu in "01"
]
TOPMOST = [
    pending(at, at + 10.0, gpu=str(at % 3), uuid=f"u{at % 3}", site="demo")
    for at in range(60, 180, 10)
]
APART = [pending(at, at + 10.0, gpu=str(at)) for at in range(60, 180, 20)]
TOGETHER = [pending(60 + 5 * n, 75 + 5 * n, gpu=str(n)) for n in range(10)]


@pytest.mark.parametrize(
    ("own", "episodes", "spans", "said"),
    [
        (rule(300), [pending(65, 185)], [120],
         "true for at most 2m: the fault lasts 2m, for is 5m"),
        (rule(300), [pending(65, 365)], [300],
         "true for at most 5m: the fault lasts 5m, for is 5m"),
        (rule(300), [pending(65, 365)], [300, 600], "true for at most 5m, for is 5m"),
        (rule(30), [pending(65, 80)], [], "true for at most 15s, for is 30s"),
        (rule(300), [pending(65, None)], [], "true for at most 1m55s, for is 5m"),
        (rule(60, TEMPLATE), VALUES, [120],
         ("true for 2m, but its labels change (value), and none of its alerts lasts longer than "
         "10s: for is 1m")),
        (rule(60), TOPMOST, [120],
         ("true for 2m, but its labels change (gpu, uuid), and none of its alerts lasts longer "
         "than 10s: for is 1m")),
        (rule(60), APART, [], "true for at most 10s, for is 1m"),
        (rule(60), TOGETHER, [], "true for at most 15s, for is 1m"),
    ],
)  # fmt: skip
def test_silence_has_its_reason(
    own: Rule, episodes: list[Episode], spans: list[float], said: str
) -> None:
    """A short fault, a short truth and changing labels are told apart."""
    assert why_silent(own, held(own, episodes, 180.0), spans) == said
