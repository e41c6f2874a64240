"""Structure of an expression: what it reads, in which call, and where it names labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.translation.lexer import PromqlToken, tokens

__all__ = [
    "Call",
    "LabelUse",
    "Matcher",
    "Reading",
    "Structure",
    "is_alone",
    "is_loose",
    "structure_of",
]

_GROUPINGS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_SETS = frozenset({"and", "or", "unless"})
_WORDS = _SETS | {"bool", "atan2", "offset", "inf", "nan"}
_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
_LABEL_ARGUMENTS = {"label_replace": (1, 3), "label_join": (1, *range(3, 64))}
"""Which arguments of a function are names of labels."""


@dataclass(slots=True)
class Call:
    """A pair of brackets, with the function or aggregation before it.

    Attributes:
        name: of the function; empty for brackets alone.
        start: where the function begins.
        end: after the closing bracket.
        before: token before it.
        after: token after it.
        argument: number of the argument that is being read.
    """

    name: str
    start: int
    end: int = 0
    before: PromqlToken | None = None
    after: PromqlToken | None = None
    argument: int = 0


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label matcher of a selector."""

    label: PromqlToken
    operator: str
    value: PromqlToken


@dataclass(slots=True)
class Reading:
    """A selector.

    Attributes:
        name: metric name; None where only matchers choose.
        matchers: in its braces.
        start: where it begins.
        end: after its braces.
        tail: after its range, offset and time.
        ranged: whether it is a range, and no subquery.
        call: the innermost brackets around it; None for none.
        before: token before it.
        after: token after it.
    """

    name: PromqlToken | None
    matchers: list[Matcher]
    start: int
    end: int
    tail: int
    ranged: bool = False
    call: Call | None = None
    before: PromqlToken | None = None
    after: PromqlToken | None = None

    @property
    def alone(self) -> bool:
        """Whether it is all that stands in its argument."""
        return is_alone(self.before, self.after)


@dataclass(frozen=True, slots=True)
class LabelUse:
    """A label that an expression names outside of a selector.

    Attributes:
        token: its name; a string among the arguments of ``label_replace``.
        keyword: the word before the list, or the function.
        made: whether it is the label that the function makes.
    """

    token: PromqlToken
    keyword: str
    made: bool = False

    @property
    def label(self) -> str:
        """Name of the label."""
        return self.token.value if self.token.kind == "string" else self.token.text


@dataclass(slots=True)
class Structure:
    """What an expression reads, and the labels that it names."""

    readings: list[Reading] = field(default_factory=list)
    labels: list[LabelUse] = field(default_factory=list)


def is_alone(before: PromqlToken | None, after: PromqlToken | None) -> bool:
    """Return whether what stands between two tokens is a whole argument."""
    return (before is None or before.text in "(,") and (after is None or after.text in "),")


def is_loose(before: PromqlToken | None, after: PromqlToken | None) -> bool:
    """Return whether a product needs no brackets between two tokens."""
    weak = _COMPARISONS | _SETS
    return (before is None or before.text in {"(", ",", "bool", *weak}) and (
        after is None or after.text in {")", ",", *weak}
    )


def structure_of(text: str) -> Structure:
    """Return the structure of an expression."""
    return _StructureReader(text).read()


class _StructureReader:
    """Reads the tokens once, from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._at = 0
        self._stack: list[Call] = []
        self._aggregation: PromqlToken | None = None
        self._found = Structure()

    def read(self) -> Structure:
        while self._at < len(self._tokens):
            self._step(self._tokens[self._at])
        return self._found

    def _peek(self, ahead: int = 0) -> PromqlToken | None:
        place = self._at + ahead
        return self._tokens[place] if 0 <= place < len(self._tokens) else None

    def _is(self, text: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token is not None and token.text == text

    def _step(self, token: PromqlToken) -> None:
        if token.text == "(":
            self._open(token, "")
        elif token.text == ")":
            self._close(token)
        elif token.text == "{":
            self._selector(None)
        elif token.text == "[":
            self._brackets()
        elif token.kind == "word":
            self._word(token)
        else:
            if token.text == "," and self._stack:
                self._stack[-1].argument += 1
            self._name_label(token)
            self._at += 1

    def _open(self, start: PromqlToken, name: str) -> None:
        before = self._tokens.index(start) - 1
        self._stack.append(
            Call(name, start.start, before=self._tokens[before] if before >= 0 else None)
        )
        self._at += 1

    def _close(self, token: PromqlToken) -> None:
        self._at += 1
        if self._stack:
            call = self._stack.pop()
            call.end, call.after = token.end, self._peek()

    def _name_label(self, token: PromqlToken) -> None:
        """Take note of a string that is the name of a label to the function around it."""
        if token.kind == "string" and self._stack:
            call = self._stack[-1]
            if call.argument in _LABEL_ARGUMENTS.get(call.name, ()):
                self._found.labels.append(LabelUse(token, call.name, made=call.argument == 1))

    def _word(self, token: PromqlToken) -> None:
        lowered = token.text.lower()
        if lowered in _GROUPINGS:
            self._at += 1
            self._list(lowered)
        elif lowered in _WORDS:
            self._at += 1
        elif self._is("(", 1):
            self._at += 1
            self._open(token, token.text)
        elif (after := self._peek(1)) is not None and after.text.lower() in ("by", "without"):
            self._at += 2
            self._list(after.text.lower())
            if self._is("("):
                self._open(token, token.text)
        else:
            self._at += 1
            self._selector(token)

    def _list(self, keyword: str) -> None:
        """Read the labels of a grouping, if it has any."""
        if not self._is("("):
            return
        self._at += 1
        while (token := self._peek()) is not None:
            self._at += 1
            if token.text == ")":
                return
            if token.kind == "word":
                self._found.labels.append(LabelUse(token, keyword))

    def _selector(self, name: PromqlToken | None) -> None:
        """Read a selector whose name, if it has one, is already read."""
        first = name if name is not None else self._tokens[self._at]
        place = self._tokens.index(first)
        reading = Reading(name, [], first.start, first.end, first.end)
        reading.before = self._tokens[place - 1] if place else None
        reading.call = self._stack[-1] if self._stack else None
        if self._is("{"):
            reading.matchers, reading.end = self._matchers()
        reading.tail = reading.end
        self._tail(reading)
        reading.after = reading.after or self._peek()
        self._found.readings.append(reading)

    def _matchers(self) -> tuple[list[Matcher], int]:
        matchers: list[Matcher] = []
        self._at += 1
        while (token := self._peek()) is not None and token.text != "}":
            operator, value = self._peek(1), self._peek(2)
            if token.kind == "word" and operator is not None and value is not None:
                matchers.append(Matcher(token, operator.text, value))
                self._at += 3
            else:
                self._at += 1
        end = token.end if token is not None else self._tokens[-1].end
        self._at += 1
        return matchers, end

    def _tail(self, reading: Reading) -> None:
        """Read a range, an offset and a time after a selector."""
        while (token := self._peek()) is not None:
            if token.text == "[":
                text, end = self._brackets()
                if ":" in text:
                    # A subquery is of the selector as it is now: it stays outside.
                    reading.after = token
                    return
                reading.ranged, reading.tail = True, end
            elif token.text.lower() == "offset":
                self._at += 2 + self._is("-", 1)
                reading.tail = self._tokens[self._at - 1].end
            elif token.text == "@":
                self._at += 2
                if self._is("("):
                    self._at += 2
                reading.tail = self._tokens[min(self._at, len(self._tokens)) - 1].end
            else:
                return

    def _brackets(self) -> tuple[str, int]:
        """Pass square brackets; return what stands in them and where they end."""
        text = ""
        self._at += 1
        while (token := self._peek()) is not None and token.text != "]":
            text += token.text
            self._at += 1
        end = token.end if token is not None else self._tokens[-1].end
        self._at += 1
        return text, end
