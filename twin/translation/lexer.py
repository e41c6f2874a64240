"""Tokens of PromQL with their exact spans, for editing an expression in place.

Variables of Grafana (``$host``, ``${host:regex}``, ``[[host]]``) and verbs of Go's printf (``%q``)
are tokens, too: queries of dashboards and templates are read as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["PromqlToken", "tokens"]

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
  | (?P<variable>\$\{[^}]*\}|\$[A-Za-z_]\w*|\[\[\w+(?::\w+)?\]\]|%(?:\[\d+\])?[qsvd](?!\w))
  | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:ms|[smhdwy])?
      (?:\d+(?:ms|[smhdwy]))*)
  | (?P<word>[a-zA-Z_:][\w:]*)
  | (?P<sign>=~|!~|==|!=|<=|>=|.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class PromqlToken:
    """A piece of an expression.

    Attributes:
        kind: ``string``, ``variable``, ``number``, ``word`` or ``sign``.
        text: as it stands.
        start: where it begins.
        end: where it ends.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """What a string says, without its quotes; escapes of quotes and backslashes undone."""
        inside = self.text[1:-1]
        return inside if self.text[0] == "`" else re.sub(r"\\([\\\"'])", r"\1", inside)


def tokens(text: str) -> list[PromqlToken]:
    """Return the tokens of an expression, without spaces and comments."""
    return [
        PromqlToken(match.lastgroup or "", match[0], match.start(), match.end())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "skip"
    ]
