"""Samples of an answer of Prometheus: the last of each series, read without making its labels.

The labels of a series are the same bytes at every poll, and series come in the same order, so the
text of an answer is compared with that of the last one; labels are parsed only where it differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import orjson
from numpy.typing import NDArray

__all__ = ["LastSamples", "SampleReader"]

_RESULT = b'"resultType":"matrix","result":[{"metric":{'
_VALUES, _NEXT, _END = b'},"values":[[', b']]},{"metric":{', b"]]}]}"
"""None of them can stand in a label: a quotation mark in a text has a backslash before it."""
_A_PAIR = 2


@dataclass(frozen=True, slots=True)
class LastSamples:
    """The last samples of some series.

    Attributes:
        keys: JSON of the labels of each series, without its braces.
        times: unix seconds.
        values: NaN where there is no number.
        same: whether the series are those of the answer before, in the same order.
        warnings: whether the answer says that it is not whole.
    """

    keys: Sequence[bytes]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    same: bool
    warnings: bool


class SampleReader:
    """Reads the answers to one query.

    Args:
        most: series that it remembers at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._keys: list[bytes] = []
        self._heads: list[bytes] = []
        self._lengths: list[int] = []

    def read(self, body: bytes) -> LastSamples:
        """Return the samples of an answer to an instant query of a range.

        Raises:
            ValueError: it is no such answer.
        """
        try:
            return self._split(body) or self._parsed(body)
        except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError("it is no matrix of Prometheus") from error

    def _split(self, body: bytes) -> LastSamples | None:
        """Return the samples of an answer as Prometheus writes it, None for any other."""
        _, found, rest = body.partition(_RESULT)
        series, ended, tail = rest.rpartition(_END)
        if not found or not ended:
            return None
        parts = series.split(_NEXT)
        same = self._is_same(parts)
        keys = self._keys
        if same:
            texts = [part[skip:] for part, skip in zip(parts, self._lengths, strict=True)]
        else:
            pairs = [part.partition(_VALUES) for part in parts]
            keys = [key for key, _, _ in pairs]
            texts = [text for _, _, text in pairs]
            self._remember(keys)
        lasts = [text[text.rfind(b"[") + 1 :] for text in texts]
        flat = _numbers(b"[" + b",".join(lasts) + b"]")
        if flat is None or len(flat) != _A_PAIR * len(parts):
            return None
        return LastSamples(keys, flat[0::2], flat[1::2], same, b'"warnings"' in tail)

    def _is_same(self, parts: list[bytes]) -> bool:
        return len(parts) == len(self._heads) and all(map(bytes.startswith, parts, self._heads))

    def _remember(self, keys: list[bytes]) -> None:
        self._keys = keys if len(keys) <= self._most else []
        self._heads = [key + _VALUES for key in self._keys]
        self._lengths = list(map(len, self._heads))

    def _parsed(self, body: bytes) -> LastSamples:
        tree = orjson.loads(body)
        data = tree["data"]
        if data["resultType"] != "matrix":
            raise ValueError("it is no matrix of Prometheus")
        series = [own for own in data["result"] if own.get("values")]
        keys = [orjson.dumps(dict(own["metric"].items()))[1:-1] for own in series]
        flat = list(chain.from_iterable(own["values"][-1] for own in series))
        times = np.array([float(time) for time in flat[0::2]], np.float64)
        values = np.array([float(value) for value in flat[1::2]], np.float64)
        self._remember([])
        return LastSamples(keys, times, values, same=False, warnings=bool(tree.get("warnings")))


def _numbers(text: bytes) -> NDArray[np.float64] | None:
    """Return times and values in turn, None where the text has anything else.

    A value is a number in quotation marks; ``NaN`` and ``+Inf`` are none of JSON's.
    """
    try:
        return np.array(orjson.loads(text.replace(b'"', b"")), np.float64)
    except (orjson.JSONDecodeError, ValueError, TypeError):
        pass
    try:
        return np.array([float(own) for own in orjson.loads(text)], np.float64)
    except (orjson.JSONDecodeError, ValueError, TypeError):
        return None
