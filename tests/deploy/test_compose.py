"""The compose file: pinned, bound to this machine, and with no more rights than needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from twin import __version__
from twin.alerts.fit import misfits
from twin.compose import doctor
from twin.compose.secrets import UIDS
from twin.site import load_site
from twin.wire import MAX_FRAME_BYTES

_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
BYTES_PER_SERIES = 300
"""Of a page of metrics, labels and all: 255 on the demo."""
_EXACT = re.compile(r"^[a-z][a-z0-9./-]*:v?\d+\.\d+\.\d+$")

ALWAYS = (
    "secrets",
    "mosquitto",
    "emulator",
    "aggregator",
    "prometheus",
    "alertmanager",
    "grafana",
)
PROFILES = {
    "history": {"history"},
    "scale": {"emulator-scale", "aggregator-scale", "prometheus-scale"},
    "victoriametrics": {"victoriametrics", "vmalert"},
    "shadow": {"shadow"},
    "redfish": {"redfish"},
    "chaos": {"chaos"},
}
SERVICES = (*ALWAYS, *sorted(name for names in PROFILES.values() for name in names))
GIVER = "secrets"
"""It runs as root, for a moment, to give files to others."""
ONCE = (GIVER, "history")
"""They end before others start."""
_PARTS = ("emulator", "aggregator", "shadow", "redfish")
OURS = {name for name in SERVICES if name.startswith(_PARTS)}
FOREIGN = tuple(name for name in SERVICES if name not in {*ONCE, *OURS, "chaos"})


def test_services(compose: Any) -> None:
    """The whole chain is there, from the secrets to the dashboards, and the rest on demand."""
    found: dict[str, set[str]] = {}
    for name, service in compose["services"].items():
        for profile in service.get("profiles", [""]):
            found.setdefault(profile, set()).add(name)
    assert found == {"": set(ALWAYS), **PROFILES}


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned(compose: Any, name: str) -> None:
    """Every image has an exact version, and the twin's is that of the package."""
    image = compose["services"][name]["image"]
    assert image.startswith(("datacenter-twin", "${"))
    image = re.sub(r"^\$\{[A-Z]+_IMAGE:-(.*)\}$", r"\1", image)
    assert _EXACT.match(image)
    if image.startswith("datacenter-twin"):
        assert image.rpartition(":")[2] == __version__


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_bound_to_this_machine(compose: Any, name: str) -> None:
    """Unless told otherwise no port is reachable from another machine; each can be changed."""
    for port in compose["services"][name].get("ports", []):
        assert re.fullmatch(r"\$\{BIND:-127\.0\.0\.1\}:\$\{[A-Z_]+_PORT:-\d+\}:\d+", port)


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined(compose: Any, name: str) -> None:
    """A service has no rights that it does not need, and bounds on what it may use."""
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["cpu_period"] == 100_000
    quota = _VARIABLE.sub(r"\2", str(service["cpu_quota"]))
    assert 100_000 <= int(quota) <= 400_000
    assert service["pids_limit"] <= 256
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_watched(compose: Any, name: str) -> None:
    """A service has a health check and comes back after a failure."""
    service = compose["services"][name]
    if name in ONCE:
        assert service["restart"] == "no"
        return
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()
    for needed in service.get("depends_on", {}).values():
        assert needed["condition"] in {"service_healthy", "service_completed_successfully"}


@pytest.mark.parametrize("name", SERVICES)
def test_only_who_gives_files_away_is_root(compose: Any, name: str) -> None:
    """Root is who gives files to others, without a network, and who was asked for chaos."""
    service = compose["services"][name]
    if name in ONCE:
        assert service["network_mode"] == "none"
    if name == GIVER:
        assert service["cap_add"] == ["CHOWN"]
    else:
        assert "cap_add" not in service
        assert name == "chaos" or not service.get("user", "10001").startswith("0")
    assert not service.get("privileged")
    sockets = [volume for volume in service.get("volumes", []) if "docker.sock" in volume]
    assert bool(sockets) is (name == "chaos")


def test_every_service_is_a_user_of_its_own(compose: Any) -> None:
    """No two services run as one user, so that none can read or stop another's."""
    users = {
        name: int(compose["services"][name].get("user", "10001:10001").partition(":")[0])
        for name in SERVICES
        if name not in {*ONCE, "chaos"}
    }
    assert len(set(users.values())) == len(users)
    assert users == {
        name: UIDS["broker" if name == "mosquitto" else name] for name in users
    }  # fmt: skip


_OWN = {"mosquitto": "broker"}
"""Folder of the secrets of a service that is called otherwise."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_mounts_its_own_secrets_only(compose: Any, name: str) -> None:
    """Each service has a volume with its secrets, to be read; only who makes them has them all."""
    service = compose["services"][name]
    mounts = [v for v in service.get("volumes", []) if v.startswith("secrets")]
    own = _OWN.get(name, name)
    if name == "secrets":
        folders = {f"secrets-{folder}:/secrets/{folder}" for folder in UIDS}
        assert set(mounts) == {"secrets:/secrets", *folders}
    elif own in UIDS:
        (mount,) = mounts
        assert re.fullmatch(rf"secrets-{own}:/secrets/({own}|monitoring):ro", mount)
    else:
        assert mounts == []
    assert not [key for key in service.get("environment", {}) if "PASSWORD" in key]


def test_past_is_written_as_the_store(compose: Any) -> None:
    """Who writes a past is the store's user, and store and emulator wait for it where it runs."""
    services = compose["services"]
    assert services["history"]["user"] == services["prometheus"]["user"]
    assert "prometheus:/prometheus:nocopy" in services["history"]["volumes"]
    waits = {"condition": "service_completed_successfully", "required": False}
    assert services["prometheus"]["depends_on"]["history"] == waits
    assert services["emulator"]["depends_on"]["history"] == waits
    told = services["emulator"]["environment"]["TWIN_PAST"]
    assert f"--state={told}" in services["history"]["command"]
    assert "past:/past:ro" in services["emulator"]["volumes"]


def test_tls_adds_the_public_certificate_only(root: Path) -> None:
    """With TLS a service mounts beside its own secrets what is public."""
    tls = yaml.safe_load(
        (root / "deploy/compose/tls.yml").read_text("utf-8").replace("!override", "")
    )
    mounts = {
        volume
        for name, service in tls["services"].items()
        if name not in {"secrets", "mosquitto"}
        for volume in service["volumes"]
    }
    assert mounts == {"secrets-public:/secrets/public:ro"}


def test_stores_belong_to_their_services(compose: Any) -> None:
    """Who gives files away gives every store to its service, and no image takes it back."""
    given = [v.split(":") for v in compose["services"]["secrets"]["volumes"] if ":/stores/" in v]
    for volume, folder in given:
        name = folder.removeprefix("/stores/")
        assert name in UIDS
        mounts = compose["services"][name]["volumes"]
        assert [own for own in mounts if re.fullmatch(rf"{volume}:/[a-z]+:nocopy", own)]
    named = {volume for volume, _ in given}
    assert named == {
        "prometheus", "prometheus-scale", "alertmanager", "victoriametrics", "shadow"
    }  # fmt: skip


_SHOWN = re.compile(r"\$\(|`|(?i:authorization|--header|--user|password|token)|://[^/]*@|^-[HuP]")
"""What puts a login among the arguments of a process, which all users of a container can read."""


@pytest.mark.parametrize("name", SERVICES)
def test_no_health_check_shows_a_login(compose: Any, name: str) -> None:
    """A health check runs one program, which takes its login from a file if it needs any."""
    test = compose["services"][name].get("healthcheck", {}).get("test", ["CMD"])
    assert test[0] == "CMD"
    assert [word for word in test if _SHOWN.search(word)] == []
    files = [word.partition("=")[2] for word in test if word.startswith("--http.config.file=")]
    assert files in ([], ["/secrets/monitoring/health.yml"])


def test_the_doctor_shows_no_login() -> None:
    """What is run in a container to ask a service takes its login from a file."""
    for script in (doctor._ASK, doctor._READY):
        assert "$(" not in script
        assert 'open("/secrets' in script or "open(token)" in script


@pytest.mark.parametrize("name", SERVICES)
def test_who_reads_a_site_reads_files_of_sites(compose: Any, name: str) -> None:
    """`SITE=sites/mine.yaml` is the same file inside a container and outside."""
    service = compose["services"][name]
    mounted = "./sites:/sites:ro" in service.get("volumes", [])
    assert mounted is ("TWIN_SITE" in service.get("environment", {}))
    assert "working_dir" not in service  # so that it is the root, as of the image


def test_the_example_of_a_site_is_one(root: Path) -> None:
    """The file in the folder of own sites loads, fits together, and has the name of its file."""
    files = sorted((root / "sites").glob("*.yaml"))
    assert files
    for file in files:
        site = load_site(str(file))
        assert misfits(site) == ()
        assert site.name == file.stem


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_image_does_not_run_as_root(compose: Any, name: str) -> None:
    """An image that is not ours is told its user."""
    assert int(compose["services"][name]["user"].partition(":")[0]) > 0


def test_own_image_does_not_run_as_root(root: Path) -> None:
    """The twin's image ends as a user of its own, and names no image without a version."""
    text = (root / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    lines = text.splitlines()
    stage = {part.split()[2]: part for part in text.split("FROM ")[1:]}
    assert "USER 10001:10001" in stage["base"]
    for name in ("twin", "chaos"):
        assert stage[name].startswith("base AS ")
        assert "USER" not in stage[name]
    images = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert stage["history"].startswith("twin AS ")
    stages = {"build", "base", "twin"}
    assert set(images) - stages == {"${PYTHON_IMAGE}", "${PROMETHEUS_IMAGE}"}
    assert "ARG PYTHON_IMAGE=python:3.13-slim-trixie" in lines


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
    """Every setting of the compose files is in .env.example, with the value it has without."""
    used = {
        variable
        for file in ("docker-compose.yml", "deploy/compose/tls.yml")
        for variable in _VARIABLE.findall((root / file).read_text(encoding="utf-8"))
    }
    example = (root / ".env.example").read_text(encoding="utf-8").splitlines()
    listed = {tuple(line.split("=", 1)) for line in example if line and not line.startswith("#")}
    assert listed == used


def test_broker_lets_nobody_in_without_a_password(root: Path) -> None:
    """Whatever listens, plain or with TLS, asks for a password and looks into the access list."""
    text = (root / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    for line in (
        "per_listener_settings false",
        "allow_anonymous false",
        "password_file /secrets/broker/passwords",
        "acl_file /secrets/broker/acl",
    ):
        assert line in text.splitlines()
    for folder in ("plain", "tls"):
        listener = (root / f"deploy/mosquitto/{folder}/listener.conf").read_text(encoding="utf-8")
        assert "allow_anonymous" not in listener


def test_broker_accepts_frames_but_nothing_larger(root: Path) -> None:
    """The broker's largest packet is the largest frame that is looked at."""
    text = (root / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    settings = dict(line.split(None, 1) for line in text.splitlines() if line and line[0] != "#")
    assert int(settings["max_packet_size"]) == MAX_FRAME_BYTES


def test_a_store_takes_the_largest_page(compose: Any, root: Path) -> None:
    """VictoriaMetrics takes a page of as many series as an aggregator may expose, not 16 MiB."""
    most = compose["services"]["aggregator"]["environment"]["TWIN_MOST_SERIES"]
    option = "-promscrape.maxScrapeSize=256MiB"
    assert int(_VARIABLE.sub(r"\2", most)) * BYTES_PER_SERIES < 256 * 1024**2
    assert option in compose["services"]["victoriametrics"]["command"]
    assert option in (root / "deploy/stores/vmagent.yml").read_text(encoding="utf-8")


def test_scrapes_keep_foreign_labels(root: Path) -> None:
    """Series keep the job and instance of the exporter that they stand for."""
    config = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    twins = [job for job in config["scrape_configs"] if job["job_name"].startswith("twin")]
    assert [job["job_name"] for job in twins] == ["twin", "twin-array"]
    assert all(job["honor_labels"] for job in twins)


def test_provisioning_reads_what_compose_sets(compose: Any, root: Path) -> None:
    """Every variable in Grafana's provisioning is set by the compose file, secrets from files."""
    folder = root / "deploy/grafana/provisioning"
    named = {
        name
        for path in folder.rglob("*.yml")
        for name in re.findall(r"\$\{(\w+)\}", path.read_text(encoding="utf-8"))
    }
    grafana = compose["services"]["grafana"]
    from_files = set(re.findall(r"(\w+)=\$\$\(cat /secrets/", grafana["command"][0]))
    assert from_files == {"PROMETHEUS_PASSWORD", "VICTORIAMETRICS_PASSWORD"}
    assert named == (named & grafana["environment"].keys()) | from_files
