"""Alertmanager with the shipped configuration: what explains what, rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.conftest import HTTP_SECONDS
from twin.alerts import RULES

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("alertmanager")]

CONFIG = Path(__file__).parents[2] / "deploy/alertmanager/alertmanager.yml"
SITE = {"site": "demo"}
ARRAY = {**SITE, "hall": "h1", "array": "a001"}
RACK = {**ARRAY, "rack": "r0005"}
HOST = {**RACK, "host": "r0005-n1"}
SERVER = {**RACK, "instance": "r0005-n1:9400"}
GPU = {**SERVER, "gpu": "3"}
PORT = {**RACK, "instance": "r0005-n1:9100", "device": "mlx5_0"}
AGGREGATOR = {**SITE, "instance": "a1:9400"}
JOB = {**SITE, "training_job": "pretrain"}
FEED = {**SITE, "feed": "1"}

CASES: tuple[tuple[str, dict[str, str], str, dict[str, str], dict[str, str]], ...] = (
    ("EmulatorLost", SITE, "GpuXid", GPU, {"site": "other"}),
    ("BrokerDisconnected", SITE, "RackSilent", RACK, {"site": "other"}),
    ("EmulatorLost", {**SITE, "part": "0/3"}, "RackSilent", RACK, {"site": "other"}),
    ("EmulatorLost", {**SITE, "part": "facility"}, "JobSlow", JOB, {"site": "other"}),
    (
        "AggregatorDisconnected",
        AGGREGATOR,
        "RackSilent",
        {**RACK, **AGGREGATOR},
        {"instance": "a2"},
    ),
    ("AggregatorDisconnected", AGGREGATOR, "RollupsIncomplete", SITE, {"site": "other"}),
    ("ScrapeTargetDown", {**SITE, "shard": "0"}, "GridImportRamp", FEED, ARRAY),
    ("ScrapeTargetDown", ARRAY, "GpuLost", SERVER, {"array": "a002"}),
    ("RackSilent", RACK, "ServerDown", HOST, {"rack": "r0006"}),
    ("RacksShed", SITE, "RackWithoutPower", RACK, {"site": "other"}),
    ("RackWithoutPower", RACK, "GpuLost", SERVER, {"rack": "r0006"}),
    ("PduBreakerOpen", RACK, "PsuFailed", SERVER, {"rack": "r0006"}),
    ("ServerDown", HOST, "ServerExporterDown", HOST, {"host": "r0005-n2"}),
    ("GpuPowerBrake", SERVER, "GpuClockLow", GPU, {"instance": "r0005-n2:9400"}),
    ("ServerPowerThrottling", SERVER, "GpuClockLow", GPU, {"instance": "r0005-n2:9400"}),
    ("GridBreakerOpen", FEED, "GridVoltageAbnormal", FEED, {"feed": "2"}),
    ("GridVoltageAbnormal", FEED, "MegapackFault", {**SITE, "megapack": "mp001"}, {"site": "x"}),
    ("MegapackFault", SITE, "GridImportSwing", FEED, {"site": "other"}),
    ("FacilityWaterWarm", SITE, "CoolantHot", RACK, {"site": "other"}),
    ("RackWithoutPumps", RACK, "GpuTooHot", GPU, {"rack": "r0006"}),
    ("CoolantLeak", RACK, "RackWithoutPumps", RACK, {"rack": "r0006"}),
    ("FacilityValveStuck", RACK, "CoolantAboveOthers", RACK, {"rack": "r0006"}),
    ("CoolantFlowLow", RACK, "GpuThermalThrottling", GPU, {"rack": "r0006"}),
    ("CoolantHot", RACK, "CoolantAboveOthers", RACK, {"rack": "r0006"}),
    ("GpuTooHot", GPU, "GpuThermalThrottling", GPU, {"gpu": "4"}),
    ("GpuRowRemapFailure", GPU, "GpuXid", GPU, {"gpu": "4"}),
    ("LeafDown", ARRAY, "NicLinkDown", PORT, {"array": "a002"}),
    ("SpineDown", SITE, "FabricCongested", SITE, {"site": "other"}),
    ("NicLinkDown", PORT, "NicLinkFlapping", PORT, {"device": "mlx5_1"}),
    ("PfcStorm", PORT, "FabricCongested", SITE, {"site": "other"}),
    ("JobStalled", SITE, "CollectiveHang", SITE, {"site": "other"}),
    ("JobCheckpointSlow", JOB, "JobCheckpointOverhead", JOB, {"training_job": "other"}),
)
"""For each inhibition, in the order of the file: an alert that explains, where it is, one
that it explains, where that is, and what is different where it must not be silenced."""

PARTS: tuple[tuple[str, dict[str, str], str, dict[str, str]], ...] = (
    ("EmulatorLost", {**SITE, "part": "0/3"}, "GpuXid", GPU),
    ("EmulatorLost", {**SITE, "part": "0/3"}, "FramesLost", SITE),
    ("EmulatorLost", {**SITE, "part": "facility"}, "GpuXid", GPU),
    ("AggregatorDisconnected", AGGREGATOR, "MegapackFault", SITE),
    ("ScrapeTargetDown", {**AGGREGATOR, "shard": "1"}, "MegapackFault", SITE),
)
"""What is lost of a site in shards, and what others still see."""

DOMAINS = {alert.name: rules.domain for rules in RULES for alert in rules.alerts}


@pytest.fixture(scope="module")
def config() -> Any:
    """Return the shipped configuration."""
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


def alert(name: str, place: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return a firing alert as Prometheus posts it."""
    return {"labels": {"alertname": name, "domain": DOMAINS[name], **place}}


def post(url: str, alerts: list[dict[str, dict[str, str]]]) -> None:
    """Send alerts as Prometheus does."""
    httpx.post(f"{url}/api/v2/alerts", json=alerts, timeout=HTTP_SECONDS).raise_for_status()


def states(server: Any, alerts: list[dict[str, dict[str, str]]]) -> list[str | None]:
    """Return the state of each of these alerts, None for one that is not known yet."""
    found = {frozenset(own["labels"].items()): own["status"]["state"] for own in server.alerts()}
    return [found.get(frozenset(own["labels"].items())) for own in alerts]


def test_every_inhibition_has_its_case(config: Any) -> None:
    """No inhibition is without a test."""
    assert len(CASES) == len(config["inhibit_rules"])


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{c[0]}-{c[2]}" for c in CASES])
def test_inhibition(
    number: int,
    config: Any,
    alertmanager_server: Callable[[str], Any],
    eventually: Callable[..., Any],
) -> None:
    """An inhibition, alone, silences what the alert explains, and nothing anywhere else."""
    source, at, target, there, other = CASES[number]
    rule = config["inhibit_rules"][number]
    server = alertmanager_server(yaml.safe_dump({**config, "inhibit_rules": [rule]}))
    sent = [alert(source, at), alert(target, there), alert(target, {**there, **other})]
    post(server.url, sent)
    # It takes note of what explains only a moment later, and silences nothing before that.
    eventually(lambda: states(server, sent)[1] == "suppressed")
    assert [state == "suppressed" for state in states(server, sent)] == [False, True, False]


@pytest.mark.parametrize("part", PARTS, ids=[f"{part[0]}-{part[2]}" for part in PARTS])
def test_a_part_that_is_lost_silences_no_other(
    part: tuple[str, dict[str, str], str, dict[str, str]],
    config: Any,
    alertmanager_server: Callable[[str], Any],
    eventually: Callable[..., Any],
) -> None:
    """What goes wrong with one shard of the telemetry hides nothing that the others see."""
    source, at, target, there = part
    server = alertmanager_server(yaml.safe_dump(config))
    sent = [alert(source, at), alert(target, there)]
    post(server.url, sent)
    eventually(lambda: None not in states(server, sent))
    assert states(server, sent) == ["active", "active"]
