"""The alerts of the live page: what is asked, what is believed, and what is said otherwise."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from twin.aggregator.firing_alerts import AlertServer, AlertsWatch
from twin.errors import ConfigError

PUMP = {"alertname": "CoolantPumpFailed", "severity": "warning", "site": "small", "rack": "r0001"}
STALL = {"alertname": "JobStalled", "severity": "critical", "training_job": "pretrain"}


def prometheus_says(*alerts: tuple[dict[str, str], str]) -> bytes:
    """Return an answer of Prometheus: labels and states."""
    told = [
        {"labels": labels, "annotations": {"summary": "said"}, "state": state,
         "activeAt": "2026-01-01T00:00:00Z", "value": "1"}
        for labels, state in alerts
    ]  # fmt: skip
    return json.dumps({"status": "success", "data": {"alerts": told}}).encode()


@contextmanager
def serving(body: bytes, status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """Serve one answer to every request, and keep the requests."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(address: str, kind: Any = "Prometheus") -> Any:
    """Return what the page shows after a server was asked once."""
    watch = AlertsWatch(AlertServer.parse(kind, f"http://{address}"), "small", lambda: 0.0)
    watch.ask()
    return watch.view()


def test_firing_alerts_of_prometheus() -> None:
    """Those of this site fire, the worst first, with the place that their labels name."""
    other = {**PUMP, "site": "another"}
    answer = prometheus_says(
        (PUMP, "firing"), (STALL, "firing"), (PUMP, "pending"), (other, "firing")
    )
    with serving(answer) as (address, seen):
        view = asked(address)
    assert seen == [("/api/v1/alerts", None)]
    assert view["source"] == f"Prometheus at http://{address}"
    assert view["problem"] is None
    assert [(one["name"], one["place"], one["rack"]) for one in view["alerts"]] == [
        ("JobStalled", "pretrain", ""), ("CoolantPumpFailed", "r0001", "r0001"),
    ]  # fmt: skip
    assert view["count"] == 2
    assert view["alerts"][1]["since"] == "2026-01-01T00:00:00Z"


def test_active_alerts_of_alertmanager() -> None:
    """Alertmanager is asked for what it neither silences nor inhibits."""
    body = json.dumps([{"labels": PUMP, "startsAt": "2026-01-01T00:00:00Z"}]).encode()
    with serving(body) as (address, seen):
        view = asked(address, "Alertmanager")
    assert seen[0][0] == "/api/v2/alerts?active=true&silenced=false&inhibited=false"
    assert view["alerts"][0]["name"] == "CoolantPumpFailed"
    assert view["alerts"][0]["since"] == "2026-01-01T00:00:00Z"


def test_nobody_knows() -> None:
    """Without a server nothing is asked, and the page can say so."""
    watch = AlertsWatch(None, "small", lambda: 0.0)
    watch.start()
    watch.ask()
    assert watch.view() == {"source": None, "problem": None, "count": 0, "alerts": ()}


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"no JSON", 200, "something else"),
        (b"[]", 200, "something else"),
        (b'{"data": {"alerts": [{"labels": {"a": 1}}]}}', 200, "something else"),
        (b"\xff\xfe", 200, "something else"),
        (b"[" * 100_000, 200, "something else"),
        (b"x" * ((1 << 22) + 1), 200, "more than 4 MiB"),
        (b"", 401, "HTTP status 401"),
        (b"", 302, "HTTP status 302"),
    ],
)
def test_other_answers_are_a_sentence(body: bytes, status: int, why: str) -> None:
    """Whatever a server answers is told as a reason; nobody is followed elsewhere."""
    with serving(body, status) as (address, _):
        view = asked(address)
    assert why in view["problem"]
    assert view["alerts"] == ()


def test_no_answer_is_a_sentence(unused_tcp_port: int) -> None:
    """A server that is away is told to be."""
    assert asked(f"127.0.0.1:{unused_tcp_port}")["problem"] == "it does not answer"


def test_old_answers_are_not_shown_as_new() -> None:
    """An answer of a minute ago is not held to be true now."""
    times = iter([0.0, 0.0, 30.0, 90.0])
    with serving(prometheus_says((PUMP, "firing"))) as (address, _):
        server = AlertServer.parse("Prometheus", f"http://{address}")
        watch = AlertsWatch(server, "small", lambda: next(times))
        watch.ask()
        assert watch.view()["count"] == 1
        late = watch.view()
    assert late["problem"] == "it has not answered for 90 s"
    assert late["count"] == 0


def test_many_alerts_are_cut_and_counted() -> None:
    """Of a storm the worst are told, and how many there are."""
    storm = [({**PUMP, "rack": f"r{rack:04d}"}, "firing") for rack in range(999)]
    with serving(prometheus_says(*storm, (STALL, "firing"))) as (address, _):
        view = asked(address)
    assert view["count"] == 1000
    assert len(view["alerts"]) == 200
    assert view["alerts"][0]["name"] == "JobStalled"


def test_a_place_is_named_once() -> None:
    """Of 64 GPUs of a rack the page has one row, with their number."""
    gpus = [({**PUMP, "alertname": "GpuLost", "gpu": str(gpu)}, "firing") for gpu in range(64)]
    with serving(prometheus_says(*gpus, (PUMP, "firing"))) as (address, _):
        view = asked(address)
    assert view["count"] == 65
    assert [(one["name"], one["devices"]) for one in view["alerts"]] == [
        ("CoolantPumpFailed", 1), ("GpuLost", 64),
    ]  # fmt: skip


def test_login_comes_from_the_address_or_a_file(tmp_path: Path) -> None:
    """A password is shown to the server and to nobody else."""
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    expected = f"Basic {base64.b64encode(b'page:s3cret').decode()}"
    with serving(prometheus_says()) as (address, seen):
        for login in (f"page:s3cret@{address}/", f"page@{address}?password_file={file}"):
            view = asked(login)
            assert "s3cret" not in str(view)
    assert [header for _, header in seen] == [expected, expected]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("file:///etc/passwd", "not an HTTP address"),
        ("127.0.0.1:9090", "not an HTTP address"),
        ("http://", "not an HTTP address"),
        ("http://host:port", "not an HTTP address"),
        ("http://host?secret=1", "only password_file"),
        ("http://u@host?password_file=/nowhere", "cannot be read"),
    ],
)
def test_addresses_that_are_refused(text: str, why: str) -> None:
    """An address of no use is one sentence that names the option."""
    with pytest.raises(ConfigError, match=f"--prometheus.*{why}"):
        AlertServer.parse("Prometheus", text)
