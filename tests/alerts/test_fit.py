"""Fit of a site: what does not suit the rest is named, and nothing else."""

from __future__ import annotations

import pytest

from twin.alerts import ALERTS
from twin.alerts.fit import misfits
from twin.site import load_site, parse_site

KNOWN = {
    "gefion": {"megapacks.count"},
    "meta-24k": {"megapacks.count"},
    "cortex-50k": {"megapacks.count"},
    "ultracluster": {"megapacks.count"},
    "colossus-200k": {"grid.limit_watts"},
}
"""What does not fit in a shipped site, as its description says or as it has no Megapacks."""


@pytest.mark.parametrize(
    "name",
    ["demo", "shared", "serving", "colossus-array", "colossus-100k", "colossus-1m", *KNOWN],
)
def test_shipped_sites_fit_but_for_what_is_known(name: str) -> None:
    """A shipped site has no misfit but that which it is known for."""
    assert {misfit.key for misfit in misfits(load_site(name))} == KNOWN.get(name, set())


MISFITS = {
    "cooling: {flow_liters_per_minute: 30}": (
        "cooling.flow_liters_per_minute: is 30, but a rack of 57.5 kW needs 53 or more; raise it, "
        "or leave it out to have it sized (alerts: CoolantFlowLow, CoolantRiseHigh)"
    ),
    "grid: {limit_watts: 100000}, megapacks: {count: 1}": (
        "grid.limit_watts: allows 0.10 MW in all, but the site draws up to 0.30 MW; raise it, or "
        "leave it out to have it sized (alerts: GridImportAboveLimit)"
    ),
    "server: {psus: 2, psu_rating_watts: 3000}": (
        "server.psu_rating_watts: 2 supplies of 3,000 W give 6,000 W, but a server draws 7,000 W; "
        "raise server.psus or psu_rating_watts"
    ),
    "cooling: {supply_celsius: 20}": (
        "cooling.supply_celsius: is 20 °C, but the facility water is at 24 °C and cannot cool it "
        "that far; raise it or lower facility_supply_celsius"
    ),
}


@pytest.mark.parametrize(("given", "sentence"), MISFITS.items())
def test_a_misfit_says_where_why_and_what_to_do(given: str, sentence: str) -> None:
    """One sentence names the key, what is needed, the remedy and the alerts that follow."""
    site = parse_site(f"{{name: mine, racks: 4, {given}}}", "mine.yaml")
    assert [str(misfit) for misfit in misfits(site)] == [sentence]


@pytest.mark.parametrize(
    "given",
    [
        "cooling: {nominal_heat_watts: 1000}", "cooling: {facility_supply_celsius: 35}",
        "cooling: {supply_celsius: 60}",
        "cooling: {filter_pressure_ratio: 0.9}", "water: {margin_ratio: 0, spare: 0}",
        "water: {air_margin_ratio: 0, air_kilograms_per_second: 0.001}",
        "water: {room_dew_celsius: 31}", "water: {outdoor_celsius: 50}",
        "pdu: {breaker_amperes: 1}", "grid: {limit_watts: 1}", "facility: {air_celsius: 40}",
        "cooling: {dew_margin_kelvin: 0, supply_celsius: 12}",
    ],
)  # fmt: skip
def test_alerts_that_follow_exist(given: str) -> None:
    """Each misfit of the worst values names alerts that are shipped."""
    site = parse_site(f"{{name: mine, racks: 4, {given}}}", "mine.yaml")
    found = {alert for misfit in misfits(site) for alert in misfit.alerts}
    assert found
    assert found <= set(ALERTS)


def test_megapacks_that_smooth_the_steps_are_named() -> None:
    """The number that is asked for is one that suffices."""
    (alone,) = misfits(parse_site("{name: mine, racks: 40}", "mine.yaml"))
    assert "is 0: the power swings of training steps reach the grid" in alone.problem
    assert "2 units smooth them" in alone.problem
    assert not misfits(parse_site("{name: mine, racks: 40, megapacks: {count: 2}}", "mine.yaml"))


def test_racks_that_do_not_train_make_no_steps() -> None:
    """Only the jobs that train swing the grid, the largest of them the most."""
    idle = "{name: mine, racks: 40, jobs: [{name: held, racks: 40, workload: idle}]}"
    assert not misfits(parse_site(idle, "mine.yaml"))
