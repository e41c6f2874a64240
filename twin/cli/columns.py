"""Columns of text for lists that a person reads and a pipe can grep."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from textwrap import wrap

import typer

__all__ = ["columns", "paragraph"]

_LEAST_WIDTH = 30
"""What is narrower than that, the terminal wraps better."""


def columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
) -> Iterator[str]:
    """Yield a header and rows, aligned; on a terminal the last column is wrapped inside itself.

    Args:
        header: name of each column; empty for a table without one.
        rows: the cells.
        right: names of the columns of numbers.
    """
    lines = [*([header] if header else []), *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    names = header or [""] * len(widths)
    begin = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for number, line in enumerate(lines):
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(line, widths, names, strict=True)
        ]
        first, *others = _wrapped(line[-1], begin) if names[-1] not in right else [cells[-1]]
        text = "  ".join([*cells[:-1], first]).rstrip()
        yield typer.style(text, bold=True) if header and number == 0 else text
        yield from (" " * begin + other for other in others)


def paragraph(text: str, indent: str) -> str:
    """Return a text that is indented, and wrapped to the terminal or to 80 characters."""
    width = shutil.get_terminal_size().columns - len(indent)
    return "\n".join(f"{indent}{line}" for line in wrap(text, max(width, _LEAST_WIDTH)))


def _wrapped(text: str, begin: int) -> list[str]:
    """Return the lines of a cell that begins at that column."""
    width = shutil.get_terminal_size().columns - begin
    if not sys.stdout.isatty() or width < _LEAST_WIDTH:
        return [text]
    return wrap(text, width) or [""]
