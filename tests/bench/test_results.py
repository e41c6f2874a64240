"""Results are written whole, with the machine and the command, and read back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twin.bench.machine import describe_machine
from twin.bench.results import load_result, record, save_result
from twin.errors import ConfigError


def test_a_result_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures, machine and command survive; where the result lies is no part of the command."""
    monkeypatch.setattr(
        sys,
        "argv",
        ["/somewhere/benchmarks/site.py", "--site", "demo", "--save", "x.json", "--json"],
    )
    recorded = record({"lost": 0, "cores": {"broker": 0.5}})
    save_result(recorded, tmp_path / "x.json")
    assert load_result(tmp_path / "x.json") == recorded
    assert recorded.command == "python benchmarks/site.py --site demo --json"
    assert recorded.machine == describe_machine()
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_the_command_of_the_twin_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """``twin bench`` is recorded as it is typed."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/twin", "bench", "--quick"])
    assert record({}).command == "twin bench --quick"


def test_no_result_yet(tmp_path: Path) -> None:
    """A file that is not there is no error: it was not measured yet."""
    assert load_result(tmp_path / "x.json") is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"command": "", "machine": {}, "figures": {}}'])
def test_a_broken_result_is_named(tmp_path: Path, text: str) -> None:
    """Another file is told by its name, with the remedy."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(
        ConfigError, match=r"x\.json: is not a benchmark result .* run the benchmark"
    ):
        load_result(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Nothing is half-written where nothing can be."""
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        save_result(record({}), tmp_path / "none" / "x.json")
