"""The chart, rendered by the real helm."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy/helm/twin"
NAMESPACE = "monitoring"

Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What helm would send to Kubernetes.

    Attributes:
        objects: all of them.
    """

    objects: tuple[Object, ...]

    def of(self, kind: str) -> list[Object]:
        """Return the objects of a kind."""
        return [thing for thing in self.objects if thing["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        """Return the object of that kind and name."""
        (found,) = (thing for thing in self.of(kind) if thing["metadata"]["name"] == name)
        return found

    @property
    def workloads(self) -> list[Object]:
        """All that makes pods."""
        return self.of("StatefulSet") + self.of("Deployment")

    @property
    def arguments(self) -> dict[str, list[str]]:
        """Arguments of the twin in each workload that runs it, by its name."""
        return {
            workload["metadata"]["name"]: container["args"]
            for workload in self.workloads
            for container in pod(workload)["containers"]
            if container["name"] == "twin"
        }


def pod(workload: Object) -> Object:
    """Return the spec of a workload's pods."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm."""
    program = shutil.which("helm")
    if program is None:
        pytest.fail(
            "these tests need helm: run them by scripts/test, or install helm 3.17 or newer"
        )
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@cache
def rendered(*arguments: str) -> Rendered:
    """Return what the chart makes of values."""
    answer = helm("template", "r", str(CHART), "--namespace", NAMESPACE, *arguments)
    assert answer.returncode == 0, answer.stderr
    return Rendered(tuple(thing for thing in yaml.safe_load_all(answer.stdout) if thing))


@pytest.fixture
def chart() -> Path:
    """Return the chart's folder."""
    return CHART


@pytest.fixture
def render() -> Callable[..., Rendered]:
    """Return a function that renders the chart; arguments are those of ``helm template``."""
    return rendered


@pytest.fixture
def run_helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs helm."""
    return helm


@pytest.fixture(params=["", *sorted(path.name for path in (CHART / "examples").glob("*.yaml"))])
def example(request: pytest.FixtureRequest) -> Rendered:
    """Return what the chart makes of its defaults, and of each example."""
    file = ("--values", str(CHART / "examples" / request.param)) if request.param else ()
    return rendered(*file)
