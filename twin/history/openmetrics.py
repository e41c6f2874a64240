"""Samples in OpenMetrics, with a time each: what promtool makes blocks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np

from twin.aggregator.text_format import OPENMETRICS_END, numbers
from twin.history.page_reader import Block

__all__ = ["write_openmetrics"]


def write_openmetrics(path: Path, blocks: Iterable[Block]) -> int:
    """Write blocks as one file and return how many samples it has.

    All samples of a metric stand together, and those of a series in order of time.

    Raises:
        OSError: it cannot be written.
    """
    families: dict[str, list[Block]] = {}
    for block in blocks:
        families.setdefault(block.head.name, []).append(block)
    samples = 0
    with path.open("wb") as file:
        for own in families.values():
            file.write(own[0].head.openmetrics + b"\n")
            name = own[0].head.name.encode()
            for labels, times, values in _series(own):
                samples += len(times)
                file.writelines(_lines(name + labels, times, values))
        file.write(OPENMETRICS_END)
    return samples


def _series(blocks: list[Block]) -> Iterator[tuple[bytes, list[int], list[bytes]]]:
    """Yield each series once: its labels, and the times and values that it has."""
    parts: dict[bytes, list[tuple[Block, int]]] = {}
    for block in blocks:
        for place, labels in enumerate(block.labels):
            parts.setdefault(labels, []).append((block, place))
    for labels, own in parts.items():
        times: list[int] = []
        printed: list[bytes] = []
        for block, place in own:
            values = block.values[:, place]
            there = np.isfinite(values)
            if there.any():
                times += block.times[there].tolist()
                printed += numbers(values[there], whole=block.whole)
        if times:
            yield labels, times, printed


def _lines(start: bytes, times: list[int], values: list[bytes]) -> Iterator[bytes]:
    for first, value, moment in zip(repeat(start), values, times, strict=False):
        yield b"%b%b %d.%03d\n" % (first, value, moment // 1000, moment % 1000)
