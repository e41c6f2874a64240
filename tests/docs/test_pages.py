"""The reference pages as a whole: made from the code, and up to date."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from twin.cli import app
from twin.docs import __main__ as command
from twin.docs import command_line, faults, sites
from twin.docs.markdown import table
from twin.faults import FAULTS
from twin.faults.natural import CAUSES
from twin.site import GpuModel, Site, gpu_model_names, preset_names, short_model_name

DOCS = Path(__file__).parents[2] / "docs"


def test_pages_are_up_to_date() -> None:
    """Whoever changes the catalogue, a fault, a site or a command runs python -m twin.docs."""
    assert command.stale(command.pages(), DOCS) == []


def test_every_dashboard_has_a_row() -> None:
    """The list of dashboards names each that is shipped, by the title that Grafana shows."""
    page = (DOCS / "dashboards.md").read_text(encoding="utf-8")
    boards = sorted((DOCS.parent / "dashboards").glob("*.json"))
    titles = [json.loads(own.read_text(encoding="utf-8"))["title"] for own in boards]
    assert [title for title in titles if f"\n| **{title}** |" not in page] == []
    assert len(titles) > 10


def test_stale_pages_are_found(tmp_path: Path) -> None:
    """A page that is missing, one that differs and one that nothing makes any more."""
    texts = {"a.md": "a", "b.md": "b", "schema/c.json": "c"}
    (tmp_path / "schema").mkdir()
    (tmp_path / "a.md").write_text("a")
    (tmp_path / "b.md").write_text("old")
    (tmp_path / "schema/d.json").write_text("left over")
    (tmp_path / "design.md").write_text("written by hand")
    assert command.stale(texts, tmp_path) == ["b.md", "schema/c.json", "schema/d.json"]


def test_command_writes_then_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check complains of what is outdated; a run without it mends that and removes the rest."""
    monkeypatch.setattr(command, "_DOCS", tmp_path / "docs")
    (tmp_path / "docs/schema").mkdir(parents=True)
    (tmp_path / "docs/schema/old.json").write_text("{}")

    monkeypatch.setattr(sys, "argv", ["docs", "--check"])
    assert command.main() == 1
    assert "docs/metrics.md is not up to date; run python -m twin.docs" in capsys.readouterr().err
    assert not (tmp_path / "docs/metrics.md").exists()

    monkeypatch.setattr(sys, "argv", ["docs"])
    assert command.main() == 0
    assert not (tmp_path / "docs/schema/old.json").exists()

    monkeypatch.setattr(sys, "argv", ["docs", "--check"])
    assert command.main() == 0


def test_module_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m twin.docs`` ends with the status of the comparison."""
    monkeypatch.setattr(sys, "argv", ["docs", "--check"])
    monkeypatch.delitem(sys.modules, "twin.docs.__main__")
    with pytest.raises(SystemExit) as exit_:
        runpy.run_module("twin.docs", run_name="__main__")
    assert exit_.value.code == bool(command.stale(command.pages(), DOCS))


def test_faults_page_has_every_fault() -> None:
    """A heading, what one sees and a command to copy."""
    page = faults.pages()["faults.md"]
    for kind, fault in FAULTS.items():
        assert f"\n## {kind}\n" in page
        assert fault.shows in page
        assert f"twin inject {kind} --target {fault.default_target}" in page
        for parameter in fault.model_fields:
            assert f"| `{parameter}` |" in page


def test_faults_page_has_every_natural_cause() -> None:
    """A row for each published cause with its count."""
    page = faults.pages()["faults.md"]
    for cause in CAUSES:
        assert f"| {cause.name} | {cause.count} |" in page


def test_sites_page_has_every_key() -> None:
    """Every key of a site's YAML with its default and what is allowed."""
    page = sites.pages()["sites.md"]
    for name in (*Site.model_fields, *GpuModel.model_fields):
        assert f"| `{name}` |" in page
    for name in preset_names():
        assert f"| `{name}` |" in page
    assert "| `halls` | `1` | whole, ≥ 1, ≤ 100 | Data halls. |" in page
    assert "| `count` | `0` | whole, ≥ 0, ≤ 10000 | Units. |" in page
    assert "| `liquid_ratio` | `0.87` | ≥ 0, ≤ 1 |" in page


def test_sites_page_has_every_model_and_its_short_name() -> None:
    """Who writes a site finds what `gpu` may be, by the long name and the short one."""
    page = sites.pages()["sites.md"]
    for name in gpu_model_names():
        short = short_model_name(name)
        assert f"| `{name}` | `{short}` |" in page or short == name
        assert f"| `{name}` |" in page


def test_command_page_has_every_command() -> None:
    """Every command and sub-command shows its help."""
    page = command_line.pages(app)["cli.md"]
    headings = re.findall(r"^## (twin.*)$", page, re.MULTILINE)
    assert headings[0] == "twin"
    assert {"twin up", "twin inject", "twin sites show"} <= set(headings)
    assert page.count("Usage: twin") == len(headings)


@pytest.mark.parametrize(
    "pages", [faults.pages(), sites.pages(), command_line.pages(app)], ids=lambda p: next(iter(p))
)
def test_page_is_marked_as_made(pages: Mapping[str, str]) -> None:
    """Nobody edits a page that the next run overwrites."""
    for text in pages.values():
        assert text.startswith("<!-- Made by `python -m twin.docs`; do not edit. -->\n")


def test_table_escapes_markup() -> None:
    """A bar, a tag or a line break inside a cell does not break the table."""
    assert table(("A",), [("x|y <z>\n``w``",)]) == "| A |\n| --- |\n| x\\|y &lt;z> `w` |\n"


def test_what_is_installed_can_be_found() -> None:
    """No page and no error tells to install the twin by name: no package index has it."""
    root = Path(__file__).parents[2]
    texts = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("twin/**/*.py")]
    wrong = [
        str(file.relative_to(root))
        for file in texts
        if re.search(r"pip install +[\"']?datacenter-twin", file.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_samples_for_a_ci_are_strict() -> None:
    """Every call that a CI may copy fails where a rule reads what nobody has."""
    root = Path(__file__).parents[2]
    files = (root / "docs/ci.md", root / "examples/rules-in-ci.sh")
    calls = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()
             if "twin rules test --" in line and "`twin" not in line]  # fmt: skip
    assert len(calls) == 4
    assert all("--strict" in line for line in calls)
