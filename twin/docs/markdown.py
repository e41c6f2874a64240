"""The little Markdown that the pages need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["NOTICE", "code", "plain", "table"]

NOTICE = "<!-- Made by `python -m twin.docs`; do not edit. -->\n"


def code(text: str) -> str:
    """Return ``text`` as code, nothing for nothing."""
    return f"`{text}`" if text else ""


def plain(docstring: str) -> str:
    """Return a docstring as a line of Markdown: its double backticks become single ones."""
    return " ".join(docstring.split()).replace("``", "`")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; what would be markup inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return plain(text).replace("|", r"\|").replace("<", "&lt;")
