"""Random sites under random faults of the catalogue: nothing comes from nowhere or is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import MetricType
from twin.docs.laws import LARGEST_ERRORS, note_errors
from twin.errors import TargetError
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.plant.laws import LAWS, LawWatch
from twin.plant.plant import LONGEST_STEP
from twin.plant.units import Floats
from twin.site import Layout, find_target, parse_site

Outputs = dict[str, dict[str, Floats]]

MAY_LACK = (".sensors", ".batch")

_seen: dict[str, float] = {}
"""Greatest error of each law in this process."""

BATCH = (
    "jobs: [{name: pretrain, racks: 1}], scheduler: {kind: slurm, start_seconds: 2}, job_mix: "
    "[{name: a, share: 2, gpus: [1, 2, 8], seconds: 20, failure_ratio: 0.4}, "
    "{name: b, share: 1, gpus: [16], seconds: 30, priority: 60}],"
)
QUICK = "server: {boot_seconds: 5}, supply: {return_seconds: 5, restore_ratio_per_second: 0.3"


@pytest.fixture(scope="module", autouse=True)
def _record() -> Iterator[None]:
    """Where ``TWIN_NOTE_ERRORS`` is set, raise the record of the documentation to what was seen."""
    yield
    if os.environ.get("TWIN_NOTE_ERRORS"):
        note_errors(_seen)


@st.composite
def sites(draw: st.DrawFn) -> Layout:
    """Return a small site of any GPU model, cooled by either, with or without power sources."""
    gpu = draw(st.sampled_from(["h100-sxm", "h200-sxm", "b200-sxm", "gb200", "trainium2"]))
    two = "jobs: [{name: pretrain, racks: 1}, {name: b, racks: 1}],"
    jobs = draw(st.sampled_from(["", two, BATCH]))
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


@settings(max_examples=10, deadline=None)
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
    watch = LawWatch(layout, plant) if dt <= LONGEST_STEP else None
    previous: Outputs | None = None
    for tick in range(45):
        for kind, at, ticks in strikes:
            if tick == at and _exists(layout, kind):
                target = FAULTS[kind].default_target
                faults.inject(kind, kind, target, plant.time, seconds=ticks * dt)
        faults.expire(plant.time)
        conditions = faults.conditions(plant.time)
        if watch is None:
            plant.step(dt, conditions)
        else:
            _check_laws(watch.step(dt, conditions))
        outputs = plant.outputs()
        _check_readings(layout, plant, outputs)
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


def _check_laws(errors: dict[str, float]) -> None:
    """Check that no law is broken by more than it may, and note the greatest errors."""
    assert errors.keys() == LARGEST_ERRORS.keys()
    broken = {law.key: errors[law.key] for law in LAWS if not errors[law.key] <= law.limit}
    assert not broken
    for key, error in errors.items():
        _seen[key] = max(_seen.get(key, 0.0), error)


def _check_readings(layout: Layout, plant: Plant, outputs: Outputs) -> None:
    """Check that what is shown adds up: the facility's power, charge, and bytes over PCIe."""
    facility = {name: value.item() for name, value in outputs["facility"].items()}
    parts = facility["it_power"] + facility["cooling_power"] + facility["loss_power"]
    assert facility["power"] == pytest.approx(parts)
    soc = plant.megapacks.soc
    assert ((soc >= 0.0) & (soc <= 1.0)).all()
    server, nics = layout.site.server, plant.nics
    if "gpu" in outputs:
        for signal, ports in (("pcie_tx", nics.sending), ("pcie_rx", nics.receiving)):
            sent = ports.reshape(-1, server.nics).sum(axis=1)
            shown = outputs["gpu"][signal].reshape(-1, server.gpus).sum(axis=1)
            there = np.isfinite(shown)
            assert (shown[there] > sent[there]).all()


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
    """Yield where the state of the plant has a NaN; held readings and times of jobs may."""
    if isinstance(part, np.ndarray):
        if part.dtype.kind == "f" and np.isnan(part).any():
            yield path
    elif isinstance(part, float):
        if np.isnan(part):
            yield path
    elif isinstance(part, dict):
        for name, value in part.items():
            yield from _unknown(value, f"{path}[{name}]")
    elif type(part).__module__.startswith("twin.plant") and not path.endswith(MAY_LACK):
        for name, value in getattr(part, "__dict__", {}).items():
            yield from _unknown(value, f"{path}.{name}")
