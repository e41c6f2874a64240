"""Columns of lists: aligned in a pipe, wrapped on a terminal."""

from __future__ import annotations

import os

import pytest

from twin.cli.columns import columns, paragraph

HEADER = ("name", "count", "help")
ROWS = (("a", "1", "short"), ("longer", "1,000", "some words that are longer than the rest"))


def test_pipe_gets_one_line_a_row() -> None:
    """Without a terminal a row is one line, whatever its length, with numbers to the right."""
    header, *rows = columns(HEADER, ROWS, right=("count",))
    assert "name    count  help" in header
    assert rows == [
        "a           1  short",
        "longer  1,000  some words that are longer than the rest",
    ]


def test_terminal_gets_wrapped_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the last column is wrapped inside itself, unless too little is left of it."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "46")
    assert list(columns((), ROWS, right=("count",)))[1:] == [
        "longer  1,000  some words that are longer than",
        "               the rest",
    ]
    monkeypatch.setenv("COLUMNS", "20")
    assert len(list(columns((), ROWS))) == len(ROWS)


def test_paragraph_is_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is wrapped to the terminal, every line indented."""
    monkeypatch.setenv("COLUMNS", "40")
    lines = paragraph("word " * 20, "  ").split(os.linesep)
    assert len(lines) == 3
    assert all(line.startswith("  word") and len(line) <= 40 for line in lines)
