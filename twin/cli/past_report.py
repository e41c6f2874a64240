"""The view of a past that is being written: a bar, and each day that is in place."""

from __future__ import annotations

from collections.abc import Callable

import typer

from twin.library.progress import ProgressBar

__all__ = ["PastReport"]


class PastReport:
    """Shows how far it is.

    Args:
        bar: goes on with each scrape.
        name_of: name of a day by its unix time; None where days are not shown.
    """

    def __init__(self, bar: ProgressBar, name_of: Callable[[int], str] | None = None) -> None:
        self._bar, self._name_of = bar, name_of

    def scraped(self) -> None:
        """Take note of a scrape."""
        self._bar.advance()

    def written(self, day: int, samples: int) -> None:
        """Take note of a day that is in place."""
        if self._name_of is not None:
            typer.echo(f"{self._name_of(day)}: {samples:,} samples", err=True)
