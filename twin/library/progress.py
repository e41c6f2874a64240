"""Progress of long runs: a bar on stderr, where somebody watches."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["ProgressBar"]


class ProgressBar:
    """A bar from nothing to all.

    Args:
        title: before the bar.
        total: steps to the end.
        shown: whether there is one.
    """

    def __init__(self, title: str, total: int, *, shown: bool) -> None:
        self._title, self._total, self._shown = title, total, shown
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._shown:
            from rich.console import Console  # noqa: PLC0415 - most runs show nothing
            from rich.progress import Progress as Bar  # noqa: PLC0415

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total)
        return self

    def advance(self) -> None:
        """Go on by one step."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
