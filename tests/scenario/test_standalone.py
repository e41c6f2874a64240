"""What `twin scenario show` prints: a scenario that runs wherever it is put."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.scenario import load_scenario, scenario_names, scenario_text

SITE = "# my site\nname: mine\nracks: 1\ntitle: 'on: °C'\n"
OWN = """title: a pump
# whose site is beside it
site: %s  # here

# what happens
duration: 4m
faults:
  - {kind: pump-failure, at: 1m, for: 1m}  # first
"""


def test_every_shipped_scenario_stands_alone(tmp_path: Path) -> None:
    """Printed into a file elsewhere, each is the same scenario on the same site."""
    differing = []
    for name in scenario_names():
        path = tmp_path / f"{name}.yaml"
        path.write_text(scenario_text(name), encoding="utf-8")
        shipped, printed = load_scenario(name), load_scenario(str(path))
        site = {"site": ""}
        same = shipped.scenario.model_copy(update=site) == printed.scenario.model_copy(update=site)
        if not same or shipped.layout.site != printed.layout.site:
            differing.append(name)
    assert differing == []


@pytest.mark.parametrize(
    "site",
    [
        "sites/own.yaml",
        "{preset: sites/own.yaml, megapacks: {count: 1}}",
        "\n  preset: sites/own.yaml\n  megapacks: {count: 1}",
    ],
)
def test_a_site_beside_the_file_is_written_into_it(site: str, tmp_path: Path) -> None:
    """A path is replaced by what it leads to, and all else stays as it was written."""
    folder, elsewhere = tmp_path / "a", tmp_path / "b"
    (folder / "sites").mkdir(parents=True)
    elsewhere.mkdir()
    (folder / "sites/own.yaml").write_text(SITE, encoding="utf-8")
    own = folder / "own.yaml"
    own.write_text(OWN % site, encoding="utf-8")
    text = scenario_text(str(own))
    (elsewhere / "own.yaml").write_text(text, encoding="utf-8")
    expected = load_scenario(str(own))
    printed = load_scenario(str(elsewhere / "own.yaml"))
    assert printed.layout.site == expected.layout.site
    assert "sites/own.yaml" not in text
    for comment in ("# whose site is beside it", "# what happens", "# first"):
        assert comment in text


def test_a_scenario_in_one_line_stands_alone(tmp_path: Path) -> None:
    """A file in flow style is written anew, and means the same."""
    (tmp_path / "own.yaml").write_text(SITE, encoding="utf-8")
    path = tmp_path / "flow.yaml"
    path.write_text("{title: t, site: ./own.yaml, duration: 1m}", encoding="utf-8")
    text = scenario_text(str(path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "flow.yaml").write_text(text, encoding="utf-8")
    assert load_scenario(str(elsewhere / "flow.yaml")).layout.site.name == "mine"


@pytest.mark.parametrize("site", ["colossus-array", "{preset: demo, racks: 2}", "{racks: 1}"])
def test_what_stands_alone_is_printed_as_it_is(site: str, tmp_path: Path) -> None:
    """A preset's name or a whole section needs nothing, so not a byte is changed."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN % site, encoding="utf-8")
    assert scenario_text(str(path)) == OWN % site
