"""Logs: one JSON object a line where nobody reads along, whoever writes them."""

from __future__ import annotations

import ctypes
import io
import json
import logging
import sys

import pytest
import structlog

from twin.cli.process import configure_logs, keep_memory


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def configure(level: str) -> None:
    """Configure logs as in a process of its own, where pytest has no handlers."""
    logging.getLogger().handlers.clear()
    configure_logs(level)


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our lines and those of libraries are JSON with time, level and event."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    configure("info")
    structlog.get_logger("twin").info("aggregator listens", url="http://x")
    structlog.get_logger("twin").debug("not of interest")
    logging.getLogger("uvicorn.error").error("it %s", "broke")
    logging.getLogger("uvicorn.error").warning("not of interest")
    ours, theirs = (json.loads(line) for line in log.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["url"]) == ("aggregator listens", "info", "http://x")
    assert (theirs["event"], theirs["level"]) == ("it broke", "error")
    assert ours["timestamp"].endswith("Z")
    assert theirs["timestamp"].endswith("Z")


def test_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a line is for people."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure("warning")
    structlog.get_logger("twin").warning("fell behind", late_seconds=2.5)
    line = terminal.getvalue()
    assert "fell behind" in line
    assert not line.startswith("{")


def test_standard_error_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines go to what standard error is when they are written: a live status takes it over."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    configure("info")
    later = io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    structlog.get_logger("twin").info("now")
    assert json.loads(later.getvalue())["event"] == "now"


@pytest.mark.parametrize(
    ("racks", "environment", "kept"),
    [(1000, {}, 64 << 20), (10, {}, 2 << 20), (1000, {"MALLOC_TRIM_THRESHOLD_": "1"}, None)],
)
def test_freed_memory_is_kept_as_the_site_needs_it(
    monkeypatch: pytest.MonkeyPatch, racks: int, environment: dict[str, str], kept: int | None
) -> None:
    """Glibc keeps 64 MiB on a large site and 2 MiB on others, unless the environment says it."""
    library, answers, bounds = ctypes.CDLL(None), [], []

    class Library:
        """The C library, overheard."""

        @staticmethod
        def mallopt(option: int, value: int) -> None:
            """Set it and keep what glibc says: 1 for yes."""
            answers.append((option, library.mallopt(option, value)))
            bounds.append(value)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    keep_memory(racks)
    assert answers == ([(-1, 1), (-3, 1)] if kept else [])
    assert bounds[:1] == ([kept] if kept else [])


def test_c_libraries_without_the_setting_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On musl and macOS nothing is set and nothing fails."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    keep_memory(1000)
