"""Output of whole commands: full devices, readers that are gone, locales without umlauts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from twin.cli.output import run
from twin.errors import CheckFailedError, ConfigError

TWIN = (sys.executable, "-m", "twin")
PRINTING = (
    ("metrics",),
    ("metrics", "--json"),
    ("faults",),
    ("sites",),
    ("sites", "show", "demo"),
    ("scenario", "list"),
    ("scenario", "show", "pump-failure"),
    ("--help",),
)


def twin(*arguments: str, **how: object) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 300, **how}
    return subprocess.run([*TWIN, *arguments], check=False, **options)  # type: ignore[call-overload,no-any-return]  # any of its options


def test_a_full_device() -> None:
    """Whatever command cannot write its output says so in one sentence, with status 2."""
    wrong = {}
    with Path("/dev/full").open("wb") as full:
        for arguments in PRINTING:
            done = twin(*arguments, stdout=full)
            said = done.stderr.decode()
            if done.returncode != 2 or said.count("\n") != 1 or "No space left" not in said:
                wrong[arguments] = (done.returncode, said[-300:])
    assert wrong == {}


def test_a_full_device_for_a_file(tmp_path: Path) -> None:
    """A file that cannot be written is the same, and standard error, of which nobody hears."""
    with Path("/dev/full").open("wb") as full:
        assert twin("sites", "show", "nowhere", stderr=full).returncode == 2
        done = twin("up", "--for", "1s", "--port", "0", "--mqtt-port", "0", stderr=full)
    assert done.returncode == 2, done.stdout[-500:]
    missing = twin("rules", "export", "-s", "pump-failure", "-o", str(tmp_path / "no/where/x.yml"))
    assert missing.returncode == 2, missing.stderr
    assert b"Traceback" not in missing.stderr


def test_a_reader_that_is_gone() -> None:
    """A reader that has seen enough, such as head, is no reason for a word."""
    read, write = os.pipe()
    os.close(read)
    for arguments in PRINTING[:3]:
        done = twin(*arguments, stdout=write)
        assert (done.returncode, done.stderr) == (2, b"")
    os.close(write)


def test_a_locale_without_umlauts(tmp_path: Path) -> None:
    """Names of any language are read and written in the C locale, also without UTF-8 mode."""
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    plain.pop("PYTHONIOENCODING", None)
    file = tmp_path / "Köln.yaml"
    file.write_text("# Köln, 東京\nname: koeln\nracks: 1\n", encoding="utf-8")
    shown = twin("sites", "show", str(file), env=plain)
    assert shown.returncode == 0, shown.stderr
    file.write_text("name: köln\nracks: 1\n", encoding="utf-8")
    refused = twin("sites", "show", str(file), env=plain)
    assert refused.returncode == 2
    assert "Köln.yaml" in refused.stderr.decode()
    assert b"Traceback" not in refused.stderr
    absent = twin("sites", "show", "Zürich", env=plain)
    assert (absent.returncode, absent.stderr.count(b"\n")) == (2, 1)


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (None, 0),
        (SystemExit(0), 0),
        (SystemExit(3), 3),
        (SystemExit(None), 0),
        (ConfigError("x"), 2),
        (CheckFailedError("x"), 1),
        (OSError(28, "No space left on device"), 2),
        (PermissionError(13, "Permission denied", "report.html"), 2),
        (BrokenPipeError(32, "Broken pipe"), 2),
        (UnicodeEncodeError("ascii", "ü", 0, 1, "not ASCII"), 2),
    ],
)
def test_status(
    raised: BaseException | None, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each end of a command has its status, and what a user must know is one sentence."""

    def command() -> None:
        if raised is not None:
            raise raised

    assert run(command) == status
    said = capsys.readouterr().err
    quiet = raised is None or isinstance(raised, (SystemExit, BrokenPipeError))
    assert said.count("\n") == (0 if quiet else 1)
