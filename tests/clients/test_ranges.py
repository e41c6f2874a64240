"""Raw samples of a past: pieces that a server can answer, joined without loss."""

from __future__ import annotations

import re

import numpy as np
import orjson
import pytest

from twin.clients.http import AnswerTooLongError
from twin.clients.prometheus import QueryError
from twin.clients.ranges import PastReader, TooManySamplesError
from twin.errors import ServiceError

HOUR = 3600.0


class FakePast:
    """A server with a sample a second of ``x`` up to ten hours, that gives so many at a time.

    Args:
        most: samples of an answer.
        refusal: what it raises for more.
        body: of every answer, in place of the samples.
    """

    url = "http://past"

    def __init__(
        self, most: int = 100_000, refusal: Exception | None = None, body: object = None
    ) -> None:
        self._most = most
        self._refusal = refusal or QueryError("query processing would load too many samples")
        self._body = body
        self.asked = 0

    def raw(self, query: str, at: float) -> bytes:
        """Return the samples of a range, both ends included, as Prometheus 2 does."""
        self.asked += 1
        match = re.fullmatch(r"(\w+)\[(\d+)ms\]", query)
        assert match is not None
        times = np.arange(np.ceil(at - int(match[2]) / 1000), at + 0.5)
        if len(times) > self._most:
            raise self._refusal
        if self._body is not None:
            return orjson.dumps(self._body)
        values = [[float(time), str(time % 7)] for time in times]
        series = [{"metric": {"__name__": match[1], "a": "b"}, "values": values}]
        return orjson.dumps({"status": "success", "data": {"resultType": "matrix",
                                                           "result": series}})  # fmt: skip


def test_pieces_are_joined() -> None:
    """However the server cuts the span, every sample is there once."""
    for most in (100_000, 700):
        (own,) = PastReader(FakePast(most)).read(["x"], 0.0, 3 * HOUR, 100_000)
        assert own.labels == {"__name__": "x", "a": "b"}
        assert np.array_equal(own.times, np.arange(0.0, 3 * HOUR + 0.5))
        assert np.array_equal(own.values, own.times % 7)


def test_an_answer_that_is_too_long_is_asked_for_in_parts() -> None:
    """What the client gives up for its length is halved, as what the server refuses."""
    source = FakePast(2000, AnswerTooLongError("too long"))
    (own,) = PastReader(source).read(["x"], 0.0, HOUR, 100_000)
    assert len(own.times) == HOUR + 1
    assert source.asked > 2


def test_memory_is_bounded() -> None:
    """More samples than are wanted are given up with the answer that has them."""
    reader = PastReader(FakePast())
    with pytest.raises(TooManySamplesError):
        reader.read(["x"], 0.0, 10 * HOUR, 5000)
    assert reader.samples < 20_000


def test_a_refusal_is_told_in_one_sentence() -> None:
    """What no shorter range can mend, and an error of another kind, end the reading."""
    with pytest.raises(ServiceError, match="one minute of x at a time"):
        PastReader(FakePast(10)).read(["x"], 0.0, HOUR, 100_000)
    with pytest.raises(ServiceError, match="refuses to read x: parse error"):
        PastReader(FakePast(10, QueryError("parse error"))).read(["x"], 0.0, HOUR, 100_000)


def test_partial_answers_are_counted() -> None:
    """A warning says that an answer is not whole; native histograms are named and left out."""
    metric = {"metric": {"__name__": "h"}, "histograms": [[1, {}]]}
    body = {"data": {"result": [metric]}, "warnings": ["store s1 is away"]}
    reader = PastReader(FakePast(body=body))
    assert reader.read(["x"], 0.0, 2 * HOUR, 1000) == []
    assert reader.partial >= 1
    assert reader.warnings == ["store s1 is away"]
    assert reader.histograms == {"h"}


@pytest.mark.parametrize(
    "body",
    [[], {"data": 7}, {"data": {"result": [7]}}, {"data": {"result": [{"metric": 1}]}},
     {"data": {"result": [{"metric": {}, "values": [[1]]}]}},
     {"data": {"result": [{"metric": {}, "values": [[1, "x"]]}]}}],
)  # fmt: skip
def test_what_is_no_answer_is_told(body: object) -> None:
    """A page of a proxy, or anything else, is one sentence and no traceback."""
    with pytest.raises(ServiceError, match="cannot be read"):
        PastReader(FakePast(body=body)).read(["x"], 0.0, HOUR, 1000)
