"""Real servers for the tests: Mosquitto, Prometheus, Alertmanager.

Each runs on a free port of 127.0.0.1 with its files in the test's own folder, is ready
when its fixture or :meth:`Server.start` returns, and is stopped at the end. A server
that is not installed fails the test: nothing is skipped in silence.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.integration.ports import free_ports
from twin.bus import BrokerUrl

READY_SECONDS = 90.0
POLL_SECONDS = 0.05
"""Between two looks at a process of another program, which has no way to tell us."""
STOP_SECONDS = 10.0
HTTP_SECONDS = 60.0
"""For an answer of a server that has the machine's other work beside it."""
INJECT_TRIES = 3
NO_ANSWER = 3
"""Exit status of ``twin inject`` when nobody answered in time."""

T = TypeVar("T")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    return free_ports(1)[0]


def program(name: str) -> str:
    """Return the path of an installed program, also of one in an administrator's folder."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"the integration tests need {name}; install it or run -m 'not integration'")
    return found


class Server(ABC):
    """A server process on a port that stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line."""

    @abstractmethod
    def ready(self) -> bool:
        """Return whether the server answers."""

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers."""
        assert self._process is None, "already started"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"{self.command()[0]} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the server in order; does nothing when it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End the server without giving it time to say anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Mosquitto(Server):
    """A Mosquitto broker that keeps nothing on disk.

    Args:
        folder: where its files go.
        users: name to password; None lets anybody in.
        acl: text of an ACL file, None for no restriction.
        tls: certificate and key files, None for a plain connection.
    """

    def __init__(
        self,
        folder: Path,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(folder)
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'true' if users is None else 'false'}",
            "persistence false",
            "user root",
        ]
        if users is not None:
            passwords = folder / "passwords"
            passwords.touch()
            for name, password in users.items():
                subprocess.run(
                    [program("mosquitto_passwd"), "-b", passwords, name, password], check=True
                )
            lines.append(f"password_file {passwords}")
        if acl is not None:
            (folder / "acl").write_text(acl)
            lines.append(f"acl_file {folder / 'acl'}")
        if tls is not None:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> BrokerUrl:
        """Address of the broker, without credentials."""
        return BrokerUrl("127.0.0.1", self.port)

    def login(self, username: str, password: str) -> BrokerUrl:
        """Return the address with credentials."""
        return BrokerUrl("127.0.0.1", self.port, username, password)

    def command(self) -> list[str]:
        """Return the command line."""
        return [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]

    def ready(self) -> bool:
        """Return whether the broker takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class HttpServer(Server):
    """A server that says over HTTP when it is ready.

    Args:
        folder: where its files go.
        config: text of its configuration file.
    """

    def __init__(self, folder: Path, config: str) -> None:
        super().__init__(folder)
        self.config = folder / "config.yml"
        self.config.write_text(config)

    @property
    def address(self) -> str:
        """Host and port, as other servers' configurations want it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Address of its pages."""
        return f"http://{self.address}"

    def ready(self) -> bool:
        """Return whether the server says that it is ready."""
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def get(self, path: str, **parameters: str) -> Any:
        """Return the JSON that ``path`` gives."""
        answer = httpx.get(f"{self.url}{path}", params=parameters, timeout=HTTP_SECONDS)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()


class Prometheus(HttpServer):
    """A Prometheus server.

    Args:
        folder: where its files go.
        config: text of its configuration file; passwords that the shipped one reads from the
            stack's secrets are made up, since here nobody asks for any.
    """

    def __init__(self, folder: Path, config: str) -> None:
        secrets = folder / "secrets"
        for name in set(re.findall(r"/secrets/(\S+)", config)):
            (secrets / name).parent.mkdir(parents=True, exist_ok=True)
            (secrets / name).write_text("nobody asks")
        super().__init__(folder, config.replace("/secrets/", f"{secrets}/"))

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            program("prometheus"),
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            # Alertmanager is discovered 5 s after the start; what fired before is dropped
            # and by default said again only after a minute.
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        ]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query: ``metric`` and ``value`` of each series."""
        result: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["data"]["result"]
        return result

    def targets(self) -> list[dict[str, Any]]:
        """Return the targets that it scrapes."""
        result: list[dict[str, Any]] = self.get("/api/v1/targets")["data"]["activeTargets"]
        return result


class Alertmanager(HttpServer):
    """An Alertmanager without a cluster."""

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            program("prometheus-alertmanager"),
            f"--config.file={self.config}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it was sent and that still stand."""
        result: list[dict[str, Any]] = self.get("/api/v2/alerts")
        return result


def inject(*arguments: str) -> None:
    """Inject a fault by the command line, and try again where a busy twin does not answer."""
    for number in range(INJECT_TRIES):
        done = subprocess.run(
            [sys.executable, "-m", "twin", "inject", *arguments],
            capture_output=True,
            text=True,
            timeout=HTTP_SECONDS,
            check=False,
        )
        # A command whose answer came too late has struck all the same.
        if done.returncode == 0 or (number and "already applied to" in done.stderr):
            return
        if done.returncode != NO_ANSWER:
            break
    pytest.fail(f"twin inject {' '.join(arguments)}: {done.stderr}")


S = TypeVar("S", bound=Server)


def started(server: S, servers: ExitStack) -> S:
    """Start ``server``, and stop it when ``servers`` is closed."""
    servers.callback(server.stop)
    server.start()
    return server


@pytest.fixture
def unused_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    return free_port()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Return a function that calls another one until its result is true, and returns that.

    A server that does not answer is one that did not get that far yet. A probe that is itself
    work, such as a whole page or a command, asks ``every`` few seconds.
    """

    def wait(
        probe: Callable[[], T],
        seconds: float = READY_SECONDS,
        why: Callable[[], str] = str,
        every: float = POLL_SECONDS,
    ) -> T:
        deadline = time.monotonic() + seconds
        while True:
            last: object
            try:
                last = result = probe()
            except httpx.TransportError as error:
                last = error
            else:
                if result:
                    return result
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds} s; the last answer was {last!r}\n{why()}")
            time.sleep(every)

    return wait


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Return the stack that stops what a test started, the last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def mosquitto_server(servers: ExitStack, tmp_path: Path) -> Callable[..., Mosquitto]:
    """Return a function that starts a Mosquitto: ``(users=None, acl=None, tls=None)``."""

    def start(
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: tuple[Path, Path] | None = None,
    ) -> Mosquitto:
        return started(Mosquitto(tmp_path / "mosquitto", users, acl, tls), servers)

    return start


@pytest.fixture
def mosquitto(mosquitto_server: Callable[..., Mosquitto]) -> Mosquitto:
    """Return a running Mosquitto that lets anybody in."""
    return mosquitto_server()


@pytest.fixture
def prometheus_server(servers: ExitStack, tmp_path: Path) -> Callable[[str], Prometheus]:
    """Return a function that starts a Prometheus with the configuration given as text."""

    def start(config: str) -> Prometheus:
        return started(Prometheus(tmp_path / "prometheus", config), servers)

    return start


@pytest.fixture
def alertmanager_server(servers: ExitStack, tmp_path: Path) -> Callable[[str], Alertmanager]:
    """Return a function that starts an Alertmanager with the configuration given as text."""

    def start(config: str) -> Alertmanager:
        return started(Alertmanager(tmp_path / "alertmanager", config), servers)

    return start
