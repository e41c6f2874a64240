"""Remote write: what is sent is what was scraped, in order, and again where a store is away."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from twin.aggregator.text_format import head
from twin.clients.http import HttpServer
from twin.emulator.state import StateFile
from twin.errors import ConfigError, ServiceError
from twin.history import PastPlan, target_of, write_history
from twin.history.lived import LivedPast, written_to
from twin.history.page_reader import Block
from twin.history.remote_write import RemoteWriteTarget, RequestSender, requests_of
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of

START = 1_772_323_200_000
"""2026-03-01 00:00 UTC, in ms."""


def block(name: str, labels: list[bytes], minutes: list[int], values: list[list[float]]) -> Block:
    """Return some scrapes of a metric."""
    times = START + 60_000 * np.array(minutes)
    return Block(head(name, "gauge", "A gauge."), "gpu", labels, False, times, np.array(values))


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the fields of a message of protobuf, as its specification says."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = 8 if key & 7 == 1 else varint()
            yield key >> 3, message[at : at + size]
            at += size


def decoded(request: bytes) -> list[tuple[list[tuple[str, str]], list[tuple[int, float]]]]:
    """Return the series of a request: labels in their order, and samples."""
    found = []
    for number, series in fields(request):
        assert number == 1
        labels, samples = [], []
        for kind, own in fields(bytes(series)):
            parts: dict[int, Any] = dict(fields(bytes(own)))
            if kind == 1:
                labels.append((parts[1].decode(), parts[2].decode()))
            else:
                samples.append((parts[2], struct.unpack("<d", parts[1])[0]))
        found.append((labels, samples))
    return found


def test_requests_hold_every_sample_in_order() -> None:
    """Labels are sorted with the name among them, half an hour of all series before the next."""
    blocks = [
        block("m", [b'{UUID="x",gpu="0"} ', b'{gpu="\\"1"} '], [1, 40], [[1.5, np.nan], [2, 3]]),
        block("n", [b" "], [2], [[-1e300]]),
    ]
    (first, one), (second, two) = requests_of(blocks)
    assert (one, two) == (2, 2)
    assert decoded(first) == [
        ([("UUID", "x"), ("__name__", "m"), ("gpu", "0")], [(START + 60_000, 1.5)]),
        ([("__name__", "n")], [(START + 120_000, -1e300)]),
    ]
    assert decoded(second) == [
        ([("UUID", "x"), ("__name__", "m"), ("gpu", "0")], [(START + 2_400_000, 2.0)]),
        ([("__name__", "m"), ("gpu", '"1')], [(START + 2_400_000, 3.0)]),
    ]
    assert list(requests_of([])) == []


def test_requests_are_bounded() -> None:
    """However many series there are, a request has little more samples than it may."""
    labels = [b'{gpu="%d"} ' % number for number in range(30_000)]
    many = block("m", labels, [1, 2, 3], [[1.0] * len(labels)] * 3)
    counts = [count for _, count in requests_of([many])]
    assert sum(counts) == 90_000
    assert max(counts) <= 50_003


class Store(HttpServer):
    """A store that answers as it is told."""

    def __init__(self, *answers: int | Exception) -> None:
        super().__init__("http://store:9090/api/v1/write", "the store")
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the next answer."""
        assert (method, path) == ("POST", "")
        self.bodies.append(request["content"])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, text="too old sample\nmore")


def test_request_is_sent_again_where_the_store_is_away_or_busy() -> None:
    """What a store cannot take now comes again, later each time, and is the same bytes."""
    store = Store(503, ServiceError("away"), 429, 204)
    pauses: list[float] = []
    RequestSender(store, pauses.append).send(b"samples")
    assert pauses == [0.5, 1.0, 2.0]
    assert len(set(store.bodies)) == 1
    plain = pa.decompress(store.bodies[0], 7, codec="snappy", asbytes=True)
    assert plain == b"samples"


def test_store_that_refuses_or_stays_away_is_told() -> None:
    """A refusal is final and says what the store says; a store is given up after five minutes."""
    with pytest.raises(ServiceError, match="refuses samples: too old sample; a Prometheus takes"):
        RequestSender(Store(400), lambda _: None).send(b"")
    pauses: list[float] = []
    with pytest.raises(ServiceError, match="does not answer at http://store:9090/api/v1/write"):
        RequestSender(Store(*[500] * 100), pauses.append).send(b"")
    assert 300.0 <= sum(pauses) < 331.0


def test_address_and_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which days are there is kept by the address without its login; a tenant is for write."""
    monkeypatch.chdir(tmp_path)
    target = target_of("write:http://me:secret@store:9090/api/v1/write", tenant="a")
    assert isinstance(target, RemoteWriteTarget)
    assert target.place == "http://store:9090/api/v1/write"
    assert [path.name for path in tmp_path.iterdir()] == ["twin-history-store-9090-api-v1-write"]
    assert not target.has(START // 1000)
    target.day(START // 1000).finish([])
    assert target.has(START // 1000)
    with pytest.raises(ConfigError, match="write for example http"):
        target_of("write:store:9090")
    with pytest.raises(ConfigError, match="--tenant is for --to write:URL"):
        target_of("parquet:x", tenant="a")


def uncompressed(body: bytes) -> bytes:
    """Return what snappy holds, which begins with its length as a varint."""
    size = shift = at = 0
    while True:
        size |= (body[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 0x80:
            return bytes(pa.decompress(body, size, codec="snappy", asbytes=True))


def test_mimir_gets_its_tenant_and_snappy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request goes to Mimir's path with the tenant's header, as a compressed WriteRequest."""
    monkeypatch.chdir(tmp_path)
    taken: list[tuple[str, dict[str, str], bytes]] = []

    class Distributor(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            # Mimir answers 401 where it has no tenant.
            self.send_response(200 if self.headers["X-Scope-OrgID"] == "team-a" else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    layout = Layout(site_of({"name": "tiny", "racks": 1, "servers_per_rack": 1}, "tiny"))
    detail = DetailPlan.of_site(layout.site).changed(["rack"])
    plan = PastPlan(layout, detail, START // 1000, 1, 60, failures="none", day=60)
    with HTTPServer(("127.0.0.1", 0), Distributor) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/api/v1/push"
            samples = write_history(plan, target_of(f"write:{url}", "team-a"), Nobody())
            with pytest.raises(ServiceError, match="refuses samples"):
                write_history(plan, target_of(f"write:{url}?other", "team-b"), Nobody())
        finally:
            server.shutdown()
            thread.join()
    *good, (_, refused, _) = taken
    assert refused["x-scope-orgid"] == "team-b"
    found = 0
    for path, headers, body in good:
        assert path == "/api/v1/push"
        assert headers["x-scope-orgid"] == "team-a"
        assert headers["content-type"] == "application/x-protobuf"
        assert headers["content-encoding"] == "snappy"
        assert headers["x-prometheus-remote-write-version"] == "0.1.0"
        found += sum(len(series) for _, series in decoded(uncompressed(body)))
    assert found == samples > 0


def test_past_that_a_twin_goes_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends now, and the plant's state at its end is where an emulator begins."""
    sent: list[bytes] = []
    monkeypatch.setattr(RequestSender, "send", lambda _, request: sent.append(request))
    layout = Layout(site_of({"name": "tiny", "racks": 1, "servers_per_rack": 1}, "tiny"))
    detail = DetailPlan.of_site(layout.site)
    past = LivedPast(layout, detail, 180.0, 1, "training", "none", alerts=False)
    target = written_to("http://store:9090/", {}, tmp_path / "written")
    plan = past.plan(START / 1000 + 7.0, target)
    samples = past.write(plan, target, tmp_path, Nobody())
    assert target.place == "http://store:9090/api/v1/write"
    found = [own for request in sent for _, series in decoded(request) for own in series]
    assert len(found) == samples
    assert {at for at, _ in found} == {START - 120_000, START - 60_000, START}
    kept = StateFile(tmp_path, layout, "training").load()
    assert kept is not None
    assert kept.now == START / 1000
    with pytest.raises(ConfigError, match="has a past already"):
        past.write(plan, target, tmp_path, Nobody())
    with pytest.raises(ConfigError, match="give 60 s, as one step, to 31d"):
        replace(past, seconds=1.0)


class Nobody:
    """One who is told and does nothing."""

    def scraped(self) -> None:
        """Take note of a scrape."""

    def written(self, day: int, samples: int) -> None:
        """Take note of a day."""
