"""Kubernetes and the Prometheus Operator would take what the chart makes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import kubernetes_validate
import pytest

if TYPE_CHECKING:
    from tests.integration.helm.conftest import Rendered

pytestmark = [pytest.mark.integration, pytest.mark.full]

OPERATOR = Path(__file__).parent / "operator"
VERSIONS = ("1.27", "1.37")
"""Of Kubernetes: the oldest that the chart asks for and the newest with published schemas."""


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_it(example: Rendered, version: str) -> None:
    """Every object has the fields and types that Kubernetes knows, and no other."""
    own = [thing for thing in example.objects if "monitoring.coreos.com" not in thing["apiVersion"]]
    assert own
    for thing in own:
        kubernetes_validate.validate(thing, version, strict=True)


def test_the_operator_takes_it(example: Rendered) -> None:
    """Every object of the Prometheus Operator fits its definition, and has no other field."""
    for thing in example.objects:
        group, _, version = thing["apiVersion"].rpartition("/")
        if group == "monitoring.coreos.com":
            file = OPERATOR / f"{thing['kind']}.{version}.json"
            jsonschema.validate(thing, json.loads(file.read_text(encoding="utf-8")))


def test_lint(chart: Path, run_helm: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Helm has nothing to complain of."""
    answer = run_helm("lint", "--strict", str(chart))
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("mosquitto.enabled=false", "no broker is set"),
        ("broker.urls[0]=mqtt://b", "two brokers are set"),
        ("emulator.shards=2", "no pod runs the facility"),
        ("facility.enabled=true", "two pods run the facility"),
        ("redfish.enabled=true", "passwordSecret"),
        ("aggregator.injectTokenSecret=x", "injectTokenSecret has no effect"),
        (
            "monitoring.scrapeConfig.enabled=true,monitoring.serviceMonitor.enabled=true",
            "scraped twice",
        ),
        ("mosquitto.enabled=false,broker.urls[0]=mqtt://user:pw@b", "broker.urls"),
        ("mosquitto.enabled=false,broker.urls[0]=amqp://b", "broker.urls"),
        ("broker.emulator.passwordSecret=x", "username"),
        ("image.tag=latest", "image.tag"),
        ("aggregator.replicas=3", "aggregator.replicas"),
        ("aggregator.detail[0]=everything", "aggregator.detail"),
        ("emulator.shard=2", "shard"),
    ],
)
def test_refused(
    chart: Path,
    run_helm: Callable[..., subprocess.CompletedProcess[str]],
    setting: str,
    why: str,
) -> None:
    """Values that cannot work are refused with the reason, before anything is made."""
    answer = run_helm("template", "r", str(chart), "--set", setting)
    assert answer.returncode != 0
    assert why.replace(".", "/") in answer.stderr or why in answer.stderr
