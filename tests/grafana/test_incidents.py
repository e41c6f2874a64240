"""What an incident looks like: the worst first, what is down in red, nothing left out."""

from __future__ import annotations

import re
from typing import Any

from tests.grafana.panels import named, overrides, pages, panels_of, unit_of
from twin.alerts import thresholds as limit
from twin.catalog import CDU, CDU_PSU, FAN, PUMP
from twin.grafana.pages import DashboardPage


@pages
def test_the_worst_stand_first(page: DashboardPage, built: dict[str, Any]) -> None:
    """A table of the greatest values begins with the greatest, one of the least with the least."""
    for panel in panels_of(built[page.file], "table"):
        expr = panel["targets"][0]["expr"]
        for function, descending in (("topk(", True), ("bottomk(", False)):
            orders = panel["options"].get("sortBy") or ()
            if function in expr and orders:
                assert orders[0].get("desc", False) is descending, panel["title"]


@pages
def test_a_lane_shows_short_states(page: DashboardPage, built: dict[str, Any]) -> None:
    """A state of a job that lasted less than the time between two points has its place too."""
    for panel in panels_of(built[page.file], "state-timeline"):
        for target in panel["targets"]:
            if "{{state}}" in target["legendFormat"]:
                assert re.search(r"max_over_time\(.*\[\$__interval\]\)", target["expr"])


@pages
def test_what_does_not_answer_is_counted(page: DashboardPage, built: dict[str, Any]) -> None:
    """Beside a number of what is up, running or online stands, in red, how many are not."""
    for panel in panels_of(built[page.file], "stat"):
        names = [target.get("legendFormat") for target in panel["targets"]]
        for good, bad in (("up", "down"), ("running", "failed"), ("online", "offline")):
            if good in names:
                place = panel["targets"][names.index(bad)]["refId"]
                steps = dict(overrides(panel, place))["thresholds"]["steps"]
                assert steps[-1] == {"value": 1, "color": "red"}, panel["title"]


def test_spines_are_no_leaves(built: dict[str, Any]) -> None:
    """Both are targets of one job: the numbers of each leave out the other."""
    found = {
        panel["title"]: [target["expr"] for target in panel["targets"]]
        for panel in panels_of(built["network.json"], "stat")
    }
    assert all('array=""' in expr for expr in found["Spine switches"])
    assert 'array!=""' in found["Leaf switches"][1]


@pages
def test_lines_keep_the_unit_of_their_panel(page: DashboardPage, built: dict[str, Any]) -> None:
    """The unit that a panel has is undone by no line on its left axis with a plain number."""
    for panel in panels_of(built[page.file], "timeseries"):
        for target in panel["targets"]:
            own = dict(overrides(panel, target["refId"]))
            if own.get("custom.axisPlacement") != "right":
                assert own.get("unit") != "none", panel["title"]


@pages
def test_shares_have_an_axis_up_to_all(page: DashboardPage, built: dict[str, Any]) -> None:
    """A share of 100 % on the right is at the top of its axis, not in the middle."""
    for panel in panels_of(built[page.file], "timeseries"):
        for target in panel["targets"]:
            own = dict(overrides(panel, target["refId"]))
            whole = {"percent": 100, "percentunit": 1}.get(unit_of(panel, target["refId"]))
            if own.get("custom.axisPlacement") == "right" and whole is not None:
                assert own["custom.axisSoftMax"] == whole, panel["title"]


def test_each_medium_has_a_dashboard(built: dict[str, Any]) -> None:
    """No panel of one cooling dashboard is empty because a site uses the other medium."""
    liquid = {s.metric for device in (CDU, CDU_PSU, PUMP) for s in device}
    rolled = {r.metric(level) for device in (CDU, CDU_PSU, PUMP) for r in device.rollups
              for level in r.levels}  # fmt: skip
    for panel in panels_of(built["air.json"]):
        for target in panel["targets"]:
            assert not named(target["expr"]) & (liquid | rolled), panel["title"]
    fans = {rollup.metric(level) for rollup in FAN.rollups for level in rollup.levels}
    for panel in panels_of(built["cooling.json"]):
        assert not {name for t in panel["targets"] for name in named(t["expr"])} & fans


def test_all_failed_fans_come_before_fast_ones(built: dict[str, Any]) -> None:
    """A rack whose fans all stand still has no fast one, and yet is first in the list."""
    (panel,) = [one for one in panels_of(built["air.json"], "table") if "failed" in one["title"]]
    assert re.search(
        r"topk\(10, .*rack_fans_failed.*\+.*rack_fan_speed", panel["targets"][0]["expr"]
    )
    assert panel["options"]["sortBy"] == [{"desc": True, "displayName": "Failed"}]


@pages
def test_a_place_in_a_table_leads_to_it(page: DashboardPage, built: dict[str, Any]) -> None:
    """A click on an array or a rack opens it, with its variable set."""
    for panel in panels_of(built[page.file], "table"):
        shown = panel["transformations"][-2]["options"]["renameByName"].values()
        for column in {"Array", "Rack"} & set(shown):
            settings = {
                change["id"]: change["value"]
                for override in panel["fieldConfig"]["overrides"]
                if override["matcher"]["options"] == column
                for change in override["properties"]
            }
            if not settings.get("custom.hidden"):
                (link,) = settings["links"]
                assert link["url"].startswith(f"/d/twin-{column.lower()}?"), panel["title"]
                assert f'var-{column.lower()}=${{__data.fields["{column}"]}}' in link["url"]


@pages
def test_a_flapping_link_is_one_line(page: DashboardPage, built: dict[str, Any]) -> None:
    """A job that stops again within five minutes is marked once, and hides no chart."""
    (mark,) = [one for one in built[page.file]["annotations"]["list"] if one["name"] == "Job"]
    _, before = mark["expr"].split(" unless ")
    assert "[5m] offset $__interval" in before


def test_a_bad_joint_is_not_hidden_in_a_line(built: dict[str, Any]) -> None:
    """The axes of a bus of some 50 V begin near the rule's limit and not at 0."""
    panels = {panel["title"]: panel for panel in panels_of(built["nvl72.json"], "timeseries")}
    for title in ("Bus", "Lowest tray input"):
        least = panels[title]["fieldConfig"]["defaults"]["custom"]["axisSoftMin"]
        assert 0 < limit.TRAY_VOLTS.value - least < 5, title


def test_a_dashboard_of_some_arrays_opens_with_one_of_them(built: dict[str, Any]) -> None:
    """The array to choose has what the dashboard shows: engines, NVL72 racks, AMD GPUs."""
    for file, metric in (
        ("serving.json", "array_inference_requests_running"),
        ("nvl72.json", "rack_bus_voltage_min_volts"),
        ("amd.json", "rack_gpus_unhealthy"),
    ):
        (array,) = [v for v in built[file]["templating"]["list"] if v["name"] == "array"]
        assert array["query"] == f'label_values({metric}{{site="$site", hall=~"$hall"}}, array)'


@pages
def test_lines_of_several_models_have_colours_of_their_own(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """A colour is set for a query only if its series are not told apart by model or job."""
    for panel in panels_of(built[page.file], "timeseries"):
        for target in panel["targets"]:
            if re.search(r"{{(model_name|training_job)}} ", target["legendFormat"]):
                assert "color" not in dict(overrides(panel, target["refId"])), panel["title"]


def test_a_reading_in_celsius_is_not_called_kelvin(built: dict[str, Any]) -> None:
    """The label of a finding has the unit of its difference; its readings are named apart."""
    (panel,) = [
        panel
        for panel in panels_of(built["shadow.json"], "timeseries")
        if panel["title"] == "Measured and expected"
    ]
    assert all('"unit", "°C", "unit", "K"' in target["expr"] for target in panel["targets"])


def test_a_shelf_that_is_off_is_not_taken_for_its_bus(built: dict[str, Any]) -> None:
    """A bus has the voltage of those of its shelves that are on, in the number and in the chart."""
    exprs = {p["title"]: p["targets"][0]["expr"] for p in panels_of(built["nvl72.json"])}
    for title in ("Lowest bus", "Bus"):
        assert "max by (array, rack) (" in exprs[title]
        assert 'sensor_name="BusVoltage"' in exprs[title]


def test_a_switch_tray_that_is_off_does_not_hide_a_bad_link(built: dict[str, Any]) -> None:
    """Links with a bad signal and those that recover stand before the 144 of a tray that is off."""
    (panel,) = [p for p in panels_of(built["nvl72.json"], "table") if p["title"] == "Worst NVLinks"]
    rank = panel["targets"][0]["expr"]
    assert rank.startswith("sort_desc(topk(20, ")
    assert re.search(r"1e6 \* \(.* == bool 15\) \+ .*increase.* \+ 0\.5 \* \(.* == bool 2\)", rank)
    assert not panel["options"].get("sortBy")
    (state,) = [
        change["value"][0]["options"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "State"
        for change in override["properties"]
        if change["id"] == "mappings"
    ]
    assert {code: word["text"] for code, word in state.items()} == {
        "0": "ok", "2": "no partner", "15": "bad signal",
    }  # fmt: skip


def test_a_site_without_a_training_job_says_so(built: dict[str, Any]) -> None:
    """Where a scheduler runs other jobs, the job's state is that none reports, and not blank."""
    for file, title in (("site.json", "Job"), ("job.json", "State"), ("job.json", "States")):
        (panel,) = [p for p in panels_of(built[file]) if p["title"] == title]
        assert (
            'label_replace(absent(training_job_state{site="$site"})' in panel["targets"][0]["expr"]
        )
    said = {
        p["title"]: p["fieldConfig"]["defaults"].get("noValue")
        for p in panels_of(built["job.json"])
    }
    for title in ("GPUs", "Steps", "Goodput", "Lost since the job began"):
        assert said[title] == "No training job here"
