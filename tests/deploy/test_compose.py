"""The compose file: pinned, bound to this machine, and with no more rights than needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from twin import __version__
from twin.wire import MAX_FRAME_BYTES

_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
_EXACT = re.compile(r"^[a-z][a-z0-9./-]*:v?\d+\.\d+\.\d+$")

SERVICES = ("mosquitto", "emulator", "aggregator", "prometheus", "alertmanager", "grafana")


def test_services(compose: Any) -> None:
    """The whole chain is there, from the broker to the dashboards."""
    assert tuple(compose["services"]) == SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned(compose: Any, name: str) -> None:
    """Every image has an exact version, and the twin's is that of the package."""
    image = compose["services"][name]["image"]
    assert _EXACT.match(image)
    if image.startswith("datacenter-twin"):
        assert image == f"datacenter-twin:{__version__}"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_bound_to_this_machine(compose: Any, name: str) -> None:
    """No port is reachable from another machine, and each can be changed."""
    for port in compose["services"][name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-(\d+)\}:\1", port)


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined(compose: Any, name: str) -> None:
    """A service has no rights that it does not need, and bounds on what it may use."""
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"] <= 256
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_watched(compose: Any, name: str) -> None:
    """A service has a health check and comes back after a failure."""
    service = compose["services"][name]
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()
    for needed in service.get("depends_on", {}).values():
        assert needed["condition"] == "service_healthy"


@pytest.mark.parametrize("name", ["mosquitto", "prometheus", "alertmanager", "grafana"])
def test_foreign_image_does_not_run_as_root(compose: Any, name: str) -> None:
    """An image that is not ours is told its user."""
    assert int(compose["services"][name]["user"].partition(":")[0]) > 0


def test_own_image_does_not_run_as_root(root: Path) -> None:
    """The twin's image ends as a user of its own, and names no image without a version."""
    lines = (root / "deploy/docker/Dockerfile").read_text(encoding="utf-8").splitlines()
    assert (
        "USER 10001:10001" in lines[[i for i, s in enumerate(lines) if s.startswith("FROM")][-1] :]
    )
    images = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert set(images) == {"python:3.13-slim-trixie"}


def test_mounted_files_exist(compose: Any, root: Path) -> None:
    """What a service mounts from the repository is there, and read-only."""
    mounts = [
        volume
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]
    assert len(mounts) >= 6
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (root / source).exists()
        assert mode == "ro"


def test_example_settings_are_the_defaults(root: Path) -> None:
    """Every setting of the compose file is in .env.example, with the value it has without."""
    used = set(_VARIABLE.findall((root / "docker-compose.yml").read_text(encoding="utf-8")))
    example = (root / ".env.example").read_text(encoding="utf-8").splitlines()
    listed = {tuple(line.split("=", 1)) for line in example if line and not line.startswith("#")}
    assert listed == used


def test_no_password_is_in_the_repository(compose: Any) -> None:
    """Grafana's password comes from outside or is made at the first start."""
    environment = compose["services"]["grafana"]["environment"]
    secrets = {name: value for name, value in environment.items() if "PASSWORD" in name}
    assert secrets == {"ADMIN_PASSWORD": "${GRAFANA_ADMIN_PASSWORD:-}"}


def test_broker_accepts_frames_but_nothing_larger(root: Path) -> None:
    """The broker's largest packet is the largest frame that is looked at."""
    text = (root / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    settings = dict(line.split(None, 1) for line in text.splitlines() if line and line[0] != "#")
    assert int(settings["max_packet_size"]) == MAX_FRAME_BYTES


def test_scrapes_keep_foreign_labels(root: Path) -> None:
    """Series keep the job and instance of the exporter that they stand for."""
    config = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    twins = [job for job in config["scrape_configs"] if job["job_name"].startswith("twin")]
    assert [job["job_name"] for job in twins] == ["twin", "twin-array"]
    assert all(job["honor_labels"] for job in twins)


def test_provisioning_reads_what_compose_sets(compose: Any, root: Path) -> None:
    """Every variable in Grafana's provisioning is set by the compose file."""
    folder = root / "deploy/grafana/provisioning"
    named = {
        name
        for path in folder.rglob("*.yml")
        for name in re.findall(r"\$\{(\w+)\}", path.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= compose["services"]["grafana"]["environment"].keys()
