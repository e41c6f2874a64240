"""Random sites under random faults of the catalogue: nothing comes from nowhere or is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import MetricType
from twin.errors import TargetError
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.plant.pcie import PcieTraffic
from twin.plant.room import AIR_JOULES_PER_KILOGRAM_KELVIN
from twin.plant.units import Floats
from twin.site import Layout, find_target, parse_site

Outputs = dict[str, dict[str, Floats]]

QUICK = "server: {boot_seconds: 5}, supply: {return_seconds: 5, restore_ratio_per_second: 0.3"


@st.composite
def sites(draw: st.DrawFn) -> Layout:
    """Return a small site of any GPU model, cooled by either, with or without power sources."""
    gpu = draw(st.sampled_from(["h100-sxm", "h200-sxm", "b200-sxm", "gb200", "trainium2"]))
    jobs = draw(st.sampled_from(["", "jobs: [{name: pretrain, racks: 1}, {name: b, racks: 1}],"]))
    held = draw(st.sampled_from(["true", "false"]))
    racks, last = draw(st.integers(2, 4)), draw(st.sampled_from(["liquid", "air"]))
    medium = draw(st.sampled_from(["liquid", "air"]))
    text = (
        f"{{name: tiny, {jobs} cooling: {{medium: {medium}}}, "
        f"blocks: [{{racks: {racks - 1}, gpu: {gpu}}}, {{racks: 1, gpu: {gpu}, medium: {last}}}], "
        f"racks_per_array: {draw(st.integers(2, 4))}, "
        f"megapacks: {{count: {draw(st.integers(0, 2))}}}, "
        f"gensets: {{count: {draw(st.integers(0, 2))}}}, "
        f"grid: {{feeds: {draw(st.integers(1, 2))}, limit_watts: {draw(st.integers(1, 20))}.0e+5}},"
        f" {QUICK}, enforce_limit: {held}}}}}"
    )
    return Layout(parse_site(text, "test"))


@settings(max_examples=25, deadline=None)
@given(
    layout=sites(),
    seed=st.integers(0, 1000),
    dt=st.sampled_from([0.3, 1.0, 4.0]),
    strikes=st.lists(
        st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 30), st.integers(2, 30)),
        max_size=8,
        unique_by=lambda strike: strike[0],
    ),
)
def test_whatever_strikes(
    layout: Layout, seed: int, dt: float, strikes: list[tuple[str, int, int]]
) -> None:
    """Power and heat add up, no counter falls, charge keeps its window, and no state is NaN."""
    plant, faults = Plant(layout, seed), FaultSchedule(layout, FAULTS)
    previous: Outputs | None = None
    for tick in range(45):
        for kind, at, ticks in strikes:
            if tick == at and _exists(layout, kind):
                target = FAULTS[kind].default_target
                faults.inject(kind, kind, target, plant.time, seconds=ticks * dt)
        faults.expire(plant.time)
        plant.step(dt, faults.conditions(plant.time))
        outputs = plant.outputs()
        _check_power(plant, outputs)
        _check_heat(plant, outputs)
        _check_bytes(layout, plant, outputs)
        _check_signals(layout, outputs, previous)
        assert not list(_unknown(plant, "plant"))
        previous = {d: {s: v.copy() for s, v in g.items()} for d, g in outputs.items()}


def _exists(layout: Layout, kind: str) -> bool:
    target = FAULTS[kind].default_target
    units = {"mp": layout.site.megapacks.count, "g0": layout.site.gensets.count}
    if units.get(target[:2], 1) == 0:
        return False
    try:
        place = find_target(layout, target)
    except TargetError:  # a part of a rack that this one does not have
        return False
    return FAULTS[kind].refusal(layout, place) is None


def _check_power(plant: Plant, outputs: Outputs) -> None:
    """Check that what the sources give is what the site takes, down to the racks' PDUs."""
    given = plant.grid.power + plant.megapacks.power.sum() + plant.gensets.power.sum()
    taken = plant.meters.total - plant.supply.unserved
    assert given == pytest.approx(taken, rel=1e-5, abs=1.0)
    facility = {name: value.item() for name, value in outputs["facility"].items()}
    parts = facility["it_power"] + facility["cooling_power"] + facility["loss_power"]
    assert facility["power"] == pytest.approx(parts)
    racks = plant.servers.power.sum() + plant.cdus.power.sum()
    assert outputs["pdu"]["power"].sum() == pytest.approx(racks, rel=1e-6, abs=1e-3)
    soc = plant.megapacks.soc
    assert ((soc >= 0.0) & (soc <= 1.0)).all()


def _check_heat(plant: Plant, outputs: Outputs) -> None:
    """Check that heat is flow times heat capacity times the temperatures' difference."""
    cdus, streams = plant.cdus, plant.halls.heat.streams
    if "cdu" in outputs:
        shown = outputs["cdu"]["heat_removed"][plant.halls.heat.liquid, 0]
        there = np.isfinite(shown)
        expected = (cdus._capacity_rate() * (cdus.returned - cdus.supply))[there]
        np.testing.assert_allclose(shown[there], expected, rtol=1e-9)
    if streams is not None:
        moved = streams.flow * AIR_JOULES_PER_KILOGRAM_KELVIN
        power = plant.servers.power[plant.halls.heat.air]
        carried = (streams.rise < 59.0) & (moved > 2.0)
        np.testing.assert_allclose((moved * streams.rise)[carried], power[carried], rtol=1e-9)


def _check_bytes(layout: Layout, plant: Plant, outputs: Outputs) -> None:
    """Check that what a server's NICs send and receive has crossed the PCIe of its GPUs."""
    nics, server = plant.nics, layout.site.server
    traffic = PcieTraffic.of(nics, layout.site.fabric.rails, server.gpus)
    rates = {"pcie_tx": nics.sending, "pcie_rx": nics.receiving}
    for (signal, ports), gpus in zip(rates.items(), traffic, strict=True):
        expected = ports.reshape(-1, server.nics).sum(axis=1)
        crossed = np.asarray(gpus).reshape(-1, server.gpus).sum(axis=1)
        np.testing.assert_allclose(crossed, expected, rtol=1e-5)
        if "gpu" in outputs:
            shown = outputs["gpu"][signal].reshape(-1, server.gpus).sum(axis=1)
            there = np.isfinite(shown)
            assert (shown[there] > expected[there]).all()


def _check_signals(layout: Layout, outputs: Outputs, previous: Outputs | None) -> None:
    """Check ranges, and that no counter falls."""
    for device in layout.devices:
        for signal in layout.reported[device.name]:
            if not signal.on_wire:
                continue
            values = outputs[device.name][signal.name]
            known = values[~np.isnan(values)]
            assert np.isfinite(known).all(), signal.name
            assert signal.low is None or (known >= signal.low).all(), signal.name
            assert signal.high is None or (known <= signal.high).all(), signal.name
            # DCGM declares the NVLink rate a counter; it is none.
            if previous and signal.kind is MetricType.COUNTER and signal.name != "nvlink_bandwidth":
                assert not (values < previous[device.name][signal.name]).any(), signal.name


def _unknown(part: Any, path: str) -> Iterator[str]:
    """Yield where the state of the plant has a NaN; readings that sensors hold may have."""
    if isinstance(part, np.ndarray):
        if part.dtype.kind == "f" and np.isnan(part).any():
            yield path
    elif isinstance(part, float):
        if np.isnan(part):
            yield path
    elif isinstance(part, dict):
        for name, value in part.items():
            yield from _unknown(value, f"{path}[{name}]")
    elif type(part).__module__.startswith("twin.plant") and not path.endswith(".sensors"):
        for name, value in getattr(part, "__dict__", {}).items():
            yield from _unknown(value, f"{path}.{name}")
