"""Options of a backtest that do not fit: one sentence each, before any server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin.cli import app
from twin.errors import ConfigError

URL = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--history", URL, "--sweep", "for=1s..1m"], "--sweep is for scenarios"),
        (["--history", URL, "--scenarios", "x"], "--scenarios is for scenarios"),
        (["--from", "now-1d"], "--from is for a real past; give its Prometheus with --history"),
        (["--incidents", "x"], "--incidents is for a real past"),
        (["--history", "http://user:secret@host"], "--history has a login in the address"),
        (["--history", "host:9090"], "is not an address"),
        (["--history", URL, "--incidents", "no-such-file"], "no-such-file: cannot be read"),
        (["--history", URL, "--credentials", "no-such-file"], "credentials cannot be read"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the option and what to do; it never shows a password."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["rules", "test", *options])
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)
    assert "secret" not in str(done.exception)
