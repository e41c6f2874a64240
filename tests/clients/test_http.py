"""Requests to other servers: logins, refusals and servers that are not there."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.certificates import self_signed
from twin.clients.http import HttpServer, fetch, is_ready
from twin.clients.prometheus import Prometheus, QueryError
from twin.errors import ConfigError, ServiceError

ANSWERS = {
    "/json": (200, b'{"a": 1}'),
    "/text": (200, b"<html>"),
    "/refused": (401, b""),
    "/api/v1/query": (422, b'{"status": "error", "error": "too many samples"}'),
    "/api/v1/query_range": (503, b"upstream timed out"),
    "/api/v1/alerts": (503, b"starting"),
    "/api/v1/label/x/values": (401, b""),
}


class Handler(BaseHTTPRequestHandler):
    """Answers from a table."""

    def do_GET(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = ANSWERS.get(self.path.partition("?")[0], (404, b""))
        self.send_response(status)
        self.send_header("X-Authorization", self.headers.get("Authorization", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - http.server calls it by this name

    def log_message(self, *_: object) -> None:
        """Keep the terminal quiet."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the host and port of a server of the table."""
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_login_is_sent_and_never_shown(address: str) -> None:
    """The password in an address reaches the server, and no error has it."""
    server = HttpServer(f"http://guest:secret@{address}", "Prometheus")
    assert server.ask("GET", "/json").headers["X-Authorization"] == "Basic Z3Vlc3Q6c2VjcmV0"
    with pytest.raises(ServiceError) as error:
        server.json("/text")
    assert f"Prometheus does not answer at http://{address}: " in str(error.value)
    assert "secret" not in str(error.value)


def test_json_only_of_success(address: str) -> None:
    """A refusal is an error that names the status; an answer is what the server sent."""
    server = HttpServer(f"http://{address}/", "Alertmanager")
    assert server.json("/json") == {"a": 1}
    with pytest.raises(ServiceError, match="HTTP status 401; is its address right"):
        server.json("/refused")


def test_a_server_that_is_not_there() -> None:
    """A closed port is one sentence with the address and the remedy, and is not ready."""
    with pytest.raises(ServiceError, match=r"X does not answer at http://127\S+:1: .*refused"):
        HttpServer("http://127.0.0.1:1", "X").ask("GET", "/")
    assert not is_ready("http://127.0.0.1:1/")
    with pytest.raises(OSError, match="refused"):
        fetch("http://127.0.0.1:1/", timeout=5.0)


def test_an_address_is_of_http() -> None:
    """What is no HTTP address is refused before anything is sent, without its password."""
    with pytest.raises(
        ConfigError, match=r"X 'ftp://host' is not an address; write for example http"
    ):
        HttpServer("ftp://guest:secret@host", "X")


def test_ready_by_status(address: str) -> None:
    """Ready is an answer with success, and nothing else."""
    assert is_ready(f"http://{address}/text")
    assert not is_ready(f"http://{address}/refused")


def test_a_refused_query_is_told_from_a_silent_server(address: str) -> None:
    """A query's refusal has the engine's words or the status; state that is missing is an error."""
    prometheus = Prometheus(f"http://{address}")
    with pytest.raises(QueryError, match="too many samples"):
        prometheus.instant("up", 0.0)
    with pytest.raises(QueryError, match="HTTP status 503"):
        prometheus.over_time("up", 0.0, 1.0, 1.0)
    with pytest.raises(ServiceError, match="HTTP status 503"):
        prometheus.get("alerts")


def test_an_answer_without_end_takes_no_memory_without_bound() -> None:
    """An answer that is too long, or comes too slowly, is given up and named."""

    class Endless(Handler):
        def do_GET(self) -> None:
            """Send until nobody reads."""
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"x" * (1 << 16))

    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(ServiceError, match="its answer is longer than 2 MiB"):
            HttpServer(url, "Prometheus", most_bytes=2 << 20).ask("GET", "/")
        with pytest.raises(ServiceError, match=r"its answer takes longer than 0\.1 s"):
            HttpServer(url, "Prometheus", 0.1, most_bytes=1 << 60).ask("GET", "/")
        server.shutdown()
        thread.join()


def test_prometheus_names_the_way_in(address: str) -> None:
    """Without credentials the remedy is how to give them, with refused ones to correct them."""
    url = f"http://{address}"
    with pytest.raises(ServiceError, match=f"{url} wants a login; give --x"):
        Prometheus(url, login="give --x").label_values("x", "", 0.0, 1.0)
    secret = {"Authorization": "Bearer secret"}
    with pytest.raises(ServiceError, match="refuses the credentials; correct them") as error:
        Prometheus(url, headers=secret).label_values("x", "", 0.0, 1.0)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("days", "host", "trusted", "words"),
    [
        (1, "localhost", False, "add that CA to the system's"),
        (1, "127.0.0.1", True, "is for another name"),
        (-1, "localhost", True, "has expired; renew it"),
    ],
)
def test_each_fault_of_a_certificate_has_its_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, host: str, trusted: bool, words: str
) -> None:
    """An unknown CA, a wrong name and a certificate that has expired are three things to do."""
    certificate, key = self_signed("localhost", -9, days)
    file = tmp_path / "server.pem"
    file.write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(ServiceError, match=words):
            HttpServer(f"https://{host}:{server.server_port}", "Prometheus").json("/json")
        thread.join()
