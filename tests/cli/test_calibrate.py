"""Calibration at the command line: what does not fit is refused before any server is asked."""

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
        (
            ["--prometheus", "http://user:secret@host", "-s", "own.yaml"],
            "has a login in the address",
        ),
        (["--prometheus", URL, "-s", "own.yaml"], "has no measured racks; write its file by"),
        (["--prometheus", URL, "-s", "none.yaml"], "none.yaml: cannot be read"),
        (["--prometheus", URL, "-s", "own.yaml", "-o", "out.txt"], "ends in .yaml"),
        (["--prometheus", URL, "-s", "own.yaml", "-o", "no/out.yaml"], "there is no folder no"),
        (["--prometheus", URL, "-s", "own.yaml", "--report", "no/r.html"], "there is no folder"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the option and what to do; nothing is written, no password is shown."""
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text("{name: own, racks: 1}", encoding="utf-8")
    done = CliRunner().invoke(app, ["calibrate", *options])
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)
    assert "secret" not in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]
