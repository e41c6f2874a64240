"""What every script in ``benchmarks/`` does with its figures and its errors."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from twin.bench.results import load_result
from twin.bench.script import lines, parser, run
from twin.errors import ServiceError

Capture = pytest.CaptureFixture[str]
FIGURES = {"lost": 1_234, "held": False, "cores": {"broker": 0.5}}


@pytest.fixture(autouse=True)
def a_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be a script for the time of a test."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["benchmarks/x.py"])
    yield
    signal.signal(signal.SIGTERM, before)


def table(figures: Mapping[str, Any]) -> str:
    """Return a line a figure."""
    return "\n".join(lines(figures))


def test_people_get_a_table(capsys: Capture) -> None:
    """Numbers with commas, words for yes and no, parts in one line."""
    run(parser("").parse_args([]), lambda: FIGURES, table)
    text = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert text == ["lost 1,234", "held no", "cores broker 0.5"]


def test_json_and_file_say_the_same(tmp_path: Path, capsys: Capture) -> None:
    """The object that is printed is the one that is saved."""
    path = tmp_path / "x.json"
    returned = run(parser("").parse_args(["--json", "--save", str(path)]), lambda: FIGURES, table)
    assert returned == FIGURES
    assert json.loads(capsys.readouterr().out) == json.loads(path.read_text())
    saved = load_result(path)
    assert saved is not None
    assert saved.figures == FIGURES


def test_an_error_is_a_sentence(tmp_path: Path, capsys: Capture) -> None:
    """The script's name, what is wrong, the status of the error, and no file."""

    def measure() -> dict[str, Any]:
        raise ServiceError("prometheus ended")

    with pytest.raises(SystemExit) as ended:
        run(parser("").parse_args(["--save", str(tmp_path / "x.json")]), measure, table)
    assert ended.value.code == 3
    assert capsys.readouterr().err == "x.py: prometheus ended\n"
    assert list(tmp_path.iterdir()) == []
