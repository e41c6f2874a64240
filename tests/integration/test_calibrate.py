"""Calibration against a hidden reality: another site behind a real Prometheus is recovered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from tests.integration.conftest import Prometheus as Server
from tests.integration.conftest import started
from tests.integration.past import prometheus_with
from twin.cli import app
from twin.errors import ConfigError
from twin.fleet.calibration.fitting import CALIBRATED_READINGS
from twin.fleet.columns import FleetColumns
from twin.fleet.identity import FleetNames
from twin.rules.sampling import sample
from twin.scenario import parse_scenario
from twin.shadow.readings import split
from twin.site import Layout, load_gpu_model, load_site, parse_site

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("calibrate")]

ORIGIN, LENGTH = 1_777_800_000.0, 2400.0
SHAPE = {
    "name": "small", "racks": 2, "racks_per_array": 1, "servers_per_rack": 2,
    "jobs": [{"name": "pretrain", "racks": 1}], "telemetry": {"interval_seconds": 10},
}  # fmt: skip
SERVER = {"gpus": 4, "nics": 4}
USER = {
    **SHAPE, "server": SERVER,
    "measured": [{"rack": 1, "hosts": ["r0001-n1", "r0001-n2"]},
                 {"rack": 2, "hosts": ["r0002-n1", "r0002-n2"]}],
}  # fmt: skip
HIDDEN = {
    "gpu.thermal_resistance_kelvin_per_watt": 0.042, "gpu.memory_offset_kelvin": 12.0,
    "gpu.power_idle_watts": 80.0,
    "server.base_power_watts": 1750.0, "server.base_power_per_gpu_watt": 0.1,
    "server.psu_loss_idle_ratio": 0.02, "server.psu_loss_ratio": 0.001333,
    "server.psu_loss_quadratic": 0.001333,
    "cooling.loop_pressure_pascals": 120_000.0, "cooling.filter_pressure_ratio": 0.18,
    "cooling.supply_celsius": 30.0,
}  # fmt: skip
"""Parameters of the reality, all other than those of the user's site file."""


def hidden() -> dict[str, Any]:
    """Return the site that is really there."""
    model = load_gpu_model("h100-sxm").model_dump(exclude_defaults=True, mode="json")
    site: dict[str, Any] = {**SHAPE, "gpu": model, "server": {**SERVER}, "cooling": {}}
    for key, value in HIDDEN.items():
        section, _, name = key.partition(".")
        site[section][name] = value
    return site


@pytest.fixture(scope="module")
def reality(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a Prometheus with forty minutes of it."""
    layout = Layout(parse_site(yaml.safe_dump(USER), "user"))
    columns = FleetColumns(layout, FleetNames(layout))
    metrics = columns.metrics_of({split(name) for name in CALIBRATED_READINGS})
    scenario = {"title": "a reality", "site": hidden(), "duration": f"{LENGTH:g}s",
                "scrape": "10s", "step": "10s", "seed": 3}  # fmt: skip
    loaded = parse_scenario(yaml.safe_dump(scenario), Path("reality.yaml"))
    with ExitStack() as servers:
        folder = tmp_path_factory.mktemp("reality")
        samples = sample(loaded, {*metrics, "up"})
        yield started(prometheus_with(folder, samples, ORIGIN), servers)


@pytest.fixture
def command(reality: Server, tmp_path: Path) -> list[str]:
    """Return the command that calibrates the user's site file."""
    (tmp_path / "user.yaml").write_text(yaml.safe_dump(USER), encoding="utf-8")
    return ["calibrate", "--prometheus", reality.url, "--site", str(tmp_path / "user.yaml"),
            "--from", str(ORIGIN), "--to", str(ORIGIN + LENGTH)]  # fmt: skip


def test_a_hidden_reality_is_recovered(command: list[str], tmp_path: Path) -> None:
    """Every parameter that is told is right within its interval, and foretells better."""
    output, report = tmp_path / "calibrated.yaml", tmp_path / "report.html"
    done = CliRunner().invoke(
        app, [*command, "--json", "--output", str(output), "--report", str(report)]
    )
    assert done.exception is None, done.output
    told = orjson.loads(done.stdout)
    found = {own["key"]: own for own in told["parameters"]}
    assert HIDDEN.keys() <= found.keys(), told["not_told"]
    wrong = {
        key: (found[key]["value"], found[key]["half_interval"], value)
        for key, value in HIDDEN.items()
        if abs(found[key]["value"] - value) > found[key]["half_interval"]
    }
    assert wrong == {}
    assert max(own["half_interval"] / abs(own["value"]) for own in found.values()) < 0.6
    for own in told["held_back"]:
        assert own["rms_after"] <= 0.75 * own["rms_before"], own
    assert "gpu.heat_capacity_joules_per_kelvin" in told["not_told"]
    lags = {own["sensor"]: own for own in told["lags"]}
    assert lags.keys() >= {"psu.input_power", "server.power", "pdu.power", "gpu.gpu_temp"}
    assert all((own["seconds"] is None) == bool(own["why_not"]) for own in lags.values())
    low, high = lags["gpu.gpu_temp"]["interval"]
    assert low <= 250.0 * HIDDEN["gpu.thermal_resistance_kelvin_per_watt"] <= high
    site = load_site(str(output))
    assert site.cooling.supply_celsius == pytest.approx(30.0, abs=0.3)
    assert len(site.measured) == 2
    assert report.read_text(encoding="utf-8").count("<svg") >= 4


def test_what_the_past_does_not_tell_is_refused(command: list[str], tmp_path: Path) -> None:
    """Too short a past and too much of it are one sentence each; unknown hosts are named."""
    short = CliRunner().invoke(app, [*command, "--to", str(ORIGIN + 300)])
    assert isinstance(short.exception, ConfigError)
    assert "a calibration needs 60; take a longer past" in str(short.exception)
    much = CliRunner().invoke(app, [*command, "--most-samples", "1000"])
    assert isinstance(much.exception, ConfigError)
    assert "more than 1,000 samples" in str(much.exception)
    path = tmp_path / "user.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("r000", "x000"), encoding="utf-8")
    other = orjson.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert "gpu.thermal_resistance_kelvin_per_watt" in other["not_told"]
    assert "hosts with GPUs that the site file does not have: r0001-n1" in other["warnings"][0]
