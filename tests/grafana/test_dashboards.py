"""The dashboards as they are built: complete, linked, without overlaps, and one product."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from grafana_foundation_sdk.models import units

from twin.catalog import DEVICES, OWN_METRICS, ROLLUPS, Detail, DeviceClass, Level, UnitKind
from twin.faults import FAULTS
from twin.grafana.build import build_all, differences, write_all
from twin.grafana.colors import RED, YELLOW
from twin.grafana.dashboard_links import PLACES
from twin.grafana.optional_metrics import optional_of
from twin.grafana.pages import PAGES, SITE, TAG, DashboardPage
from twin.grafana.queries import quiet_queries
from twin.grafana.queries.servers import NAMES
from twin.grafana.substitute import parse_label_values, substitute
from twin.site import Layout, load_site

COMMITTED = Path(__file__).parents[2] / "dashboards"
CUSTOM_UNITS = {"si:W/s", "si:tok/s", "string", "suffix:MHz", "suffix:Hz", "suffix:mm/s",
                "suffix:kV"}  # fmt: skip
UNITS = {value for value in vars(units).values() if isinstance(value, str)} | CUSTOM_UNITS
INTERNAL = {"__rate_interval", "__range", "__range_s", "__interval"}
ALERTS = {"ALERTS", "ALERTS_FOR_STATE", "up"}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def panels_of(dashboard: Any) -> list[Any]:
    """Return the panels that are no row headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


_RISING = [YELLOW, RED]


def queries_of(dashboard: Any) -> Iterator[str]:
    """Yield every query of panels and annotations."""
    for panel in panels_of(dashboard):
        for target in panel["targets"]:
            yield target["expr"]
    for mark in dashboard["annotations"]["list"]:
        yield mark["expr"]


def plain(dashboard: Any, query: str) -> str:
    """Return a query with something for every variable, so that it can be parsed."""
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    chosen = {
        variable["name"]: variable["options"][0]["value"]
        for variable in dashboard["templating"]["list"]
        if variable.get("options")
    }
    times = {"__rate_interval": "1m", "__range": "15m", "__range_s": "900", "__interval": "15s"}
    return substitute(query, {**dict.fromkeys(names, "x"), **chosen, **times})  # fmt: skip


def metrics_in(node: Any) -> Iterator[str]:
    """Yield the metric names that a parsed query reads."""
    if isinstance(node, promql_parser.VectorSelector):
        named = [m.value for m in node.matchers.matchers if m.name == "__name__"]
        yield from [node.name] if node.name else named
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, part, None)
        if child is not None and not isinstance(child, str | float):
            yield from metrics_in(child)
    for child in getattr(node, "args", ()) or ():
        yield from metrics_in(child)


def exposed_without_arrays() -> set[str]:
    """Return the metrics that a site of any size exposes whatever detail its arrays have."""
    names = {metric.name for metric in OWN_METRICS} | ALERTS | NAMES
    names |= {
        signal.metric
        for device in DEVICES
        if device.frame not in (UnitKind.RACK, UnitKind.ARRAY)
        for signal in device
    }
    return names | {rollup.metric(level) for rollup in ROLLUPS for level in rollup.levels}


def base(metric: str) -> str:
    """Return the name of the histogram that a series belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", metric)


def test_committed_json_is_what_the_code_builds() -> None:
    """Nobody edited a dashboard by hand, and nobody forgot to build it."""
    assert {path.name: path.read_text("utf-8") for path in COMMITTED.iterdir()} == build_all()


def test_build_is_stable() -> None:
    """Building twice gives the same bytes."""
    assert build_all() == build_all()


def test_there_is_one_dashboard_a_page(built: dict[str, Any]) -> None:
    """The fifteen pages are built in the order of their links, each under its own address."""
    assert list(built) == [page.file for page in PAGES]
    assert [dashboard["uid"] for dashboard in built.values()] == [
        "twin-site", "twin-array", "twin-rack", "twin-server", "twin-cooling",
        "twin-air", "twin-nvl72", "twin-amd", "twin-network", "twin-energy", "twin-job",
        "twin-serving", "twin-alerts",
        "twin-shadow", "twin-pipeline",
    ]  # fmt: skip


@pages
def test_every_panel_explains_itself(page: DashboardPage, built: dict[str, Any]) -> None:
    """A panel has a title, a sentence on how to read it, a unit that Grafana knows, and queries."""
    for panel in panels_of(built[page.file]):
        assert panel["title"]
        assert len(panel["description"]) > 15, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]


@pages
def test_overrides_have_units_that_grafana_knows(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """A column or a line with a unit of its own has one that Grafana can format."""
    for panel in panels_of(built[page.file]):
        for override in panel["fieldConfig"].get("overrides", ()):
            for change in override["properties"]:
                if change["id"] == "unit":
                    assert change["value"] in UNITS, panel["title"]


@pages
def test_data_source_is_the_one_chosen(page: DashboardPage, built: dict[str, Any]) -> None:
    """Every panel, query, variable and annotation asks the data source that the variable names."""
    dashboard = built[page.file]
    asking = [*panels_of(dashboard), *dashboard["annotations"]["list"]]
    asking += [target for panel in panels_of(dashboard) for target in panel["targets"]]
    asking += [v for v in dashboard["templating"]["list"] if v["type"] == "query"]
    for one in asking:
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pages
def test_ids_are_unique(page: DashboardPage, built: dict[str, Any]) -> None:
    """A link to a panel leads to one panel, and a query is known by one letter."""
    ids = [panel["id"] for panel in built[page.file]["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels_of(built[page.file]):
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


@pages
def test_panels_fill_their_rows_without_overlap(page: DashboardPage, built: dict[str, Any]) -> None:
    """Every cell of the grid belongs to exactly one panel, 24 columns wide, without gaps."""
    cells = [
        (x, y)
        for panel in built[page.file]["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    height = max(y for _, y in cells) + 1
    assert sorted(cells) == sorted((x, y) for x in range(24) for y in range(height))


@pages
def test_panels_stand_under_a_row_title(page: DashboardPage, built: dict[str, Any]) -> None:
    """A dashboard begins with a titled row, and no row is empty."""
    panels = built[page.file]["panels"]
    kinds = [panel["type"] for panel in panels]
    assert kinds[0] == "row"
    assert kinds[-1] != "row"
    assert ("row", "row") not in pairwise(kinds)
    assert all(panel["title"] for panel in panels)


@pages
def test_dashboards_are_one_product(page: DashboardPage, built: dict[str, Any]) -> None:
    """All share the range of time, the refresh, the marks, the links and the variables."""
    dashboard, first = built[page.file], built[SITE.file]
    for shared in ("time", "refresh", "links", "graphTooltip", "timezone"):
        assert dashboard[shared] == first[shared], shared
    named = [[mark["name"] for mark in one["annotations"]["list"]] for one in (dashboard, first)]
    assert named[0] == named[1]
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names[:7] == ["datasource", "site", "hall", "array", "rack", "host", "gpu"]
    shown = {v["name"] for v in dashboard["templating"]["list"] if v.get("hide") != 2}
    assert shown == {"datasource", "site", *page.variables}
    assert dashboard["tags"] == [TAG]


@pages
def test_links_lead_to_dashboards_and_choose_what_they_have(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """A link leads to one of the dashboards, keeps the time, and sets variables that it has."""
    targets = {dashboard["uid"]: dashboard for dashboard in built.values()}
    for link in built[page.file]["links"]:
        assert link["url"].removeprefix("/d/") in targets
        assert link["includeVars"]
        assert link["keepTime"]
    for address in drill_downs(built[page.file]):
        uid, _, query = address.removeprefix("/d/").partition("?")
        carried = set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", query))
        names = {first or second for first, second in carried}
        assert {"datasource", "site"} <= names
        assert "${__url_time_range}" in query
        # All that says where the reader is, down to what was chosen: no gap in between.
        chosen = [place for place in PLACES if place in names]
        assert chosen == list(PLACES[: len(chosen)])
        if uid in targets:
            variables = {one["name"] for one in targets[uid]["templating"]["list"]}
            assert names <= variables
            needed = set(targets_of(uid).variables) - {"gpu", "map", "relation"}
            assert needed <= names, address


def drill_downs(dashboard: Any) -> Iterator[str]:
    """Yield the addresses of the links of panels, columns and cells."""
    for panel in panels_of(dashboard):
        yield from (link["url"] for link in panel["fieldConfig"]["defaults"].get("links") or ())
        for override in panel["fieldConfig"].get("overrides", ()):
            for change in override["properties"]:
                if change["id"] == "links":
                    yield from (link["url"] for link in change["value"])


def targets_of(uid: str) -> DashboardPage:
    """Return the page of a dashboard."""
    return next(page for page in PAGES if page.uid == uid)


def test_variables_narrow_each_other(built: dict[str, Any]) -> None:
    """A rack is chosen among those of the array, a host among those of the rack."""
    for dashboard in built.values():
        queries = {one["name"]: one.get("query") for one in dashboard["templating"]["list"]}
        for outer, inner in pairwise(PLACES):
            assert f"${outer}" in queries[inner], (dashboard["uid"], inner)


def test_alerts_lead_to_their_place(built: dict[str, Any]) -> None:
    """A row of an alert links to the dashboard that its labels name, with array and rack."""
    for name in ("site.json", "alerts.json"):
        for panel in panels_of(built[name]):
            if panel["title"] not in ("Firing alerts", "For how long") or panel["type"] != "table":
                continue
            (url,) = set(drill_downs({"panels": [panel]}))
            assert url.startswith('/d/${__data.fields["Board"]}?')
            assert 'var-rack=${__data.fields["Rack"]}' in url
            assert 'var-array=${__data.fields["Array"]}' in url
            for uid in ("twin-rack", "twin-array", "twin-energy", "twin-job"):
                assert f'"{uid}"' in panel["targets"][0]["expr"]


@pages
def test_queries_are_promql_with_known_variables(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """Every query parses, names variables that the dashboard has, and keeps to the site."""
    dashboard = built[page.file]
    for query in queries_of(dashboard):
        promql_parser.parse(plain(dashboard, query))
    for panel in panels_of(dashboard):
        for target in panel["targets"]:
            own = NAMES.intersection(re.findall(r"\w+", target["expr"]))
            assert "$site" in target["expr"] or own, panel["title"]


@pages
def test_variables_ask_for_label_values(page: DashboardPage, built: dict[str, Any]) -> None:
    """A variable asks for the values of a label, so that a check can ask the same."""
    for variable in built[page.file]["templating"]["list"]:
        if variable["type"] == "query" and variable["name"] != "relation":
            assert all(parse_label_values(variable["query"]))


def test_targets_that_the_demo_lacks_are_optional(built: dict[str, Any]) -> None:
    """A query for the ``up`` of a job that only some sites have counts as one that may be empty."""
    layout = Layout(load_site("demo"))
    there = {own.family.job for device in DEVICES if layout.per_unit(device) for own in device}
    asked = {
        (job, query)
        for dashboard in built.values()
        for query in queries_of(dashboard)
        for job in re.findall(r'up\{[^}]*job="([^"]+)"', query)
    }
    assert {job for job, _ in asked} > {"nmx-telemetry", "vllm"}
    for job, query in sorted(asked):
        assert job in there or optional_of(query) is not None, query


def test_yellow_begins_near_red(built: dict[str, Any]) -> None:
    """A value that is bad from a limit on is worth a look from half of it on at the earliest."""
    steps = [
        (panel["title"], panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []))
        for dashboard in built.values()
        for panel in panels_of(dashboard)
    ]
    rising = [(title, own) for title, own in steps if [s["color"] for s in own][1:] == _RISING]
    assert len(rising) > 5
    for title, (_, near, limit) in rising:
        assert limit["value"] / 2 <= near["value"] < limit["value"], title


def test_twin_and_reality_opens_on_the_largest_finding(built: dict[str, Any]) -> None:
    """Grafana takes the first relation, so they are in order of their findings, not by name."""
    (one,) = [v for v in built["shadow.json"]["templating"]["list"] if v["name"] == "relation"]
    assert one["sort"] == 0
    text = one["query"].removeprefix("query_result(").removesuffix(")")
    query = plain(built["shadow.json"], text)
    assert str(promql_parser.parse(query)).startswith("sort_desc(")
    first, *_ = text.split(" or ")
    assert "twin_shadow_finding_residual_sigmas" in first
    found = re.search(one["regex"].strip("/"), '{relation="pump_flow"} 1007.5 1700000000000')
    assert found is not None
    assert found[1] == "pump_flow"


@pages
def test_site_wide_dashboards_read_no_single_device(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """What is to work for 100,000 GPUs reads roll-ups and the site's meters only."""
    if not page.site_wide:
        return
    allowed = exposed_without_arrays()
    for query in queries_of(built[page.file]):
        for metric in metrics_in(promql_parser.parse(plain(built[page.file], query))):
            assert metric in allowed or base(metric) in allowed, query


@pages
def test_racks_are_read_from_rollups_or_few_devices(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """A query over all racks of the site reads at most what a rack has a few of."""
    many = {s.metric for d in DEVICES if _many(d) for s in d} - exposed_without_arrays()
    for query in queries_of(built[page.file]):
        if not re.search(r"\$(array|rack|host)", query):
            parsed = promql_parser.parse(plain(built[page.file], query))
            assert not many.intersection(metrics_in(parsed)), query


def _many(device: DeviceClass) -> bool:
    return device.frame in (UnitKind.RACK, UnitKind.ARRAY) and device.detail is Detail.GPU


def test_server_dashboard_asks_for_nothing_that_only_the_twin_has(built: dict[str, Any]) -> None:
    """On a real cluster no label of the twin has to be there: each may be absent."""
    for query in queries_of({**built["server.json"], "annotations": {"list": []}}):
        matchers = re.findall(r'(site|hall|array|rack)(=~?)"([^"]*)"', query)
        assert all(operator == "=~" and value.endswith("|") for _, operator, value in matchers)


def test_what_is_quiet_names_a_fault(built: dict[str, Any]) -> None:
    """A query that may be empty on a healthy site names a fault that exists, and is used."""
    used = {query for dashboard in built.values() for query in queries_of(dashboard)}
    assert len(quiet_queries()) > 10
    for query, fault in quiet_queries().items():
        assert fault in FAULTS, query
        assert query in used, query


@pages
def test_quiet_panels_say_what_emptiness_means(page: DashboardPage, built: dict[str, Any]) -> None:
    """A panel that is empty on a healthy site says so in words."""
    for panel in panels_of(built[page.file]):
        silent = all(target["expr"] in quiet_queries() for target in panel["targets"])
        if silent or panel["type"] == "table":
            assert panel["fieldConfig"]["defaults"].get("noValue"), panel["title"]


@pages
def test_json_is_classic(page: DashboardPage, built: dict[str, Any]) -> None:
    """The JSON is of the kind that Grafana 10 to 13 all read from files."""
    assert built[page.file]["schemaVersion"] == 42
    assert "apiVersion" not in built[page.file]


def test_build_mends_what_differs_and_leaves_the_rest(tmp_path: Path) -> None:
    """Edited, missing and left-over dashboards are put right; what is not ours is left alone."""
    for name in build_all():
        (tmp_path / name).write_text("{}")
    (tmp_path / "old.json").write_text(json.dumps({"tags": [TAG]}))
    (tmp_path / "theirs.json").write_text(json.dumps({"tags": ["other"]}))
    (tmp_path / "broken.json").write_text("no JSON")
    assert differences(tmp_path) == sorted([*build_all(), "old.json"])
    assert write_all(tmp_path) == sorted([*build_all(), "old.json"])
    assert differences(tmp_path) == []
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*build_all(), "theirs.json", "broken.json"}


def test_map_offers_what_racks_have(built: dict[str, Any]) -> None:
    """Every choice of the map is a roll-up over racks, and one query of the map answers to it."""
    (choice,) = [v for v in built["site.json"]["templating"]["list"] if v["type"] == "custom"]
    metrics = [option["value"] for option in choice["options"]]
    known = {rollup.metric(Level.RACK) for rollup in ROLLUPS if Level.RACK in rollup.levels}
    assert set(metrics) <= known
    (panel,) = [p for p in panels_of(built["site.json"]) if p["title"] == "Every rack"]
    for metric in metrics:
        assert sum(f'__name__="{metric}"' in target["expr"] for target in panel["targets"]) == 1
