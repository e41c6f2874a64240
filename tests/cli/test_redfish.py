"""``twin redfish``: refusals before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin.cli import app


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--rack", "r9999"), "--rack 'r9999': site demo has no such rack; the last is r0016"),
        (("--broker", "http://b"), "http://b"),
        (("--user", "a:b"), "--user 'a:b' is no name"),
        (
            ("--plain", "--host", "10.0.0.1"),
            "--plain would send passwords in the clear to 10.0.0.1",
        ),
        (("--plain", "--tls-cert", "x"), "--plain and --tls-cert exclude each other"),
        (("--tls-cert", "x"), "--tls-key is missing"),
        (("--first-port", "65500", "--port", "0"), "176 BMCs would need ports up to 65675"),
        (("--for", "soon"), "soon"),
    ],
)
def test_setting_that_cannot_be_is_refused(arguments: tuple[str, ...], text: str) -> None:
    """The sentence says what is wrong and what to do."""
    done = CliRunner().invoke(app, ["redfish", "--site", "demo", *arguments])
    assert done.exit_code != 0
    assert text in f"{done.exception} {done.output}"


def test_short_password_is_refused(tmp_path: Path) -> None:
    """A password that can be guessed opens no BMC."""
    file = tmp_path / "password"
    file.write_text("short\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["redfish", "--password-file", str(file)])
    assert "can be guessed" in str(done.exception)


def test_it_stops_after_its_time() -> None:
    """Without a broker it listens all the same, tells where the BMCs are, and ends in time."""
    arguments = ["redfish", "--site", "demo", "--port", "0", "--rack", "r0003", "--for", "1s"]
    done = CliRunner().invoke(app, [*arguments, "--broker", "mqtt://127.0.0.1:1", "--plain"])
    assert done.exit_code == 0, done.exception
    assert "11 BMCs at http://127.0.0.1:" in done.output
    assert "by the header Host: r0003-n1-bmc" in done.output
    assert "user admin, password " in done.output
