"""The script that asks other people's dashboards of the twin: what it makes of their files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        spec = importlib.util.spec_from_file_location("asked", SCRIPTS / "compatibility.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "asked", module)
        spec.loader.exec_module(module)
        return module


def test_variables_are_replaced_in_all_three_spellings(script: ModuleType) -> None:
    """Grafana knows $name, ${name:format} and [[name]]; what is no variable stays."""
    text = 'up{a="$job", b="${job:regex}", c="[[job]]", d="$other"}'
    assert script.substituted(text, {"job": "x"}) == 'up{a="x", b="x", c="x", d="$other"}'


def test_panels_in_rows_are_found(script: ModuleType) -> None:
    """Collapsed rows and those of old dashboards hold panels, too; texts ask nothing."""
    one = {"title": "one", "targets": [{"expr": "up"}]}
    board = {
        "panels": [{"type": "row", "panels": [one]}, {"type": "text"}],
        "rows": [{"panels": [{"title": "two", "targets": [{"expr": "down"}]}]}],
    }
    assert list(script.panels_of(board)) == [("one", ["up"]), ("two", ["down"])]


def test_the_share_is_of_what_a_real_cluster_answers(script: ModuleType) -> None:
    """Panels of other exporters count neither for nor against the twin."""
    tally = script.Tally("mine", "me", panels=10, answered=6, partly=1, beyond=2)
    assert tally.share == 7 / 8
    assert "| mine: me | 10 | 2 | 6 | 1 | 88% |" in script.page([tally])
