"""The dashboards: built from code, complete, and without overlaps."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from twin.catalog import GPU
from twin.grafana.__main__ import main
from twin.grafana.build import DASHBOARDS, build_all
from twin.grafana.queries import of, own, rack, site

COMMITTED = Path(__file__).parents[2] / "dashboards"


@pytest.fixture(params=sorted(DASHBOARDS))
def dashboard(request: pytest.FixtureRequest) -> Any:
    """Return each dashboard as Grafana reads it."""
    return json.loads(build_all()[request.param])


def panels_of(dashboard: Any) -> list[Any]:
    """Return the panels that are no row headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_committed_json_is_what_the_code_builds() -> None:
    """Nobody edited a dashboard by hand, and nobody forgot to build it."""
    assert {path.name: path.read_text("utf-8") for path in COMMITTED.iterdir()} == build_all()


def test_build_is_stable() -> None:
    """Building twice gives the same bytes."""
    assert build_all() == build_all()


def test_every_panel_explains_itself(dashboard: Any) -> None:
    """A panel has a title, a sentence on how to read it, a unit and a data source."""
    for panel in panels_of(dashboard):
        assert panel["title"]
        assert len(panel["description"]) > 30, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["targets"], panel["title"]


def test_ids_are_unique(dashboard: Any) -> None:
    """A link to a panel leads to one panel, and a query is known by one letter."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels_of(dashboard):
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


def test_panels_fill_their_rows_without_overlap(dashboard: Any) -> None:
    """Every cell of the grid belongs to exactly one panel, 24 columns wide, without gaps."""
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    height = max(y for _, y in cells) + 1
    assert sorted(cells) == sorted((x, y) for x in range(24) for y in range(height))


def test_panels_stand_under_a_row_title(dashboard: Any) -> None:
    """The dashboard begins with a titled row, and no row is empty."""
    kinds = [panel["type"] for panel in dashboard["panels"]]
    assert kinds[0] == "row"
    assert kinds[-1] != "row"
    assert ("row", "row") not in pairwise(kinds)
    assert all(panel["title"] for panel in dashboard["panels"])


def test_only_the_chosen_site_is_shown(dashboard: Any) -> None:
    """Every query asks for the site that the variable names."""
    for panel in panels_of(dashboard):
        for target in panel["targets"]:
            assert "$site" in target["expr"], panel["title"]


def test_tables_say_what_an_empty_table_means(dashboard: Any) -> None:
    """A table without rows, as on a healthy site, says so in words."""
    for panel in panels_of(dashboard):
        if panel["type"] == "table":
            assert panel["fieldConfig"]["defaults"]["noValue"]


def test_json_is_classic(dashboard: Any) -> None:
    """The JSON is of the kind that Grafana 10 to 13 all read from files."""
    assert dashboard["schemaVersion"] == 42
    assert dashboard["uid"]
    assert "apiVersion" not in dashboard


def test_check_finds_a_difference_and_build_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` fails on edited, missing and left-over files; a build puts them right."""
    for name in build_all():
        (tmp_path / name).write_text("{}")
    (tmp_path / "old.json").write_text("{}")
    assert main(["--check"], tmp_path) == 1
    assert "old.json, site.json" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(DASHBOARDS)


def test_queries_refuse_names_that_do_not_exist() -> None:
    """A misspelt signal, roll-up or own metric fails when the dashboard is built."""
    for query in (site, rack, own):
        with pytest.raises(KeyError, match=r"there is no roll-up|has no metric"):
            query("no_such_thing")
    with pytest.raises(KeyError, match="no signal"):
        of(GPU, "no_such_thing")
