"""Sweep of ``for``: the delay and the false alarms of an alert with other values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from twin.errors import ConfigError
from twin.rules.result import ScenarioResult
from twin.rules.source import Rule, RuleSet
from twin.scenario import parse_duration

__all__ = ["SweepCell", "SweepRow", "parse_sweep", "sweep_rows"]

_SWEEP = re.compile(r"for=(?P<low>\w+)\.\.(?P<high>\w+)")
_MOST = 8


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One rule with one ``for``.

    Attributes:
        lasts: the ``for``, in seconds.
        delay: mean seconds to detection over the scenarios that it detected; None for none.
        false_alarms: firings without a fault.
        missed: scenarios that a shorter ``for`` detected and this one did not.
    """

    lasts: float
    delay: float | None
    false_alarms: int
    missed: int


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One rule with all values.

    Attributes:
        rule: the rule.
        points: one cell a value.
    """

    rule: Rule
    points: Sequence[SweepCell]

    @property
    def expected(self) -> bool:
        """Whether any value detected a fault."""
        return any(point.delay is not None for point in self.points)


def parse_sweep(text: str) -> tuple[float, ...]:
    """Return the values that ``for=30s..10m`` means: 0 first, then doubling to the last.

    Raises:
        ConfigError: it is not a sweep.
    """
    match = _SWEEP.fullmatch(text)
    try:
        low, high = (parse_duration(match[end]) for end in ("low", "high")) if match else (0, 0)
    except ValueError:
        low = high = 0
    if not 0 < low < high:
        raise ConfigError(f"--sweep {text!r} is not valid; write for example for=30s..10m")
    steps = min(_MOST, math.ceil(math.log2(high / low)))
    return tuple(sorted({*(round(low * 2**step) for step in range(steps)), round(high)}))


def sweep_rows(rules: RuleSet, results: Sequence[ScenarioResult]) -> list[SweepRow]:
    """Return the rules whose expression was ever true, with every value of the sweep."""
    rows = []
    for rule in rules.alerts:
        points = [(r.name, p) for r in results for p in r.sweep if p.rule == rule.key]
        values = sorted({point.lasts for _, point in points})
        seen: set[str] = set()
        cells = []
        for lasts in values:
            own = {name: point for name, point in points if point.lasts == lasts}
            delays = {name: p.delay for name, p in own.items() if p.delay is not None}
            seen |= delays.keys()
            mean = sum(delays.values()) / len(delays) if delays else None
            false = sum(point.false_alarms for point in own.values())
            cells.append(
                SweepCell(lasts, None if mean is None else round(mean), false,
                          len(seen - delays.keys()))
            )  # fmt: skip
        if cells:
            rows.append(SweepRow(rule, cells))
    return rows
