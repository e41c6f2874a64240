"""Every fault strikes what it says, and nothing else."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from twin.errors import ConfigError, TargetError
from twin.faults import FAULTS, FaultSchedule, Gateways, parse_fault
from twin.parameters import JobParameters, SchedulerParameters
from twin.plant import Conditions
from twin.site import Layout, find_target, load_site, parse_site

LAYOUT = Layout(
    load_site("demo").model_copy(
        update={
            "jobs": (JobParameters(name="pretrain", racks=15),),
            "scheduler": SchedulerParameters(kind="slurm"),
        }
    )
)
"""The demo, with a rack for a scheduler: some faults are of nothing else."""
JOINED = Layout(parse_site("{name: joined, racks: 2, rack: nvl72}", "joined"))
"""A site for faults of racks that are one machine."""
SMOOTHED = Layout(
    parse_site(
        "{name: smoothed, racks: 2, rack: nvl72, gpu: gb300, smoothing: {enabled: true}}",
        "smoothed",
    )
)
"""A site for faults of power smoothing."""
IN_AIR = Layout(parse_site("{name: airy, racks: 2, cooling: {medium: air}}", "airy"))
"""A site for faults of air cooling."""


SERVED = Layout(load_site("serving"))
"""A site for faults of jobs that serve."""
SITES_OF_SYSTEMS = {"air": IN_AIR, "nvl72": JOINED, "smoothing": SMOOTHED, "serving": SERVED}


def layout_for(kind: str) -> Layout:
    """Return a site that can have the fault."""
    return SITES_OF_SYSTEMS.get(FAULTS[kind].system, LAYOUT)


@pytest.fixture
def schedule() -> FaultSchedule:
    """An empty schedule of the demo site."""
    return FaultSchedule(LAYOUT, FAULTS)


def broken(schedule: FaultSchedule, now: float, layout: Layout = LAYOUT) -> dict[str, int]:
    """Return how many devices and gateways of each kind are not as they should be."""
    counts = {}
    for found, healthy in (
        (schedule.conditions(now), Conditions.healthy(layout)),
        (schedule.gateways(now), Gateways.healthy(layout)),
    ):
        for f in fields(healthy):
            if f.name == "added":
                continue  # nothing is installed that adds any
            own, well = getattr(found, f.name), getattr(healthy, f.name)
            counts[f.name] = int((~np.isclose(own, well, equal_nan=True)).sum())
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("pump-failure", {"pump_available": 1}),
        ("both-pumps-failure", {"pump_available": 2}),
        ("pump-degraded", {"pump_head": 1}),
        ("filter-clogging", {"filter_resistance": 1}),
        ("heat-exchanger-fouling", {"exchanger_fouling": 1}),
        ("coolant-leak", {"coolant_leak": 1}),
        ("valve-stuck", {"valve_stuck_at": 1}),
        ("cdu-psu-failure", {"cdu_psu_ok": 1}),
        ("fan-failure", {"fan_available": 1}),
        ("fan-board-failure", {"fan_available": 10}),
        ("air-filter-clogged", {"air_resistance": 1}),
        ("hot-air-recirculation", {"hot_air_recirculated": 1}),
        ("chiller-failure", {"chiller_available": 1}),
        ("facility-water-warm", {"water_excess": 1}),
        ("hot-day", {"outdoor_excess": 1}),
        ("gpu-off-bus", {"gpu_attached": 1}),
        ("gpu-xid", {"gpu_xid": 1}),
        ("gpu-ecc-single-bit", {"gpu_single_bit_per_second": 1}),
        ("gpu-double-bit", {"gpu_xid": 1}),
        ("gpu-row-remap-failure", {"gpu_xid": 1}),
        ("gsp-timeout", {"gpu_xid": 1}),
        ("gpu-hang", {"gpu_responding": 1}),
        ("gpu-slow", {"gpu_clock_limit": 1}),
        ("gpu-cold-plate", {"gpu_thermal_resistance": 1}),
        ("gpu-power-brake", {"power_brake_released": 1}),
        ("gpu-pcie-replay", {"gpu_pcie_replays_per_second": 1}),
        ("nvlink-error", {"nvlink_errors_per_second": 1}),
        ("nvswitch-failure", {"nvlink_errors_per_second": 8}),
        ("dcgm-exporter-down", {"dcgm_running": 1}),
        ("nvlink-ageing", {"nvlink_recoveries_per_second": 1, "nvlink_weak": 1}),
        ("nvlink-down", {"nvlink_up": 1, "nvlink_weak": 1}),
        ("switch-tray-down", {"switch_tray_available": 1}),
        ("partition-lost", {"fabric_registered": 1}),
        ("imex-down", {"imex_running": 1}),
        ("power-shelf-down", {"shelf_psu_available": 6}),
        ("shelf-psu-failure", {"shelf_psu_available": 1}),
        ("smoothing-disabled", {"smoothing_enabled": 1}),
        ("bus-joint-worn", {"bus_joint_ohms": 1}),
        ("tray-leak", {"tray_leak": 1}),
        ("tray-lost", {"server_available": 1}),
        ("bus-undervoltage", {"bus_volts_ratio": 1}),
        ("rack-isolated", {"coolant_leak": 1}),
        ("quick-disconnect-blocked", {"tray_flow_ratio": 1}),
        ("bmc-silent", {"bmc_answers": 1}),
        ("nic-flap", {"nic_link": 1}),
        ("nic-down", {"nic_link": 1}),
        ("nic-degraded-rate", {"nic_rate": 1}),
        ("optic-ageing", {"nic_dimming": 1}),
        ("packet-loss", {"nic_loss": 1}),
        ("pfc-storm", {"nic_pause": 1}),
        ("leaf-down", {"leaf_available": 1}),
        ("spine-down", {"spine_available": 1}),
        ("adaptive-routing-off", {"adaptive_routing": 1}),
        ("storage-slow", {"storage_speed": 1}),
        ("storage-filling", {"storage_filling": 1}),
        ("service-rack-down", {"service_available": 1}),
        ("megapack-trip", {"megapack_available": 1}),
        ("megapack-derate", {"megapack_power_ratio": 1}),
        ("grid-outage", {"grid_available": 1}),
        ("grid-sag", {"grid_voltage": 1}),
        ("grid-frequency", {"grid_frequency_offset": 1}),
        ("genset-start-failure", {"genset_startable": 1}),
        ("genset-trip", {"genset_available": 1}),
        ("pdu-breaker-trip", {"pdu_breaker": 1}),
        ("pdu-phase-imbalance", {"pdu_phase_load": 1}),
        ("psu-failure", {"psu_available": 1}),
        ("server-power-cap", {"server_cap": 1}),
        ("server-down", {"server_available": 1}),
        ("disk-full", {"host_disk_fill": 1}),
        ("disk-slow", {"host_disk_speed": 1}),
        ("memory-leak", {"host_leak": 1}),
        ("runaway-process", {"host_runaway_threads": 1}),
        ("clock-off", {"host_clock_offset": 1}),
        ("dram-ecc", {"dram_correctable_per_second": 1}),
        ("filesystem-read-only", {"host_disk_writable": 1}),
        ("mirror-disk-failed", {"host_mirror_whole": 1}),
        ("job-crash", {"job_sound": 1}),
        ("software-hang", {"job_synchronous": 1}),
        ("data-loader-slow", {"job_input_ratio": 1}),
        ("checkpoint-storm", {"job_checkpoint_seconds": 1}),
        ("request-surge", {"job_request_ratio": 1}),
        ("container-crash-loop", {"container_sound": 1}),
        ("scheduler-stuck", {"scheduler_running": 1}),
        ("gateway-silent", {"reporting": 1}),
        ("frames-lost", {"frame_loss": 1}),
        ("clock-skew", {"clock_skew": 1, "rack_clock_offset": 1}),
        ("sensor-stuck", {"gpu_sensor_stuck": 1}),
        ("sensor-drift", {"supply_sensor_drift": 1}),
        ("sensor-noise", {"flow_noise": 1}),
    ],
)
def test_strikes(kind: str, expected: dict[str, int]) -> None:
    """A fault on its default target breaks exactly the devices it names."""
    layout = layout_for(kind)
    schedule = FaultSchedule(layout, FAULTS)
    assert broken(schedule, 0.0, layout) == {}
    schedule.inject("x", kind, FAULTS[kind].default_target, now=0.0)
    assert broken(schedule, 1.0, layout) == expected


def test_a_rack_has_the_faults_of_what_cools_it() -> None:
    """Coolant units do not fail where there are none, nor fans where liquid cools the servers."""
    for kind, fault in FAULTS.items():
        liquid = fault.system == "cooling" or kind in {"sensor-drift", "sensor-noise"}
        if fault.system == "air":
            with pytest.raises(ConfigError, match="the rack is liquid-cooled"):
                FaultSchedule(LAYOUT, FAULTS).inject("x", kind, fault.default_target, now=0.0)
        elif liquid and fault.target not in {"chiller", "facility"}:
            with pytest.raises(ConfigError, match="the rack is air-cooled"):
                FaultSchedule(IN_AIR, FAULTS).inject("x", kind, fault.default_target, now=0.0)


def test_every_fault_is_tested() -> None:
    """The table above names every fault there is."""
    mark = test_strikes.pytestmark[0]  # type: ignore[attr-defined]  # set by parametrize
    assert {case[0] for case in mark.args[1]} == set(FAULTS)


@pytest.mark.parametrize("kind", FAULTS)
def test_descriptions(kind: str) -> None:
    """Every fault says what it is, what one should see, and has a sensible default."""
    fault = FAULTS[kind]
    assert fault.kind == kind
    assert fault.title
    assert len(fault.shows) > 40
    assert fault.severity in {"warning", "critical"}
    assert fault.default_seconds > 0
    assert find_target(layout_for(kind), fault.default_target).kind == fault.target
    for parameter in fault.parameters():
        assert parameter.description


def test_target_place(schedule: FaultSchedule) -> None:
    """The place struck is the one that the address names."""
    schedule.inject("x", "gpu-off-bus", "r0003/n2/gpu5", now=0.0)
    assert np.argwhere(~schedule.conditions(0.0).gpu_attached).tolist() == [[2, 13]]


def test_flap_follows_its_period(schedule: FaultSchedule) -> None:
    """The link is down for the first seconds of each period and up for the rest."""
    schedule.inject(
        "x", "nic-flap", "r0001/n1/nic0", now=100.0, parameters={"period": 10, "down": 3}
    )
    down = [not schedule.conditions(100.0 + age).nic_link[0, 0] for age in range(20)]
    assert down == ([True] * 3 + [False] * 7) * 2


def test_expiry(schedule: FaultSchedule) -> None:
    """A fault ends when its time is over, not before."""
    schedule.inject("x", "pump-failure", "r0001/pump1", now=10.0, seconds=5.0)
    assert not schedule.expire(14.9)
    assert broken(schedule, 14.9) == {"pump_available": 1}
    assert schedule.expire(15.0)
    assert broken(schedule, 15.0) == {}


def test_clear(schedule: FaultSchedule) -> None:
    """Clearing ends the faults of a kind and a target, or all."""
    schedule.inject("a", "pump-failure", "r0001/pump1", now=0.0)
    schedule.inject("b", "pump-failure", "r0002/pump1", now=0.0)
    schedule.inject("c", "megapack-trip", "mp001", now=0.0)
    assert schedule.clear("pump-failure", "r0002/pump1") == 1
    assert schedule.clear("pump-failure") == 1
    assert [strike.id for strike in schedule.active] == ["c"]
    assert schedule.clear() == 1


@pytest.mark.parametrize(
    ("kind", "target", "parameters", "error", "match"),
    [
        ("pump", "r0001/pump1", {}, ConfigError, "the faults are pump-failure"),
        ("pump-failure", "r0001", {}, ConfigError, "is applied to a pump, for example r0001/pump1"),
        ("pump-failure", "r0099/pump1", {}, TargetError, "the last of its racks is r0016"),
        ("nic-flap", "r0001/n1/nic0", {"period": 0}, ConfigError, "period: is 0"),
        ("nic-flap", "r0001/n1/nic0", {"perod": 5}, ConfigError, "perod: there is no such key"),
    ],
)
def test_refusals(
    schedule: FaultSchedule,
    kind: str,
    target: str,
    parameters: dict[str, float],
    error: type[Exception],
    match: str,
) -> None:
    """What cannot be is refused with the place and the remedy, and nothing changes."""
    with pytest.raises(error, match=match):
        schedule.inject("x", kind, target, now=0.0, parameters=parameters)
    assert schedule.active == ()


def test_overlap(schedule: FaultSchedule) -> None:
    """The same fault does not strike the same place twice."""
    schedule.inject("x", "pump-failure", "r0001/pump1", now=0.0)
    with pytest.raises(ConfigError, match="already applied to r0001/pump1 for another 590 s"):
        schedule.inject("y", "pump-failure", "r0001/pump1", now=10.0)


@pytest.mark.parametrize(("first", "second"), [("grid", "grid/feed1"), ("grid/feed1", "grid")])
def test_overlap_of_a_part_and_the_whole(schedule: FaultSchedule, first: str, second: str) -> None:
    """A feed is a part of the grid, so the two are not struck at once."""
    schedule.inject("x", "grid-sag", first, now=0.0)
    with pytest.raises(ConfigError, match=f"already applied to {first} for another"):
        schedule.inject("y", "grid-sag", second, now=0.0)
    assert [strike.id for strike in schedule.active] == ["x"]


@pytest.mark.parametrize("seconds", [0.0, -5.0, float("nan")])
def test_a_fault_lasts(schedule: FaultSchedule, seconds: float) -> None:
    """A fault that lasts no time is refused, and nothing changes."""
    with pytest.raises(ConfigError, match="that must be above 0"):
        schedule.inject("x", "pump-failure", "r0001/pump1", now=0.0, seconds=seconds)
    assert schedule.active == ()


def test_a_kept_list_that_is_too_long_is_cut(schedule: FaultSchedule) -> None:
    """A state with more faults than one message holds brings back as many as it does."""
    schedule.inject("x", "pump-failure", "r0001/pump1", now=0.0)
    schedule.restore(schedule.active * (FaultSchedule.MOST + 60))
    assert len(schedule.active) == FaultSchedule.MOST


def test_feeds_are_struck_one_by_one() -> None:
    """Two feeds are two places."""
    layout = Layout(parse_site("{name: two, racks: 1, grid: {feeds: 2}}", "test"))
    schedule = FaultSchedule(layout, FAULTS)
    schedule.inject("x", "grid-sag", "grid/feed1", now=0.0)
    schedule.inject("y", "grid-sag", "grid/feed2", now=0.0)
    assert (schedule.conditions(1.0).grid_voltage < 1).all()


def test_parse_fault() -> None:
    """A fault's parameters are parsed into its fields."""
    fault = parse_fault(FAULTS, "nic-flap", {"period": 12.0})
    assert fault.model_dump() == {"period": 12.0, "down": 5.0}


@pytest.mark.parametrize("kind", ["container-crash-loop", "scheduler-stuck"])
def test_faults_of_a_scheduler_need_one(kind: str) -> None:
    """A site without a scheduler refuses them in a sentence that says what to do."""
    schedule = FaultSchedule(Layout(load_site("demo")), FAULTS)
    with pytest.raises(ConfigError, match=r"no scheduler; set scheduler\.kind"):
        schedule.inject("x", kind, FAULTS[kind].default_target, now=0.0)
