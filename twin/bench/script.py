"""Options and exit status that the scripts in ``benchmarks/`` share."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from twin.bench.results import record, save_result
from twin.errors import TwinError

__all__ = ["lines", "parser", "run"]


def parser(docstring: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every script has."""
    arguments = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    arguments.add_argument("--save", type=Path, help="write it to this file too")
    return arguments


def run(
    options: argparse.Namespace,
    measure: Callable[[], Mapping[str, Any]],
    table: Callable[[Mapping[str, Any]], str],
) -> Mapping[str, Any]:
    """Measure, print, save, and return the figures; an error ends the script.

    Args:
        options: of a parser that :func:`parser` made.
        measure: returns the figures.
        table: prints them for people.
    """
    # Ended from outside, a script takes the processes that it started along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        recorded = record(measure())
        if options.save is not None:
            save_result(recorded, options.save)
    except TwinError as error:
        sys.stderr.write(f"{Path(sys.argv[0]).name}: {error}\n")
        sys.exit(error.exit_status)
    text = orjson.dumps(asdict(recorded)).decode() if options.json else table(recorded.figures)
    sys.stdout.write(text + "\n")
    return recorded.figures


def lines(figures: Mapping[str, Any]) -> list[str]:
    """Return a line for each figure, as people read it."""
    return [f"{name:24} {_shown(value)}" for name, value in figures.items()]


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)
