"""Pages written by hand: what they point to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from twin.catalog import DEVICES, OWN_METRICS, REDFISH_METRICS, ROLLUPS, Level
from twin.catalog.broker import MOSQUITTO
from twin.catalog.editions import EDITIONS
from twin.catalog.schedulers import STATE_EXPORTERS
from twin.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
FOLDERS = "twin|tests|docs|deploy|scripts|benchmarks|dashboards"
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def codes(page: Path) -> list[str]:
    """Return what stands between backticks or in blocks of code."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(
        r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    )
    return [*inline, *(line for block in blocks for line in block.splitlines())]


@pages
def test_relative_links_lead_somewhere(page: Path) -> None:
    """A link to a file of this repository is not dead."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pages
def test_paths_exist(page: Path) -> None:
    """A path between backticks is there."""
    for word in codes(page):
        match = re.match(
            r"^((?:twin|tests|docs|deploy|scripts|benchmarks|dashboards)/[\w./-]*)", word
        )
        if match and "*" not in word and not match[1].startswith("twin/v1"):
            assert (ROOT / match[1]).exists(), word


@pages
def test_commands_exist(page: Path) -> None:
    """A command that a reader copies is one that twin has."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for word in codes(page):
        match = re.match(r"^(?:\$ )?twin ([a-z]+)", word)
        if match:
            assert match[1] in group.commands, word


@pages
def test_own_metrics_exist(page: Path) -> None:
    """A metric of ours that a page names is one that we expose."""
    known = {signal.metric for device in DEVICES for signal in device}
    known |= {family.metric for device in DEVICES for family in device.derived}
    known |= {name for own in EDITIONS.values() for edition in own for name in edition.fields}
    known |= {rollup.metric(level) for rollup in ROLLUPS for level in Level}
    known |= {metric.name for metric in (*OWN_METRICS, *REDFISH_METRICS)}
    states = [metric for exporter in (*STATE_EXPORTERS, MOSQUITTO) for metric in exporter.metrics]
    known |= {metric.name for metric in states}
    known |= {label for metric in states for label in metric.labels}
    prefixes = ("twin_", "DCGM_FI_DEV", "node_", "ipmi_", "kube_", "slurm_", "broker_")
    for word in codes(page):
        name = re.match(r"^[A-Za-z]\w+$", word)
        if name and word.startswith(prefixes):
            assert word in known, word


def test_the_readme_is_short() -> None:
    """A first visit reads at most 150 lines; the rest is in the docs."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_index_has_every_page() -> None:
    """Every page of the docs is one link away from their index."""
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)#]+)\)", index))
    assert {page.name for page in ROOT.glob("docs/*.*")} - {"README.md"} <= links
