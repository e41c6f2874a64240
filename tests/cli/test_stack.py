"""``twin stack`` and ``twin chaos`` without a Docker Engine, and what they print."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from twin.cli import app
from twin.compose.chaos import Harm
from twin.compose.diagnosis import ServiceState
from twin.compose.secrets import LOGINS, Vault
from twin.errors import CheckFailedError, ConfigError, ServiceError

RUNNER = CliRunner()
# The package has the commands under these names, which hide the modules.
STACK, CHAOS = (import_module(f"twin.cli.{name}") for name in ("stack", "chaos"))


@pytest.mark.parametrize(
    "words", [["stack", "status"], ["stack", "doctor"], ["chaos", "kill", "mosquitto"]]
)
def test_without_an_engine_the_remedy_is_told(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no engine, or may not use it, reads so in one sentence."""
    # Not a Unix socket: one that cannot be connected to is left open by the SDK.
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    result = RUNNER.invoke(app, words)
    assert isinstance(result.exception, ServiceError)
    assert result.exception.exit_status == 3
    assert "is it running, and may you use its socket?" in str(result.exception)


def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK is an extra; who lacks it is told how to install it."""
    monkeypatch.setitem(sys.modules, "docker", None)
    result = RUNNER.invoke(app, ["stack", "status"])
    assert isinstance(result.exception, ConfigError)
    assert "pip install 'docker>=7.1,<8'" in str(result.exception)


class FakeStack:
    """A stack of given states, which no service answers."""

    project = "p"

    def __init__(self, *states: ServiceState) -> None:
        self._states = list(states)

    def states(self) -> list[ServiceState]:
        """Return the states."""
        return self._states

    def ask(self, *_: str) -> None:
        """Answer nothing."""


def told(monkeypatch: pytest.MonkeyPatch, *states: ServiceState) -> Any:
    """Let the commands see a stack of these states."""
    monkeypatch.setattr(STACK.Stack, "connected", lambda _project: FakeStack(*states))


def test_the_doctor_ends_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1 and a sentence a finding; 0 and one word of comfort without any."""
    told(monkeypatch, ServiceState("mosquitto", "paused"))
    result = RUNNER.invoke(app, ["stack", "doctor"])
    assert isinstance(result.exception, CheckFailedError)
    assert str(result.exception) == "1 thing is wrong"
    assert "mosquitto is paused" in result.output
    told(monkeypatch, ServiceState("mosquitto", "running", "healthy"))
    result = RUNNER.invoke(app, ["stack", "doctor"])
    assert result.exit_code == 0
    assert result.output == "all is well\n"


def test_a_project_without_containers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty table would look like a healthy stack."""
    told(monkeypatch)
    result = RUNNER.invoke(app, ["stack", "status"])
    assert isinstance(result.exception, ConfigError)
    assert "no container of the compose project 'p' exists" in str(result.exception)


def test_status_shows_memory_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row has the state, since when, how often restarted, and what it uses of what it may."""
    own = ServiceState(
        "mosquitto", "running", "healthy", restarts=2, since="2026-11-27T12:45:35.1Z",
        memory_used=3 * 2**20, memory_limit=512 * 2**20,
    )  # fmt: skip
    told(monkeypatch, own)
    result = RUNNER.invoke(app, ["stack", "status"])
    row = result.output.splitlines()[1].split()
    assert row == [
        "mosquitto",
        "running",
        "healthy",
        "2026-11-27",
        "12:45:35",
        "2",
        "3",
        "of",
        "512",
        "MiB",
    ]


def test_logins_are_printed_with_what_they_open(tmp_path: Path) -> None:
    """Each login is a line: name, password, purpose."""
    vault = Vault(tmp_path, lambda _path, _uid, _gid: None)
    (tmp_path / "logins").mkdir()
    for name in LOGINS:
        (tmp_path / "logins" / name).write_text(f"secret-{name}")
    result = RUNNER.invoke(app, ["stack", "logins", "--folder", str(tmp_path)])
    lines = [line.split(maxsplit=2) for line in result.output.splitlines()]
    assert lines == [[name, f"secret-{name}", LOGINS[name]] for name in vault.logins()]


def test_a_signal_undoes_the_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C and SIGTERM end the waiting, and what was done is undone."""
    done: list[str] = []

    def begin(_stack: object, harm: Harm) -> Any:
        done.append(f"{harm}")
        # The signal comes while it is being done: it must not be left half done.
        os.kill(os.getpid(), signal.SIGTERM)
        return lambda: done.append("undone")

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(CHAOS, "begin", begin)
    monkeypatch.setattr(CHAOS.Stack, "connected", lambda _project: None)
    try:
        result = RUNNER.invoke(app, ["chaos", "pause", "mosquitto", "--for", "1h"])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert result.exit_code == 0
    assert done == ["pause mosquitto", "undone"]
    assert result.output.splitlines()[0].startswith("mosquitto is frozen")
