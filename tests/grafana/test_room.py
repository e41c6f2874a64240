"""Room for what a panel says: titles, words in place of numbers, counts of nothing."""

from __future__ import annotations

from typing import Any

from tests.grafana.panels import pages, panels_of, unit_of
from twin.grafana.pages import DashboardPage


@pages
def test_titles_fit_above_their_panels(page: DashboardPage, built: dict[str, Any]) -> None:
    """A title is cut off by nothing in a window of 1600 pixels."""
    for panel in panels_of(built[page.file]):
        pixels = panel["gridPos"]["w"] * 1600 / 24
        assert len(panel["title"]) * 7.8 + 70 <= pixels, panel["title"]


@pages
def test_words_in_place_of_a_number_are_few(page: DashboardPage, built: dict[str, Any]) -> None:
    """Grafana shrinks what stands in a number's place until it fits in: more cannot be read."""
    for panel in panels_of(built[page.file], "stat"):
        if panel["options"]["colorMode"] == "value":
            said = panel["fieldConfig"]["defaults"].get("noValue", "")
            assert len(said) <= 9 * panel["gridPos"]["w"], panel["title"]


@pages
def test_a_count_of_nothing_is_no_line_below_a_hundred(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """An axis of counts that begins at 0 ends at a few, and not where Grafana would, at 100."""
    for panel in panels_of(built[page.file], "timeseries"):
        own = panel["fieldConfig"]["defaults"]
        counts = own["unit"] in ("none", "locale") and own["custom"].get("axisSoftMin") == 0
        if counts and own["custom"].get("stacking", {}).get("mode") != "normal":
            assert own["custom"]["axisSoftMax"] <= 10, panel["title"]


@pages
def test_every_column_has_room(page: DashboardPage, built: dict[str, Any]) -> None:
    """All columns of a table fit side by side, those that share what is left with their titles."""
    for panel in panels_of(built[page.file], "table"):
        look = {
            override["matcher"]["options"]: {
                change["id"]: change["value"] for change in override["properties"]
            }
            for override in panel["fieldConfig"]["overrides"]
        }
        needed = 0
        for title in panel["transformations"][-1]["options"]["include"]["names"]:
            own = look[title]
            if own.get("custom.hidden"):
                continue
            if "custom.width" not in own:
                assert own["custom.minWidth"] <= 60, panel["title"]
            needed += own.get("custom.width", max(60, 8 * len(title) + 16))
        assert needed <= panel["gridPos"]["w"] * 1600 / 24 - 26, panel["title"]


@pages
def test_shares_that_stay_at_nothing_have_a_low_axis(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """An axis of shares says up to where it goes at least: Grafana's own would be 10,000 %."""
    for panel in panels_of(built[page.file], "timeseries"):
        own = panel["fieldConfig"]["defaults"]
        if own["unit"] in ("percent", "percentunit"):
            assert "axisSoftMax" in own["custom"], panel["title"]


@pages
def test_no_tick_between_whole_numbers_is_a_dash(
    page: DashboardPage, built: dict[str, Any]
) -> None:
    """Where a panel has whole numbers only, its right axis has no shares, whose ticks are lost."""
    for panel in panels_of(built[page.file], "timeseries"):
        if panel["fieldConfig"]["defaults"].get("decimals") == 0:
            units = {unit_of(panel, target["refId"]) for target in panel["targets"]}
            assert not units & {"percent", "percentunit"}, panel["title"]


def test_the_tile_of_a_gpu_has_a_short_name(built: dict[str, Any]) -> None:
    """Sixty-four tiles leave no room for the rack in the name of each, and links keep the host."""
    (panel,) = [p for p in panels_of(built["rack.json"], "stat") if p["title"] == "GPU temperature"]
    (asked,) = panel["targets"]
    assert asked["legendFormat"] == "{{node}} {{gpu}}"
    assert '"node", "$1", "Hostname", "(?:.*-)?(.+)"' in asked["expr"]
    (link,) = panel["fieldConfig"]["defaults"]["links"]
    assert "${__field.labels.Hostname}" in link["url"]
