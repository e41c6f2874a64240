"""Blocks of Prometheus, made by promtool: one call for each block, several at a time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.errors import ServiceError
from twin.history.openmetrics import write_openmetrics
from twin.history.page_reader import Block

__all__ = ["BlockMaker"]

_RANGE = 7_200_000
"""Milliseconds of a block. promtool reads a whole file again for each block that it spans."""
_COLLECTING = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
"""Go's collector takes a tenth of promtool's time unless the heap may grow, as far as memory
allows. What the environment says goes first."""


@dataclass(frozen=True, slots=True)
class _PromtoolCall:
    """A promtool that makes a block.

    Attributes:
        process: that runs.
        text: the file that it reads.
        said: the file of what it says.
    """

    process: subprocess.Popen[bytes]
    text: Path
    said: Path


class BlockMaker:
    """Makes blocks in a folder.

    Args:
        promtool: path of it.
        folder: where blocks are made; other files are there only for a while.
        at_once: calls at a time; None for one for each core.
    """

    def __init__(self, promtool: str, folder: Path, at_once: int | None = None) -> None:
        self._promtool, self._folder = promtool, folder
        self._most = at_once or os.cpu_count() or 1
        self._calls: list[_PromtoolCall] = []
        self._made = 0
        self._held: list[Block] = []

    def take(self, blocks: Iterable[Block]) -> int:
        """Begin to make the blocks of a part, and return how many samples it has.

        A last scrape that is the first of another block is held until the next part.

        Raises:
            ServiceError: promtool fails, perhaps over an earlier part.
        """
        whole = [*self._held, *blocks]
        held = sum(_samples(own) for own in self._held)
        self._held = []
        samples = 0
        last = max((int(own.times[-1]) for own in whole if own.times.size), default=0)
        for number, own_range in _by_range(whole):
            if last % _RANGE == 0 and number == last // _RANGE:
                self._held = own_range
                samples += sum(_samples(own) for own in own_range)
            else:
                samples += self._begin(own_range)
        return samples - held

    def finish(self) -> None:
        """Make a block of what is held, and wait for all.

        Raises:
            ServiceError: promtool fails.
        """
        held, self._held = self._held, []
        if held:
            self._begin(held)
        while self._calls:
            self._wait()

    def stop(self) -> None:
        """End all calls."""
        for call in self._calls:
            call.process.kill()
        for call in self._calls:
            call.process.wait()
        self._calls.clear()

    def _begin(self, blocks: Sequence[Block]) -> int:
        while len(self._calls) >= self._most:
            self._wait()
        self._made += 1
        text, said = (self._folder / f"samples-{self._made}.{end}" for end in ("om", "log"))
        samples = write_openmetrics(text, blocks)
        if not samples:
            text.unlink()
            return 0
        with said.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - promtool, with files of ours
                [self._promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", str(text),
                 str(self._folder)],
                env={**_COLLECTING, **os.environ}, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._calls.append(_PromtoolCall(process, text, said))
        return samples

    def _wait(self) -> None:
        """Wait for the call that began first."""
        call = self._calls[0]
        status = call.process.wait()
        del self._calls[0]
        lines = call.said.read_text(errors="replace").strip().splitlines() or ["it says nothing"]
        call.text.unlink()
        call.said.unlink()
        if status != 0:
            raise ServiceError(f"promtool could not make blocks: {lines[-1]}")


def _samples(block: Block) -> int:
    return int(np.isfinite(block.values).sum())


def _by_range(blocks: Iterable[Block]) -> Iterator[tuple[int, list[Block]]]:
    """Yield the number of each block in order of time, and what belongs to it."""
    found: dict[int, list[Block]] = {}
    for own in blocks:
        numbers = own.times // _RANGE
        for number in np.unique(numbers).tolist():
            found.setdefault(number, []).append(_cut(own, numbers == number))
    yield from sorted(found.items())


def _cut(block: Block, keep: NDArray[np.bool_]) -> Block:
    if keep.all():
        return block
    return replace(block, times=block.times[keep], values=block.values[keep])
