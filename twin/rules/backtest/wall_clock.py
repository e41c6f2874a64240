"""Wall clock of a rule: promtool's time begins at 0, a real past at a real moment.

``time()`` and its like are the only parts of a rule that see the difference. They are given the
moment at which the window begins; everything else is the user's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from twin.rules.rule_yaml import Value
from twin.rules.source import Rule, RuleSet

__all__ = ["on_wall_clock", "shifted"]

_STRING = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*"""
_TIME = r"(?P<time>\btime\s*\(\s*\))"
_CALENDAR = (
    r"\b(?P<calendar>minute|hour|day_of_week|day_of_month|day_of_year|days_in_month|month|year)"
    r"\s*\(\s*\)"
)
_STAMP = r"(?P<stamp>\btimestamp\s*\()"
_AT = r"@\s*(?P<at>\d+(?:\.\d+)?)"
_CLOCKS = re.compile("|".join((f"(?P<text>{_STRING})", _TIME, _CALENDAR, _STAMP, _AT)), re.DOTALL)
_PARTS = re.compile(rf"{_STRING}|[()]", re.DOTALL)


def on_wall_clock(rules: RuleSet, origin: float) -> RuleSet:
    """Return the rules as they read when their time 0 is ``origin``, unix seconds."""
    return replace(rules, rules=tuple(_rule(rule, origin) for rule in rules.rules))


def _rule(rule: Rule, origin: float) -> Rule:
    expr = shifted(rule.expr, origin)
    if expr == rule.expr:
        return rule
    body: Mapping[str, Value] = {**rule.body, "expr": expr}
    return replace(rule, expr=expr, body=body)


def shifted(expr: str, origin: float) -> str:
    """Return an expression as it reads when its time 0 is ``origin``, unix seconds."""
    return "".join(_pieces(expr, f"{origin:.0f}"))


def _pieces(expr: str, origin: str) -> Iterator[str]:
    at = 0
    while match := _CLOCKS.search(expr, at):
        yield expr[at : match.start()]
        at = match.end()
        if match["time"]:
            yield f"(time() + {origin})"
        elif match["calendar"]:
            yield f"{match['calendar']}(vector(time() + {origin}))"
        elif match["at"]:
            yield f"@ {float(match['at']) - float(origin):.3f}"
        elif match["stamp"]:
            end = _closing(expr, at)
            inside = "".join(_pieces(expr[at:end], origin))
            yield f"(timestamp({inside}) + {origin})" if end < len(expr) else f"timestamp({inside}"
            at = min(end + 1, len(expr))
        else:
            yield match[0]
    yield expr[at:]


def _closing(expr: str, start: int) -> int:
    """Return where the bracket closes that is open at ``start``."""
    level = 1
    for part in _PARTS.finditer(expr, start):
        level += {"(": 1, ")": -1}.get(part[0], 0)
        if level == 0:
            return part.start()
    return len(expr)
