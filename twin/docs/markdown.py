"""Markdown helpers of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["BEGIN", "END", "NOTICE", "between_marks", "code", "plain", "table"]

NOTICE = "<!-- Made by `python -m twin.docs`; do not edit. -->\n"
BEGIN = "<!-- Made by `python -m twin.docs` from benchmarks/results; do not edit. -->\n"
END = "<!-- End of what is made. -->\n"
"""Marks in a page that is written by hand except for the part between them."""


def between_marks(text: str, made: str | None, name: str, begin: str = BEGIN) -> str:
    """Return a page with what is made in the place between its marks.

    Args:
        text: the page.
        made: what belongs there; None where nothing was measured yet.
        name: of the page, for the message.
        begin: the first mark.

    Raises:
        ValueError: the page has not one such place.
    """
    shown = "Nothing was measured yet.\n" if made is None else made
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(END)}", re.DOTALL)
    replaced, count = between.subn(lambda _: begin + shown + END, text)
    if count != 1:
        raise ValueError(f"{name} must have one place between {begin.strip()} and {END.strip()}")
    return replaced


def code(text: str) -> str:
    """Return ``text`` as code; an empty text stays empty."""
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
