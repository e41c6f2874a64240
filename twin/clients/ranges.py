"""Raw samples of a server's past: pieces of time that it can answer, one after another.

Ranges are asked as ``selector[range]`` at an instant. That gives the samples themselves, with
their own times: a query over time would repeat what has vanished for another five minutes, and
show no gap that is shorter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.clients.http import AnswerTooLongError
from twin.clients.prometheus import QueryError
from twin.errors import ServiceError

__all__ = ["PastReader", "RangeSource", "RawSeries", "TooManySamplesError"]

Values = NDArray[np.float64]

_PIECE = 400_000
"""Samples that an answer should have: some 10 MB of JSON."""
_FIRST_SECONDS = 3600.0
_SHORTEST_SECONDS = 60.0
_GROWTH = 4.0
_REFUSED = re.compile(
    r"too (many|long|large|big)|exceed|limit|maximum|time[d-]? ?out|more than", re.IGNORECASE
)
"""What servers say when a query asks for too much at once."""
_MOST_LETTERS = 512
_MOST_WARNINGS = 5


class RangeSource(Protocol):
    """A server with a past."""

    url: str

    def raw(self, query: str, at: float) -> bytes:
        """Return the whole answer to an instant query."""


class TooManySamplesError(Exception):
    """A span of time has more samples than are wanted at once."""


@dataclass(frozen=True, slots=True)
class RawSeries:
    """A series as it was stored.

    Attributes:
        labels: with ``__name__``.
        times: of its samples, unix seconds, rising.
        values: of its samples.
    """

    labels: Mapping[str, str]
    times: Values
    values: Values


@dataclass(slots=True)
class PastReader:
    """Reads ranges of raw samples.

    Attributes:
        source: the server.
        warnings: what it said beside its answers: they are partial.
        partial: answers with such a warning.
        samples: read so far.
        histograms: native histograms, which are left out.
    """

    source: RangeSource
    warnings: list[str] = field(default_factory=list)
    partial: int = 0
    samples: int = 0
    histograms: set[str] = field(default_factory=set)
    _spans: dict[str, float] = field(default_factory=dict)

    def read(
        self, selectors: Iterable[str], start: float, end: float, most: int
    ) -> list[RawSeries]:
        """Return all series of some selectors with their samples in a span of time.

        Args:
            selectors: as PromQL writes them.
            start: unix seconds; its own sample may be left out.
            end: unix seconds.
            most: samples at most.

        Raises:
            ServiceError: the server does not answer, or refuses the shortest range.
            TooManySamplesError: there are more samples.
        """
        found: dict[tuple[tuple[str, str], ...], list[tuple[Values, Values]]] = {}
        left = most
        for selector in selectors:
            at = start
            while at < end:
                until = min(end, at + self._spans.get(selector, _FIRST_SECONDS))
                answer = self._piece(selector, at, until)
                if answer is None:
                    continue
                count = sum(len(own.times) for own in answer)
                left -= count
                self.samples += count
                if left < 0:
                    raise TooManySamplesError
                for own in answer:
                    pieces = found.setdefault(tuple(sorted(own.labels.items())), [])
                    after = pieces[-1][0][-1] if pieces else -np.inf
                    new = own.times > after
                    if new.any():
                        pieces.append((own.times[new], own.values[new]))
                grown = (until - at) * min(_GROWTH, _PIECE / max(count, 1))
                self._spans[selector] = max(grown, _SHORTEST_SECONDS)
                at = until
        return [
            RawSeries(dict(key), *(np.concatenate(part) for part in zip(*pieces, strict=True)))
            for key, pieces in found.items()
            if pieces
        ]

    def _piece(self, selector: str, start: float, end: float) -> list[RawSeries] | None:
        """Return the series of one answer, None where a shorter one is to be asked for."""
        query = f"{selector}[{round((end - start) * 1000)}ms]"
        try:
            return self._parsed(self.source.raw(query, end), selector)
        except (QueryError, AnswerTooLongError) as error:
            if isinstance(error, QueryError) and not _REFUSED.search(str(error)):
                raise ServiceError(
                    f"Prometheus at {self.source.url} refuses to read {selector}: {error}"
                ) from error
            if end - start <= _SHORTEST_SECONDS:
                raise ServiceError(
                    f"Prometheus at {self.source.url} cannot give one minute of {selector} at a "
                    f"time ({error}); narrow the selector, or raise its limits of queries"
                ) from error
            self._spans[selector] = max((end - start) / 2, _SHORTEST_SECONDS)
            return None

    def _parsed(self, body: bytes, selector: str) -> list[RawSeries]:
        try:
            tree = orjson.loads(body)
            for warning in tree.get("warnings") or ():
                text = str(warning)[:_MOST_LETTERS]
                if text not in self.warnings and len(self.warnings) < _MOST_WARNINGS:
                    self.warnings.append(text)
            self.partial += bool(tree.get("warnings"))
            return [own for raw in tree["data"]["result"] if (own := self._series(raw)) is not None]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ServiceError(
                f"Prometheus at {self.source.url} answers in a way that cannot be read when asked "
                f"for {selector} ({type(error).__name__}); is it the address of a Prometheus?"
            ) from error

    def _series(self, raw: Mapping[str, object]) -> RawSeries | None:
        metric, samples = raw["metric"], raw.get("values")
        if not isinstance(metric, dict):
            raise TypeError("no labels")
        if not samples or not isinstance(samples, Sequence):
            if raw.get("histograms"):
                self.histograms.add(str(metric.get("__name__", "")))
            return None
        table = np.array(samples, np.float64)
        if table.shape[1:] != (2,):
            raise ValueError("no pairs")
        labels = {str(name): str(value)[:_MOST_LETTERS] for name, value in metric.items()}
        return RawSeries(labels, table[:, 0], table[:, 1])
