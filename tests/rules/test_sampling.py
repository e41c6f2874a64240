"""What is sampled is what the aggregator serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.aggregator import Core
from twin.catalog import UnitKind
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.rules.promtool_series import series_name
from twin.rules.sampling import known_metrics, sample
from twin.rules.simulation import Simulation
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario
from twin.wire import Encoder, Topics

TEXT = """
title: a test
site: {racks: 2, servers_per_rack: 1, gensets: {count: 1}}
duration: 40s
scrape: 10s
evaluate: 10s
faults:
  - {kind: gpu-off-bus, target: r0001/n1/gpu3, at: 15s, for: 1m}
"""


@pytest.fixture
def loaded() -> LoadedScenario:
    """Return a short scenario."""
    return parse_scenario(TEXT, Path("own.yaml"))


def test_every_metric_is_the_one_that_is_served(loaded: LoadedScenario) -> None:
    """All series and values of the last scrape are those of the aggregator's pages."""
    known = known_metrics(loaded.layout)
    samples = sample(loaded, known)
    simulation = Simulation(loaded)
    for _ in simulation.run(10):
        pass
    served = {}
    for number, text in enumerate((simulation.core.metrics(), simulation.core.array(0))):
        for line in bytes(text).decode().splitlines():
            if not line.startswith("#"):
                served[number, line.rpartition(" ")[0]] = float(line.rpartition(" ")[2])
    sampled = sum(
        int(np.isfinite(family.values[:, -1]).sum()) for name, family in samples.families.items()
    )
    targets = 2
    assert sampled == len(served) + targets
    family = samples.families["DCGM_FI_DEV_POWER_USAGE"]
    for labels, values in zip(family.labels, family.values, strict=True):
        own = dict(labels)
        shown = next(
            (v for (_, k), v in served.items()
             if k.startswith("DCGM_FI_DEV_POWER_USAGE{") and f'UUID="{own["UUID"]}"' in k),
            np.nan,
        )  # fmt: skip
        assert np.array_equal(values[-1], shown, equal_nan=True)


def test_values_are_those_that_travel_over_the_bus(loaded: LoadedScenario) -> None:
    """Frames that are handed over carry what encoding and decoding them would give."""
    simulation = Simulation(loaded)
    for _ in simulation.run(10):
        pass
    layout, topics = loaded.layout, Topics("own")
    plant, core, faults = Plant(layout), Core(layout), FaultSchedule(layout, FAULTS)
    encoders = {kind: Encoder(layout, kind) for kind in UnitKind if layout.units(kind)}
    for second in range(40):
        if second == 15:
            faults.inject("x", "gpu-off-bus", "r0001/n1/gpu3", 15.0, 60.0)
        plant.step(1.0, faults.conditions(float(second)))
    outputs = plant.outputs()
    for kind, encoder in encoders.items():
        encoder.load(outputs)
        for unit in range(layout.units(kind)):
            frame = encoder.encode(unit, 40.0, 39)
            core.handle(topics.frame(kind, layout.unit_name(kind, unit)), frame, False, 40.0)
    for device, values in core.store.values.items():
        assert np.array_equal(values, simulation.core.store.values[device], equal_nan=True), device


def test_a_gpu_off_the_bus_has_no_values(loaded: LoadedScenario) -> None:
    """A series that vanishes has a gap, not a frozen value."""
    samples = sample(loaded, {"DCGM_FI_DEV_GPU_TEMP"})
    family = samples.families["DCGM_FI_DEV_GPU_TEMP"]
    gone = family.values[[own["gpu"] == "3" and own["rack"] == "r0001" for own in family.labels]]
    assert np.isfinite(gone).tolist() == [[True, False, False, False]]


def test_targets_give_their_labels(loaded: LoadedScenario) -> None:
    """Series without a job of their own get the target's, others keep theirs."""
    samples = sample(loaded, {"up", "twin_unit_reporting", "DCGM_FI_DEV_GPU_TEMP"})
    jobs = {name: {own["job"] for own in f.labels} for name, f in samples.families.items()}
    assert jobs["twin_unit_reporting"] == {"twin"}
    assert jobs["DCGM_FI_DEV_GPU_TEMP"] == {"dcgm-exporter"}
    assert {"twin", "twin-array", "dcgm-exporter"} <= jobs["up"]


def test_an_aggregator_that_does_not_answer_takes_all_series_along() -> None:
    """While scrapes fail `up` is 0 and nothing else is there."""
    text = TEXT.replace("kind: gpu-off-bus, target: r0001/n1/gpu3", "kind: aggregator-down")
    samples = sample(parse_scenario(text, Path("own.yaml")), {"up", "twin_unit_reporting"})
    up = samples.families["up"]
    own = up.values[[labels["job"] == "twin" for labels in up.labels]]
    assert own.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    reporting = samples.families["twin_unit_reporting"].values
    assert not np.isfinite(reporting[:, 1:]).any()


@pytest.mark.parametrize(
    ("kind", "metric", "value"),
    [("emulator-lost", "twin_emulator_up", 0.0), ("broker-lost", "twin_broker_connected", 0.0)],
)
def test_disturbances_show_in_the_telemetry(kind: str, metric: str, value: float) -> None:
    """What goes wrong with the telemetry itself shows in the aggregator's own metrics."""
    text = TEXT.replace("kind: gpu-off-bus, target: r0001/n1/gpu3", f"kind: {kind}")
    samples = sample(parse_scenario(text, Path("own.yaml")), {metric, "twin_unit_reporting"})
    assert samples.families[metric].values[0, -1] == value


def test_names_are_written_as_promql_does() -> None:
    """A series without labels is still a selector."""
    assert series_name("up", {}) == "up{}"
