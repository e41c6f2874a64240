"""Parts of a past that are written while the next is simulated.

Writing is work of libraries that let other threads run: compression, promtool, a store that
answers.
One part is written at a time, in order, so what is written does not depend on how fast it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

__all__ = ["PartQueue"]


class PartQueue:
    """A thread that writes parts, one behind the simulation; to be used as a context."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "past-writer")
        self._running: Future[int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until nothing is written any more."""
        self._pool.shutdown(wait=True)

    def put(self, write: Callable[[], int]) -> int:
        """Let a part be written once the one before it is, and return the samples of that.

        Args:
            write: writes the part and returns its samples.

        Raises:
            Exception: what the part before it raised.
        """
        samples = self.wait()
        self._running = self._pool.submit(write)
        return samples

    def settle(self) -> None:
        """Wait until nothing is being written, whatever becomes of it."""
        if self._running is not None:
            wait([self._running])

    def wait(self) -> int:
        """Wait for the part that is being written, and return its samples; 0 where there is none.

        Raises:
            Exception: what it raised.
        """
        running, self._running = self._running, None
        return 0 if running is None else running.result()
