"""Sizing: what a site leaves open follows from what it gives, and what it gives stays."""

from __future__ import annotations

import pytest

from twin.parameters import CoolingParameters, WaterParameters
from twin.site import Layout, Site, load_site, parse_site, preset_names
from twin.site.sizing import (
    SIZED,
    air_heat_watts,
    heat_watts,
    load_watts,
    sized,
    unit_power_watts,
)

NVL72 = "racks: 2, servers_per_rack: 18, gpu: gb200, server: {gpus: 4, nics: 5, psus: 2}"


def site_of(body: str) -> Site:
    """Return a site that gives this and its name."""
    return parse_site(f"{{name: mine, {body}}}", "mine.yaml")


OLD = [name for name in preset_names() if name not in {"mi300x-lab", "serving"}]
"""Presets that are older than the sizing of sites."""


@pytest.mark.parametrize("name", [name for name in OLD if not load_site(name).rack])
def test_presets_keep_the_numbers_that_they_had(name: str) -> None:
    """Every shipped site has the coolant unit, chillers and feed of before sites were sized."""
    site = load_site(name)
    defaults = CoolingParameters()
    for key in SIZED[CoolingParameters] if site.has_liquid else ():
        given = key in site.cooling.model_fields_set
        assert given or getattr(site.cooling, key) == getattr(defaults, key)
    for key in SIZED[WaterParameters]:
        assert getattr(site.water, key) == getattr(WaterParameters(), key)
    assert site.server.psu_rating_watts == (3300.0 if name == "gefion" else 3000.0)
    assert "limit_watts" in site.grid.model_fields_set


def test_racks_of_64_h100_have_the_default_unit() -> None:
    """Whatever their number, racks of eight servers of eight H100 have the default coolant unit."""
    for racks in (1, 7, 400):
        assert site_of(f"racks: {racks}").cooling == CoolingParameters()


def test_the_flow_goes_with_the_heat() -> None:
    """A rack has the coolant, the pumps and the water for its heat, in the usual proportion."""
    cooling = site_of(NVL72).cooling
    rack = site_of(NVL72).rack_power_watts(site_of(NVL72).gpu)
    assert rack == pytest.approx(113_800, rel=0.01)
    assert 1.2 < cooling.flow_liters_per_minute / (rack / 1e3) < 1.5
    ratio = cooling.flow_liters_per_minute / CoolingParameters().flow_liters_per_minute
    for key in ("pump_power_watts", "facility_flow_liters_per_minute", "nominal_heat_watts"):
        assert getattr(cooling, key) == pytest.approx(
            ratio * getattr(CoolingParameters(), key), rel=0.01
        )
    small = site_of("racks: 1, servers_per_rack: 1, server: {gpus: 1}").cooling
    assert small.flow_liters_per_minute < 4
    assert unit_power_watts(small) < 50


def test_what_is_given_sizes_the_rest() -> None:
    """Heat that is given sizes the flow, a flow that is given the pumps; neither changes."""
    heat = site_of("racks: 1, cooling: {nominal_heat_watts: 120000}").cooling
    assert (heat.nominal_heat_watts, heat.flow_liters_per_minute) == (120_000, 150)
    flow = site_of("racks: 1, cooling: {flow_liters_per_minute: 30}").cooling
    assert (flow.flow_liters_per_minute, flow.pump_power_watts) == (30, 740)
    assert flow.nominal_heat_watts == CoolingParameters().nominal_heat_watts


def test_everything_may_be_given() -> None:
    """What a file gives is what a site has, however wrong it is."""
    body = (
        f"{NVL72[:-1]}, psu_rating_watts: 100}}, cooling: {{flow_liters_per_minute: 1, "
        "loop_liters: 1, pump_power_watts: 1, control_power_watts: 1, "
        "facility_flow_liters_per_minute: 1, "
        "nominal_heat_watts: 1}, water: {margin_ratio: 0, air_margin_ratio: 0, "
        "liters_per_kilowatt: 1}, grid: {limit_watts: 1}, facility: {fixed_power_watts: 1}"
    )
    site = site_of(body)
    given = Site.model_validate(
        {**site.model_dump(exclude_unset=True), "gpu": site.gpu.model_dump(exclude_unset=True)}
    )
    sections = ("server", "cooling", "water", "grid", "facility")
    assert [getattr(site, key) for key in sections] == [getattr(given, key) for key in sections]


def test_a_sized_value_does_not_count_as_given() -> None:
    """A site that is changed afterwards, as a scenario does, is sized anew."""
    dumped = site_of(NVL72).model_dump(mode="json", exclude_unset=True)
    assert dumped["server"] == {"gpus": 4, "nics": 5, "psus": 2}
    assert "cooling" not in dumped
    assert sized(site_of(NVL72)) == site_of(NVL72)


def test_the_hottest_racks_size_the_units() -> None:
    """Of mixed blocks, the coolant unit is that of the hottest."""
    mixed = site_of("blocks: [{racks: 4, gpu: h100}, {racks: 1, gpu: b200}]")
    assert mixed.cooling == site_of("racks: 5, gpu: b200").cooling


def test_supplies_carry_their_server() -> None:
    """Larger supplies, or more where their rating is given; the usual ones where they suffice."""
    server = site_of(NVL72).server
    assert server.psu_rating_watts == 4000
    assert server.output_watts(1070) < 0.8 * server.psus * server.psu_rating_watts
    more = site_of("racks: 1, server: {gpus: 16, psu_rating_watts: 3000}").server
    assert more.psus == 6
    assert site_of("racks: 1").server.psu_rating_watts == 3000


def test_a_server_has_a_port_for_each_gpu_and_one_more() -> None:
    """Ports that are not given follow from the GPUs, as the default says."""
    assert [site_of(f"racks: 1, server: {{gpus: {n}}}").server.nics for n in (1, 8, 32)] == [
        2,
        9,
        33,
    ]


@pytest.mark.parametrize("watts", [75, 300, 625, 1500])
def test_cold_plates_fit_the_gpu(watts: int) -> None:
    """A GPU of one's own is as warm as an H100, whatever it draws."""
    model = load_site("demo").gpu.model_dump(exclude={"thermal_resistance_kelvin_per_watt"})
    gpu = {**model, "power_training_watts": watts, "power_limit_watts": watts + 50}
    own = sized(Site.model_validate({"name": "mine", "racks": 1, "gpu": gpu})).gpu
    assert own.thermal_resistance_kelvin_per_watt * watts == pytest.approx(0.035 * 625, rel=0.01)


@pytest.mark.parametrize(
    "body",
    [
        NVL72,
        "racks: 1",
        "racks: 1, servers_per_rack: 1, server: {gpus: 1, nics: 1, psus: 1}",
        "racks: 200, servers_per_rack: 1",
        "racks: 3, cooling: {liquid_ratio: 1}",
        "racks: 3, cooling: {liquid_ratio: 0}",
        "racks: 3, water: {outdoor_celsius: 40}",
        "racks: 100, grid: {feeds: 2}",
        "racks: 20000, servers_per_rack: 64",
    ],
)
def test_the_building_carries_all_its_heat(body: str) -> None:
    """Chillers, air handlers and feed are larger than what goes into them."""
    site = site_of(body)
    water = site.water
    chillers = (1 + water.margin_ratio) * site.installed_power_watts * water.hottest_capacity_ratio
    assert chillers > 1.05 * heat_watts(site)
    assert (1 + water.air_margin_ratio) * site.air_heat_watts > 1.05 * air_heat_watts(site)
    assert site.grid.feeds * site.grid.limit_watts > 1.15 * load_watts(site)
    assert site.grid.limit_watts >= 2e6


def test_what_a_site_need_not_have_is_not_added() -> None:
    """Megapacks, generators and turbines are as many as the file says, without it none."""
    site = site_of("racks: 2000")
    assert (site.megapacks.count, site.gensets.count, site.turbines.count) == (0, 0, 0)


def test_a_card_without_nvlink_has_no_series_of_it() -> None:
    """NVLink signals are left out where no GPU of the site has it, and only there."""
    models = {
        key: {**load_site("demo").gpu.model_dump(), "nvlink_bytes_per_second": rate}
        for key, rate in (("without", 0), ("with", 9e11))
    }

    def signals(*names: str) -> set[str]:
        blocks = [{"racks": 1, "gpu": models[name]} for name in names]
        site = Site.model_validate(
            {"name": "mine", "racks": len(names), "gpu": models[names[0]], "blocks": blocks}
        )
        reported = Layout(site).reported["gpu"]
        return {signal.name for signal in reported if signal.name.startswith("nvlink")}

    links = {"nvlink_bandwidth", "nvlink_crc_flit", "nvlink_replay", "nvlink_recovery"}
    assert signals("without") == set()
    assert signals("with") == signals("without", "with") == links
