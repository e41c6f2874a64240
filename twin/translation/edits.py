"""Edits of an expression's text, and the arithmetic that takes a value back to another unit."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.translation.lexer import PromqlToken

__all__ = ["Edits", "Replaced", "divided"]

_LARGE = 1e5
"""From which on a number is written as 1e6, if that is shorter."""


@dataclass(slots=True)
class Edits:
    """Changes of a text, by their places."""

    made: list[tuple[int, int, str]] = field(default_factory=list)

    def put(self, start: int, end: int, text: str) -> None:
        """Replace what stands between two places."""
        self.made.append((start, end, text))

    def applied(self, text: str, start: int = 0, end: int | None = None) -> str:
        """Return a part of the text with all changes that lie in it."""
        stop = len(text) if end is None else end
        result, at = [], start
        for first, last, new in sorted(self.made):
            if first >= at and last <= stop:
                result += [text[at:first], new]
                at = last
        return "".join([*result, text[at:stop]])


@dataclass(frozen=True, slots=True)
class Replaced:
    """A part of an expression that is replaced as a whole.

    Attributes:
        start: where it begins.
        end: where it ends.
        before: token before it.
        after: token after it.
        power: how its value grows with the samples: 0, 1 or 2.
        factor: from the old unit to the new one.
        function: that reads the range; empty for a selector.
    """

    start: int
    end: int
    before: PromqlToken | None
    after: PromqlToken | None
    power: float
    factor: float
    function: str = ""


def divided(factor: float) -> str:
    """Return what takes a new value back to the old unit."""
    if factor >= 1.0:
        return f" / {_number(factor)}"
    return f" * {_number(float(f'{1.0 / factor:.9g}'))}"


def _number(value: float) -> str:
    text = f"{value:.12g}"
    exponent = f"{value:e}".replace("+0", "")
    mantissa, _, power = exponent.partition("e")
    short = f"{mantissa.rstrip('0').rstrip('.')}e{power}"
    return short if value >= _LARGE and float(short) == value and len(short) <= len(text) else text
