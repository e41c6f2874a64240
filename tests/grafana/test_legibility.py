"""Legibility: colours and words of states, units, axes, legends, annotations, on all dashboards."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.grafana.panels import named, overrides, pages, panels_of, unit_of
from twin.catalog import (
    CDU,
    DEVICES,
    LEAF,
    NIC,
    PORT,
    ROLLUPS,
    SPINE,
    Level,
    Signal,
    Unit,
)
from twin.grafana.colors import GREY, SEVERITIES, STATES
from twin.grafana.pages import DashboardPage
from twin.grafana.units import SCALED

MOST_NAMES = 8
FEW = {"state": 8, "severity": 3, "cause": 8, "kind": 8, "band": 4, "feed": 2, "phase": 3,
       "pump": 2, "training_job": 3, "job": 2, "gpu": 8, "endpoint": 6,
       "finished_reason": 3, "model_name": 2}  # fmt: skip
"""Labels with a known number of values; of all others a site has any number."""
COUNTING = re.compile(r"^\s*(count|sum|round|\(?count)\b")


def metrics(*signals: Signal) -> set[str]:
    """Return the metrics of signals and of all roll-ups over them."""
    rolled = {
        rollup.metric(level)
        for device in DEVICES
        for rollup in device.rollups
        if device[rollup.signal] in signals
        for level in Level
    }
    return {signal.metric for signal in signals} | rolled


SIGNALS = [signal for device in DEVICES for signal in device]


def test_every_word_has_a_colour() -> None:
    """What a device, a link or a job may be called has a colour; grey is for what is not there."""
    words = {word for s in SIGNALS for word in (*s.states.values(), *s.codes.values())}
    assert words <= STATES.keys()
    for bad in ("stalled", "crashed", "failed", "FAULT", "down", "tripped", "open", "Critical"):
        assert STATES[bad] == "red"
    assert STATES["running"] == STATES["up"] == STATES["training"] == "green"
    assert GREY not in {STATES[word] for word in ("stalled", "crashed", "failed", "down")}


@pages
def test_a_code_is_shown_as_a_word_with_a_colour(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """Where a value says a state by a number, the panel says it by a word in its colour."""
    coded = {signal.metric: signal for signal in SIGNALS if signal.codes}
    for panel in panels_of(built[page.file], "stat", "table", "bargauge"):
        for target in panel["targets"]:
            found = named(target["expr"]) & coded.keys()
            if (
                not found
                or COUNTING.match(target["expr"])
                or re.search(r"== [01]$", target["expr"])
            ):
                continue
            signal = coded[found.pop()]
            said = json.dumps(panel["fieldConfig"])
            for code, word in signal.codes.items():
                entry = panel_words(panel)[str(code)]
                assert entry == {"color": STATES[word], "text": word}, (panel["title"], said)


def panel_words(panel: Any) -> dict[str, Any]:
    """Return all words that the values of a panel are mapped to."""
    config = panel["fieldConfig"]
    mappings = list(config["defaults"].get("mappings") or ())
    for override in config.get("overrides", ()):
        for change in override["properties"]:
            if change["id"] == "mappings":
                mappings += change["value"]
    return {
        value: {"color": result["color"], "text": result["text"]}
        for mapping in mappings
        if mapping["type"] == "value"
        for value, result in mapping["options"].items()
    }


@pages
def test_a_state_is_shown_in_its_colour(page: DashboardPage, built: dict[str, Any]) -> None:
    """Where a series stands for a state and is called by it, it has the state's colour."""
    stated = {signal.metric: signal for signal in SIGNALS if signal.states}
    for panel in panels_of(built[page.file], "stat", "timeseries", "state-timeline"):
        for target in panel["targets"]:
            found = named(target["expr"]) & stated.keys()
            if "{{state}}" not in target.get("legendFormat", "") or not found:
                continue
            text = json.dumps(panel["fieldConfig"]["overrides"])
            for state in stated[found.pop()].states.values():
                rule = next(
                    one["properties"] for one in panel["fieldConfig"]["overrides"]
                    if re.search(rf"\b{state}\b", str(one["matcher"]["options"]))
                )  # fmt: skip
                assert f'"{STATES[state]}"' in json.dumps(rule), (panel["title"], state, text)


def test_a_job_that_serves_is_not_called_idle(built: dict[str, Any]) -> None:
    """A job without steps says so in the colour of what is calm: it may be busy with requests."""
    named_by_state = [
        panel
        for page in ("site.json", "job.json")
        for panel in panels_of(built[page], "stat", "state-timeline")
        if any("{{state}}" in target["legendFormat"] for target in panel["targets"])
    ]
    assert len(named_by_state) == 3
    for panel in named_by_state:
        (look,) = [
            {change["id"]: change["value"] for change in override["properties"]}
            for override in panel["fieldConfig"]["overrides"]
            if re.search(r"\bidle\b", override["matcher"]["options"])
        ]
        assert look["displayName"] == "${__field.labels.training_job} takes no steps"
        assert f'"{STATES["idle"]}"' in json.dumps(look)
    assert STATES["idle"] not in {GREY, "red"}


@pages
def test_what_has_no_value_is_grey(page: DashboardPage, built: dict[str, Any]) -> None:
    """A number or a map without data is grey, and not green as if all were well."""
    for panel in panels_of(built[page.file], "stat"):
        special = [m["options"] for m in panel["fieldConfig"]["defaults"]["mappings"]
                   if m["type"] == "special"]  # fmt: skip
        assert [(one["match"], one["result"]["color"]) for one in special] == [("null", GREY)]


@pages
def test_severities_keep_their_colours(page: DashboardPage, built: dict[str, Any]) -> None:
    """Critical is red and a warning orange in every panel that tells alerts by severity."""
    for panel in panels_of(built[page.file], "timeseries", "bargauge", "state-timeline"):
        if not any("{{severity}}" in one.get("legendFormat", "") for one in panel["targets"]):
            continue
        for severity, color in SEVERITIES.items():
            rules = [
                json.dumps(one["properties"]) for one in panel["fieldConfig"]["overrides"]
                if severity in str(one["matcher"]["options"])
            ]  # fmt: skip
            assert any(f'"{color}"' in rule for rule in rules), panel["title"]


@pages
def test_numbers_of_what_is_lost_turn_red(page: DashboardPage, built: dict[str, Any]) -> None:
    """A number that counts what is missing, down, failed or lost is red from 1 on."""
    for panel in panels_of(built[page.file], "stat"):
        for target in panel["targets"]:
            if target.get("legendFormat") in ("missing", "down", "failed", "lost", "silent"):
                steps = dict(overrides(panel, target["refId"])).get(
                    "thresholds", panel["fieldConfig"]["defaults"]["thresholds"]
                )["steps"]
                assert steps[-1] == {"value": 1, "color": "red"}, panel["title"]


@pages
def test_networks_are_in_bits(page: DashboardPage, built: dict[str, Any]) -> None:
    """What ports and switches carry is shown in bits a second, and never in bytes."""
    carried = metrics(*(
        signal for device in (NIC, LEAF, SPINE, PORT) for signal in device
        if signal.unit in (Unit.BYTES, Unit.BYTES_PER_SECOND)
    ))  # fmt: skip
    for panel in panels_of(built[page.file]):
        for target in panel["targets"]:
            if named(target["expr"]) & carried:
                assert unit_of(panel, target["refId"]) not in ("Bps", "decbytes"), panel["title"]


@pages
def test_differences_of_temperatures_are_in_kelvin(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """A difference of two temperatures, and the margin to the dew point, is no temperature."""
    margin = metrics(CDU["condensation_margin"])
    celsius = {s.metric for s in SIGNALS if s.unit is Unit.CELSIUS}
    celsius |= {r.metric(level) for r in ROLLUPS if r.unit is Unit.CELSIUS for level in Level}
    for panel in panels_of(built[page.file]):
        config = json.dumps(panel["fieldConfig"])
        for target in panel["targets"]:
            expr = target["expr"]
            differs = re.search(r"\} - [a-z_]+\{", expr) and named(expr) & celsius
            if differs or named(expr) & margin:
                assert '"kelvin"' in config, panel["title"]


@pages
def test_vibration_and_clocks_have_units_of_their_trade(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """Vibration is in mm/s, and a clock in MHz, of which every axis has different numbers."""
    units = {Unit.METERS_PER_SECOND: "suffix:mm/s", Unit.MEGAHERTZ: "suffix:MHz"}
    for exposed, unit in units.items():
        names = {s.metric for s in SIGNALS if s.unit is exposed}
        names |= {r.metric(level) for r in ROLLUPS if r.unit is exposed for level in Level}
        for panel in panels_of(built[page.file]):
            for target in panel["targets"]:
                if named(target["expr"]) & names:
                    assert unit_of(panel, target["refId"]) == unit, panel["title"]


@pages
def test_an_axis_has_no_number_twice(page: DashboardPage, built: dict[str, Any]) -> None:
    """Digits are Grafana's choice or none; an axis begins at 0 where its unit may get a prefix."""
    for panel in panels_of(built[page.file], "timeseries"):
        defaults = panel["fieldConfig"]["defaults"]
        digits = defaults.get("decimals")
        assert digits in (None, 0), panel["title"]
        for target in panel["targets"]:
            own = dict(overrides(panel, target["refId"]))
            unit = unit_of(panel, target["refId"])
            assert not (digits == 0 and unit in SCALED), panel["title"]
            if own.get("custom.axisPlacement") == "right":
                least = own.get("custom.axisSoftMin")
            else:
                least = defaults["custom"].get("axisSoftMin")
            bare = unit == "volt" and least is not None and 10 < least < 100
            assert unit not in SCALED or least == 0 or bare, (panel["title"], target["refId"])


@pages
def test_legends_are_not_cut(page: DashboardPage, built: dict[str, Any]) -> None:
    """A legend in lines has at most eight names; more are a table that scrolls."""
    for panel in panels_of(built[page.file], "timeseries"):
        legend = panel["options"]["legend"]
        if legend["displayMode"] == "table" or not legend["showLegend"]:
            continue
        names = 0
        for target in panel["targets"]:
            product = 1
            for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
                product *= FEW.get(label, 1000)
            names += product
        assert names <= MOST_NAMES, panel["title"]


@pages
def test_tables_in_legends_have_room(page: DashboardPage, built: dict[str, Any]) -> None:
    """A legend that is a table stands in a panel of at least a quarter of the width."""
    for panel in panels_of(built[page.file], "timeseries"):
        if panel["options"]["legend"]["displayMode"] == "table":
            assert panel["gridPos"]["w"] >= 8, panel["title"]


@pages
def test_an_only_bar_has_a_name(page: DashboardPage, built: dict[str, Any]) -> None:
    """Grafana hides the name of an only bar unless it is set, so it always is."""
    for panel in panels_of(built[page.file], "bargauge"):
        for target in panel["targets"]:
            name = dict(overrides(panel, target["refId"]))["displayName"]
            assert name == re.sub(r"\{\{(\w+)\}\}", r"${__field.labels.\1}", target["legendFormat"])


@pages
def test_annotations_are_moments_of_what_is_shown(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """An annotation answers once where something begins or ends, and only for what is shown."""
    scoped = {"site": (), "array": ("$array",), "rack": ("$array", "$rack"),
              "host": ("$array", "$rack", "$host")}  # fmt: skip
    marks = {mark["name"]: mark for mark in built[page.file]["annotations"]["list"]}
    assert [name for name, mark in marks.items() if mark["enable"]] == ["Faults", "Job"]
    for mark in marks.values():
        assert " unless " in mark["expr"]
        assert "offset $__interval" in mark["expr"]
    for name in ("Faults", "Ends of faults"):
        used = set(re.findall(r"\$(?:array|rack|host)", marks[name]["expr"]))
        assert used == set(scoped[page.scope])


@pages
def test_words_for_nothing_stand_in_no_axis(page: DashboardPage, built: dict[str, Any]) -> None:
    """A number that is missing is a dash in axes and tips, and a gap, which 0 or nothing is not."""
    cleared = {"id": "noValue", "value": "-"}
    for panel in panels_of(built[page.file], "timeseries", "heatmap"):
        config = panel["fieldConfig"]
        if config["defaults"].get("noValue"):
            last = config["overrides"][-1]
            assert last["matcher"] == {"id": "byType", "options": "number"}, panel["title"]
            assert last["properties"] == [cleared], panel["title"]


@pages
def test_tables_show_their_columns_alone(page: DashboardPage, built: dict[str, Any]) -> None:
    """No other label of the series makes a column of its own."""
    for panel in panels_of(built[page.file], "table"):
        organize, only = panel["transformations"][-2:]
        titles = organize["options"]["renameByName"].values()
        assert only["id"] == "filterFieldsByName"
        assert set(only["options"]["include"]["names"]) == set(titles), panel["title"]


@pages
def test_the_loopback_device_is_no_port_that_is_down(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """Lists of links that are down leave out devices without one, which are never up."""
    for panel in panels_of(built[page.file]):
        for target in panel["targets"]:
            if re.search(r"node_network_up\{.*== 0", target["expr"]):
                pattern = re.search(r'device!~"([^"]*)"', target["expr"])
                assert pattern is not None, panel["title"]
                for device in ("lo", "docker0", "veth1a2b", "br-0f"):
                    assert re.fullmatch(pattern[1], device), device
                for device in ("eth0", "eno1", "ens3f0np0", "ib0", "bond0"):
                    assert not re.fullmatch(pattern[1], device), device


@pages
def test_what_stays_at_nothing_has_a_low_axis(page: DashboardPage, built: dict[str, Any]) -> None:
    """Shares of time and counts that may stay 0 have axes up to what is worth a look, not 100."""
    for panel in panels_of(built[page.file], "timeseries"):
        for target in panel["targets"]:
            own = dict(overrides(panel, target["refId"]))
            unit = unit_of(panel, target["refId"])
            if own.get("custom.axisPlacement") == "right" and unit in ("none", "locale"):
                assert own["custom.axisSoftMax"] == 4, panel["title"]
            if own.get("custom.axisPlacement") == "right" and unit != unit_of(panel, "A"):
                most = panel["fieldConfig"]["defaults"]["custom"].get("axisSoftMax")
                assert most is None or most <= 1 or "custom.axisSoftMax" in own, panel["title"]
            if "violation" in target["expr"] and unit == "percentunit":
                assert panel["fieldConfig"]["defaults"]["custom"]["axisSoftMax"] <= 1


def test_racks_keep_their_place(built: dict[str, Any]) -> None:
    """A rack without a value is red and says that it is gone, or purple and that it is silent."""
    said = {"-1": ("gone", "#C4162A"), "-2": ("silent", "#8F3BB8")}
    for name, title in (("site.json", "Every rack"), ("array.json", "Racks")):
        panel = next(
            p for p in panels_of(built[name], "stat") if p["title"] == title and p.get("timeFrom")
        )
        words = panel_words(panel)
        for value, (text, color) in said.items():
            assert words[value] == {"color": color, "text": text}
        for target in panel["targets"]:
            assert "twin_unit_reporting" in target["expr"]
            assert " or " in target["expr"]


def test_lost_gpus_keep_their_tile(built: dict[str, Any]) -> None:
    """A GPU that answered within a day and does not now is a red tile, and counted."""
    for name, title in (("server.json", "GPUs"), ("rack.json", "GPU temperature")):
        panel = next(
            p for p in panels_of(built[name], "stat") if p["title"] == title and p.get("timeFrom")
        )
        assert panel_words(panel)["-1"] == {"color": "#C4162A", "text": "lost"}
        assert "last_over_time" in panel["targets"][0]["expr"]
    xid = next(p for p in panels_of(built["server.json"], "stat") if p["title"] == "Last XID")
    assert panel_words(xid)["-1"] == {"color": "#C4162A", "text": "lost"}
    assert "last_over_time" in xid["targets"][0]["expr"]
    number = next(p for p in panels_of(built["server.json"], "stat") if p["title"] == "GPUs")
    assert number["targets"][0]["legendFormat"] == "{{here}} of {{ever}}"


@pages
def test_dashboards_ask_seldom(page: DashboardPage, built: dict[str, Any]) -> None:
    """No dashboard refreshes more often than every 15 s, nor offers to."""
    dashboard = built[page.file]
    for interval in (dashboard["refresh"], *dashboard["timepicker"]["refresh_intervals"]):
        number, unit = int(interval[:-1]), interval[-1]
        assert number * {"s": 1, "m": 60}[unit] >= 15
