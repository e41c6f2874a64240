"""``twin whatif`` at the command line: what does not fit is refused in one sentence."""

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
        (["--site", "own.yaml", "--fault", "no-such-fault"], "no-such-fault"),
        (["--site", "own.yaml", "--fault", "pump-failure", "-t", "r0009/pump1"], "r0009"),
        (["--site", "own.yaml", "--fault", "pump-failure", "--for", "long"], "is not valid"),
        (["--site", "own.yaml", "--fault", "pump-failure", "--prometheus", URL], "no measured"),
        (["--site", "demo", "--fault", "pump-failure", "--prometheus", URL], "no measured"),
        (
            ["--site", "own.yaml", "--fault", "pump-failure", "--shadow", "own.shadow"],
            "no observer",
        ),
        (
            ["--site", "own.yaml", "--fault", "pump-failure", "--shadow", "a", "--prometheus", URL],
            "give one of them",
        ),
        (
            ["--site", "own.yaml", "--fault", "pump-failure", "--no-alerts", "-r", "own.rules.yml"],
            "--no-alerts",
        ),
        (["--site", "none.yaml", "--fault", "pump-failure"], "none.yaml: cannot be read"),
        (["--site", "no-preset", "--fault", "pump-failure"], "does not exist"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the option, the file or the fault."""
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text("{name: own, racks: 1}", encoding="utf-8")
    done = CliRunner().invoke(app, ["whatif", *options])
    assert isinstance(done.exception, ConfigError), done.output
    assert told in str(done.exception)
