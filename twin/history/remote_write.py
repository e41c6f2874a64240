"""Remote write: samples of the past sent to Prometheus, VictoriaMetrics or Mimir.

A request is a ``WriteRequest`` of protobuf, compressed by snappy, as Prometheus's remote write 1.0
says: https://prometheus.io/docs/specs/prw/remote_write_spec/.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.clients.http import HttpServer
from twin.clients.login import split_login
from twin.errors import ServiceError
from twin.files import write_whole
from twin.history.events import PastEvent, event_lines
from twin.history.page_reader import Block
from twin.history.parquet import pyarrow
from twin.history.targets import DayWriter, SampleTarget
from twin.rules.sampling import labels_of_block

__all__ = ["RemoteWriteTarget", "RequestSender", "requests_of"]

_SLICE_SECONDS = 1800
"""All series are sent so far before any goes on: Prometheus takes nothing that is an hour older
than what it has."""
_MOST_SAMPLES = 50_000
"""Of a request: a megabyte before it is compressed."""
_FIRST_PAUSE, _LONGEST_PAUSE, _GIVEN_UP = 0.5, 30.0, 300.0
"""Seconds until a request is sent again, at most, and until it is given up."""
_SAMPLE = 18
"""Bytes of a sample: key and length, a double, and a time whose varint is padded to six."""
_NAME = "__name__"
_TOO_MANY, _SERVER_FAULT = 429, 500
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "datacenter-twin",
}
_REMEDY = "is its address right (Prometheus: http://host:9090/api/v1/write), and its login?"

Bytes = NDArray[np.uint8]


class RequestSender:
    """Sends requests, again where the store is away or busy.

    Args:
        server: that takes them.
        pause: waits so many seconds.
    """

    def __init__(self, server: HttpServer, pause: Callable[[float], None] = time.sleep) -> None:
        self._server, self._pause = server, pause
        self._compress = pyarrow("--to write")[0].compress

    def send(self, request: bytes) -> None:
        """Send a request.

        Raises:
            ServiceError: the store refuses it, or stays away.
        """
        body = self._compress(request, codec="snappy", asbytes=True)
        waited, pause = 0.0, _FIRST_PAUSE
        while (failed := self._failure(body)) is not None:
            if waited >= _GIVEN_UP:
                raise failed
            self._pause(pause)
            waited, pause = waited + pause, min(2.0 * pause, _LONGEST_PAUSE)

    def _failure(self, body: bytes) -> ServiceError | None:
        """Return why a request may be sent again, None once it is taken."""
        try:
            answer = self._server.ask("POST", "", content=body, headers=_HEADERS)
        except ServiceError as error:
            return error
        if answer.is_success:
            return None
        lines = answer.text.strip().splitlines() or [f"HTTP status {answer.status_code}"]
        if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_FAULT:
            return self._server.silent(lines[0])
        raise ServiceError(
            f"{self._server.name} at {self._server.url} refuses samples: {lines[0]}; a Prometheus "
            "takes them with --web.enable-remote-write-receiver, and those before what it has "
            "within storage.tsdb.out_of_order_time_window"
        )


class RemoteWriteTarget(SampleTarget):
    """Remote write; which days are there is kept in a folder beside.

    Args:
        url: address to write to, with a login if it wants one.
        folder: where it is kept which days are there; None for one here, named by the address.
        headers: of every request, such as the tenant of a Mimir.
    """

    word = "write"
    bytes_a_sample = 1.0
    seconds_a_sample = 1.7e-6  # with what Prometheus takes to answer
    in_order = True

    def __init__(
        self, url: str, folder: Path | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        address, login = split_login(url)
        self._server = HttpServer(
            address, "the store", remedy=_REMEDY, headers={**login, **(headers or {})}
        )
        name = re.sub(r"[^A-Za-z0-9.]+", "-", self._server.url.partition("://")[2])
        super().__init__(Path(f"twin-history-{name}") if folder is None else folder)
        self._url, self._headers = url, headers
        self.sender = RequestSender(self._server)

    def __reduce__(self) -> tuple[object, ...]:
        """Return how another process makes it: by its own client."""
        return type(self), (self._url, self.folder, self._headers)

    @classmethod
    def made_of(cls, text: str) -> RemoteWriteTarget:
        """Return the target of an address."""
        return cls(text)

    @property
    def text(self) -> str:
        """What :func:`target_of` makes it of."""
        return f"{self.word}:{self._url}"

    @property
    def place(self) -> str:
        """Where the samples are, for a person."""
        return self._server.url

    def has(self, day: int) -> bool:
        """Return whether the day is there already."""
        return self._mark(day).is_file()

    def day(self, day: int) -> DayWriter:
        """Begin a day."""
        return _RemoteDay(self.sender, self._mark(day))

    def _mark(self, day: int) -> Path:
        return self.folder / f"written-{self.name_of(day)}"


class _RemoteDay(DayWriter):
    def __init__(self, sender: RequestSender, mark: Path) -> None:
        self._sender, self._mark = sender, mark

    def take(self, blocks: Iterable[Block]) -> int:
        """Send the blocks of a part of the day."""
        samples = 0
        for request, count in requests_of(list(blocks)):
            self._sender.send(request)
            samples += count
        return samples

    def finish(self, events: Sequence[PastEvent]) -> None:
        """Say that the day is whole, and what was in force in it."""
        write_whole(self._mark, event_lines(events))

    def drop(self) -> None:
        """Leave the day to be sent again: a store cannot be asked to forget samples."""


def requests_of(blocks: Sequence[Block]) -> Iterator[tuple[bytes, int]]:
    """Yield requests with their samples, slice by slice of time."""
    known: dict[int, list[tuple[bytes, bytes]]] = {}
    times = np.unique(np.concatenate([block.times for block in blocks] or [np.empty(0, np.int64)]))
    slices = np.unique((times - 1) // (_SLICE_SECONDS * 1000))
    parts: list[bytes] = []
    samples = 0
    for own in slices.tolist():
        for block in blocks:
            here = (block.times - 1) // (_SLICE_SECONDS * 1000) == own
            if not here.any():
                continue
            if id(block.labels) not in known:
                known[id(block.labels)] = [_labels(labels) for labels in block.labels]
            for series, count in _series(block, here, known[id(block.labels)]):
                parts.append(series)
                samples += count
                if samples >= _MOST_SAMPLES:
                    yield b"".join(parts), samples
                    parts, samples = [], 0
        if samples:
            yield b"".join(parts), samples
            parts, samples = [], 0


def _series(
    block: Block, here: NDArray[np.bool_], labels: Sequence[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, int]]:
    """Yield each series that has samples in a slice, as a field of a request."""
    printed = _samples(block.times[here], block.values[here])
    there = np.isfinite(block.values[here]).T
    counts = there.sum(axis=1).tolist()
    whole = bool(there.all())
    name = _field(b"\x0a", _pair(_NAME, block.head.name))
    for place, (before, after) in enumerate(labels):
        count = counts[place]
        if count:
            own = printed[place] if whole else printed[place][there[place]]
            yield _field(b"\x0a", before + name + after + own.tobytes()), count


def _samples(times: NDArray[np.int64], values: NDArray[np.float64]) -> Bytes:
    """Return the samples of all series as fields of a series, (series, samples, bytes)."""
    printed = np.empty((values.shape[1], len(times), _SAMPLE), np.uint8)
    printed[..., 0], printed[..., 1] = 0x12, _SAMPLE - 2
    printed[..., 2], printed[..., 11] = 0x09, 0x10
    doubles = np.ascontiguousarray(values.T, "<f8")
    printed[..., 3:11] = doubles.view(np.uint8).reshape(*doubles.shape, 8)
    for place in range(6):
        more = 0x80 if place < 5 else 0  # noqa: PLR2004 - the last of six bytes
        printed[..., 12 + place] = ((times >> (7 * place)) & 0x7F) | more
    return printed


def _labels(block: bytes) -> tuple[bytes, bytes]:
    """Return the labels before and after the name, in the order that remote write wants."""
    pairs = sorted(labels_of_block(block).items())
    before = [_field(b"\x0a", _pair(*own)) for own in pairs if own[0] < _NAME]
    after = [_field(b"\x0a", _pair(*own)) for own in pairs if own[0] > _NAME]
    return b"".join(before), b"".join(after)


def _pair(name: str, value: str) -> bytes:
    return _field(b"\x0a", name.encode()) + _field(b"\x12", value.encode())


def _field(key: bytes, content: bytes) -> bytes:
    return key + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    printed = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        printed.append(number & 0x7F | 0x80)
        number >>= 7
    printed.append(number)
    return bytes(printed)
