"""The coupled plant: conservation, couplings, determinism, coverage of the catalogue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import MetricType
from twin.plant import Conditions, Plant, load_trace
from twin.site import Layout, parse_site


def run(plant: Plant, conditions: Conditions, seconds: int) -> None:
    """Step ``plant`` second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


def test_fills_the_catalogue(array: Layout) -> None:
    """The plant gives every signal that travels, in its shape, within its range, and no other."""
    plant = Plant(array, seed=1)
    run(plant, Conditions.healthy(array), 30)
    outputs = plant.outputs()
    assert outputs.keys() == {device.name for device in array.devices}
    for device in array.devices:
        wired = [signal for signal in array.reported[device.name] if signal.on_wire]
        assert outputs[device.name].keys() == {signal.name for signal in wired}
        for signal in wired:
            values = outputs[device.name][signal.name]
            assert values.shape == array.shape(device), signal.name
            assert np.isfinite(values).all(), signal.name
            assert signal.low is None or (values >= signal.low).all(), signal.name
            assert signal.high is None or (values <= signal.high).all(), signal.name


def test_same_seed_same_bytes(array: Layout) -> None:
    """Plants of one seed give the same bytes in every signal under faults; another seed others."""

    def lived(seed: int) -> dict[str, bytes]:
        plant, conditions = Plant(array, seed=seed), Conditions.healthy(array)
        run(plant, conditions, 10)
        conditions.pump_available[0] = False
        conditions.nic_loss[1, 0] = 1e-3
        conditions.gpu_single_bit_per_second[2, 5] = 5.0
        conditions.flow_noise[3] = 0.2
        conditions.grid_available[:] = False
        run(plant, conditions, 20)
        return {
            f"{device}.{name}": values.tobytes()
            for device, group in plant.outputs().items()
            for name, values in group.items()
        }

    first = lived(7)
    assert lived(7) == first
    assert lived(8)["gpu.power_usage"] != first["gpu.power_usage"]


def test_power_balance(array: Layout) -> None:
    """Grid plus Megapacks carry the facility, which is IT plus cooling plus losses."""
    plant = Plant(array, seed=1)
    for _ in range(120):
        plant.step(1.0, Conditions.healthy(array))
        out = plant.outputs()
        facility = {name: value.sum() for name, value in out["facility"].items()}
        parts = facility["it_power"] + facility["cooling_power"] + facility["loss_power"]
        assert facility["power"] == pytest.approx(parts)
        carried = out["grid"]["power"].sum() + out["megapack"]["power"].sum()
        assert carried == pytest.approx(facility["power"], rel=1e-9)
        servers = plant.servers.total
        it = [out[name]["power"].sum() for name in ("leaf", "spine", "storage", "cpu")]
        assert facility["it_power"] == pytest.approx(servers + sum(it))
        units = servers + out["cdu"]["power"].sum()
        assert plant.servers.pdu_outputs(1.0)["power"].sum() == pytest.approx(units)
        assert out["psu"]["input_power"].sum() == pytest.approx(out["server"]["power"].sum())


def test_conversion_loss(array: Layout) -> None:
    """Under load the servers draw 1.028 times what their supplies deliver (measured)."""
    plant = Plant(array, seed=1)
    run(plant, Conditions.healthy(array), 60)
    out = plant.outputs()["psu"]
    ratio = out["input_power"].sum() / out["output_power"].sum()
    assert ratio == pytest.approx(1.028, abs=0.003)


def test_node_power_of_training(array: Layout) -> None:
    """The median node draws within 3 % of the measured GPT-3 run's."""
    plant = Plant(array, seed=1)
    nodes = []
    for _ in range(900):
        plant.step(1.0, Conditions.healthy(array))
        nodes.append(plant.servers.output.copy())
    measured = np.median(load_trace("gpt3-512xh100").watts)
    assert np.median(nodes) == pytest.approx(measured, rel=0.03)


def test_trace_replay_is_exact(array: Layout) -> None:
    """Replayed on one array, the servers' DC power is the measured trace."""
    plant = Plant(array, seed=1, workload="trace:gpt3-512xh100")
    trace = load_trace("gpt3-512xh100")
    got, want = [], []
    for _ in range(400):
        plant.step(2.0, Conditions.healthy(array))
        got.append(plant.servers.output.sum())
        want.append(trace.at(plant.time).sum())
    assert np.corrcoef(got, want)[0, 1] > 0.999
    assert np.abs(np.array(got) - want).mean() / np.mean(want) < 0.002


def test_both_pumps_stall_the_job_and_the_megapacks_catch_the_drop(array: Layout) -> None:
    """Pumps fail, GPUs throttle and shut down, the job stalls, site power falls, the grid lags."""
    plant = Plant(array, seed=1)
    run(plant, Conditions.healthy(array), 60)
    before, grid = plant.meters.total, plant.grid.power
    failed = Conditions.healthy(array)
    failed.pump_available[2] = False
    seconds = 0
    while plant.gpus.speed > 0.9:
        run(plant, failed, 1)
        seconds += 1
    assert 10 <= seconds <= 25
    run(plant, failed, 40)
    out = plant.outputs()
    others = np.delete(out["gpu"]["power_usage"], 2, axis=0)
    assert np.nanmean(others) == pytest.approx(157, abs=8)
    assert (np.delete(out["gpu"]["gpu_util"], 2, axis=0) == 100).all()
    assert np.isnan(out["gpu"]["gpu_temp"][2]).all()
    assert out["job"]["state"].item() == 5
    assert plant.meters.total < 0.6 * before
    assert plant.megapacks.power.sum() < -50_000
    assert plant.grid.power > 0.75 * grid


def test_gpu_off_the_bus(array: Layout) -> None:
    """The lost GPU's series vanish, the others spin at full utilisation and low power."""
    plant = Plant(array, seed=1)
    run(plant, Conditions.healthy(array), 30)
    lost = Conditions.healthy(array)
    lost.gpu_attached[4, 17] = False
    run(plant, lost, 5)
    out = plant.outputs()
    assert np.isnan(out["gpu"]["power_usage"][4, 17])
    assert np.isfinite(out["gpu"]["power_usage"]).sum() == 511
    assert out["server"]["up_dcgm"].all()
    assert np.nanmedian(out["gpu"]["power_usage"]) == pytest.approx(157, abs=5)
    assert out["job"]["interruptions"].item() == 1


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    dt=st.sampled_from([0.5, 1.0, 5.0]),
    broken=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=6),
    jobs=st.sampled_from(["", "jobs: [{name: a, racks: 1}, {name: b, racks: 1}]"]),
)
def test_counters_never_fall(
    seed: int, dt: float, broken: list[tuple[int, int]], jobs: str
) -> None:
    """Whatever breaks, no counter falls and no value leaves its range or becomes infinite."""
    text = f"{{name: tiny, racks: 3, megapacks: {{count: 2}}, {jobs}}}"
    layout = Layout(parse_site(text, "test"))
    plant = Plant(layout, seed)
    previous = plant.outputs()
    for tick in range(12):
        conditions = Conditions.healthy(layout)
        for rack, index in broken:
            if (tick + index) % 3:
                conditions.pump_available[rack, index % 2] = False
                conditions.nic_link[rack, index] = False
                conditions.megapack_available[index % 2] = False
        plant.step(dt, conditions)
        outputs = plant.outputs()
        for device in layout.devices:
            for signal in layout.reported[device.name]:
                if not signal.on_wire:
                    continue
                values = outputs[device.name][signal.name]
                assert not np.isinf(values).any()
                known = values[~np.isnan(values)]
                assert signal.low is None or (known >= signal.low).all(), signal.name
                assert signal.high is None or (known <= signal.high).all(), signal.name
                # DCGM declares the NVLink rate a counter; it is none.
                if signal.kind is MetricType.COUNTER and signal.name != "nvlink_bandwidth":
                    fell = values < previous[device.name][signal.name]
                    assert not fell.any(), signal.name
        previous = {d: {s: v.copy() for s, v in g.items()} for d, g in outputs.items()}


PINNED = {
    "gpu.power_usage": 7651.18701171875,
    "gpu.gpu_temp": 637.4374389648438,
    "gpu.energy": 8877824988394.523,
    "gpu.correctable_rows": 0.0,
    "nic.tx_bytes": 8.426800660152989e16,
    "nic.module_temperature": 766.7578830104779,
    "nic.laser_rx_power": 6.085289955734517,
    "server.power": 18386.36647845487,
    "psu.input_power": 18386.36647845487,
    "pump.operating_seconds": 72077424.0,
    "cdu.return_temperature": 99.05367262844513,
    "pdu.current": 90.36424631428588,
    "pdu.energy": 6304792978751.976,
    "leaf.temperature": 181.18718749784003,
    "leaf.tx_bytes": 4014241701273.597,
    "spine.temperature": 88.78399961990077,
    "spine.rx_bytes": 1901482911129.6013,
    "storage.written_bytes": 1606130576992098.0,
    "cpu.load1": 14.801030623044234,
    "megapack.power": -10572.49887041946,
    "megapack.soc": 1.194056319597146,
    "megapack.cell_voltage_max": 6.572925740967417,
    "genset.fuel_level": 1.865756528172374,
    "grid.power": 61008.563772681184,
    "grid.frequency": 60.01526390522373,
    "facility.power": 50436.06490226172,
    "chiller.power": 3398.3596951702298,
    "water.heat": 26052.496937461,
    "job.steps": 4.0,
    "job.step_seconds": 10.78129492977596,
}
"""Sums over all devices after 40 s."""


def test_the_numbers_of_a_seed_stay_what_they_are() -> None:
    """What is not meant to change the physics changes none of these sums.

    Sums and not bytes, since another CPU rounds the last bit of single precision otherwise.
    """
    text = """
    {name: pinned, racks: 3, racks_per_array: 2, servers_per_rack: 2,
     server: {gpus: 2, nics: 3, psus: 2}, megapacks: {count: 2}, gensets: {count: 2},
     cooling: {flow_liters_per_minute: 75, facility_flow_liters_per_minute: 110,
               nominal_heat_watts: 60000, control_power_watts: 60},
     water: {margin_ratio: 0.2, air_margin_ratio: 0.6, liters_per_kilowatt: 10},
     facility: {fixed_power_watts: 20000}}
    """
    layout = Layout(parse_site(text, "pinned"))
    plant, conditions = Plant(layout, 11, "training", 1_000.0), Conditions.healthy(layout)
    conditions.psu_available[0, 0] = False
    for _ in range(40):
        plant.step(1.0, conditions)
    sums = {
        f"{device}.{name}": float(np.nansum(values))
        for device, group in plant.outputs().items()
        for name, values in group.items()
    }
    assert {name: sums[name] for name in PINNED} == pytest.approx(PINNED, rel=1e-6)


@pytest.mark.parametrize("ratio", [0.3, 0.87, 1.0])
def test_the_liquids_share_falls_as_gpus_idle(ratio: float) -> None:
    """At training power the coolant takes the share that the site gives, of idle servers less."""
    layout = Layout(
        parse_site(f"{{name: tiny, racks: 2, cooling: {{liquid_ratio: {ratio}}}}}", "t")
    )
    shares = {}
    for workload in ("training", "idle"):
        plant, healthy = Plant(layout, 1, workload), Conditions.healthy(layout)
        for _ in range(5):
            plant.step(1.0, healthy)
        shares[workload] = plant.cdus.absorbed.sum() / plant.servers.power.sum()
    assert shares["training"] == pytest.approx(ratio, abs=0.02)
    if ratio == 1.0:
        assert shares["idle"] == pytest.approx(1.0)
    else:
        assert 0.1 * ratio < shares["idle"] < 0.8 * ratio
