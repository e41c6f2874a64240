"""The configurations of deploy/stores bring the twin's series into a real store."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml

from tests.integration.conftest import HTTP_SECONDS

pytestmark = [pytest.mark.integration, pytest.mark.full]

ROOT = Path(__file__).parents[2]
STORES = ROOT / "deploy/stores"
SITE = "{name: small, racks: 4, servers_per_rack: 1, server: {gpus: 2, nics: 2}}"
GPUS = 8
Spawn = Callable[..., "subprocess.Popen[bytes]"]
Agent = Callable[[Path, str, int], list[str]]
"""Makes the command of an agent out of its configuration, the store's address and a port."""


@pytest.fixture
def spawn(servers: ExitStack, tmp_path: Path) -> Spawn:
    """Return a function that starts a program and ends it after the test."""

    def start(*command: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "output.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)

        def stop() -> None:
            process.terminate()
            process.wait(30)

        servers.callback(stop)
        return process

    return start


@pytest.fixture
def ports() -> Callable[[], int]:
    """Return a function that gives a free port."""

    def free() -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return int(server.getsockname()[1])

    return free


def answers(url: str) -> bool:
    """Return whether something says yes at ``url``."""
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture
def twin(
    spawn: Spawn, ports: Callable[[], int], eventually: Callable[..., Any], tmp_path: Path
) -> str:
    """Run a small twin; return the address of its aggregator."""
    (tmp_path / "small.yaml").write_text(SITE, encoding="utf-8")
    address = f"127.0.0.1:{ports()}"
    spawn(
        sys.executable, "-m", "twin", "up", "--site", str(tmp_path / "small.yaml"),
        "--port", address.rpartition(":")[2], "--mqtt-port", "0",
    )  # fmt: skip
    eventually(lambda: answers(f"http://{address}/readyz"))
    return address


@pytest.fixture
def store(
    spawn: Spawn, ports: Callable[[], int], eventually: Callable[..., Any], tmp_path: Path
) -> str:
    """Run a VictoriaMetrics that keeps one sample of a second; return its address."""
    address = f"127.0.0.1:{ports()}"
    spawn(
        "victoria-metrics", f"-httpListenAddr={address}", f"-storageDataPath={tmp_path / 'store'}",
        "-retentionPeriod=1d", "-dedup.minScrapeInterval=1s", "-search.latencyOffset=0s",
    )  # fmt: skip
    eventually(lambda: answers(f"http://{address}/health"))
    return address


@pytest.fixture
def configuration(twin: str, store: str, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a configuration of deploy/stores with the addresses of here."""

    def write(name: str) -> Path:
        text = (STORES / name).read_text(encoding="utf-8")
        for shipped, here in (
            ("twin-aggregator-a:9400", twin),
            ("vminsert:8480/insert/0/prometheus", store),
            ("15s", "1s"),
            ("10s", "1s"),
            ("5s", "1s"),
        ):
            text = text.replace(shipped, here)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def query(store: str, expression: str) -> list[dict[str, Any]]:
    """Return the result of an instant query."""
    url = f"http://{store}/api/v1/query"
    answer = httpx.get(url, params={"query": expression}, timeout=HTTP_SECONDS)
    answer.raise_for_status()
    result: list[dict[str, Any]] = answer.json()["data"]["result"]
    return result


def prometheus_agent(file: Path, _store: str, port: int) -> list[str]:
    """Return the command of a Prometheus agent."""
    return [
        "prometheus", "--enable-feature=agent", f"--config.file={file}",
        f"--storage.agent.path={file.parent / 'wal'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip


def vmagent(file: Path, store: str, port: int) -> list[str]:
    """Return the command of a vmagent."""
    return [
        "vmagent", f"-promscrape.config={file}", "-promscrape.streamParse",
        "-promscrape.maxScrapeSize=256MiB",
        f"-httpListenAddr=127.0.0.1:{port}", f"-remoteWrite.url=http://{store}/api/v1/write",
        f"-remoteWrite.tmpDataPath={file.parent / 'queue'}",
    ]  # fmt: skip


FILES: dict[Agent, str] = {prometheus_agent: "prometheus-agent.yml", vmagent: "vmagent.yml"}


@pytest.mark.parametrize(
    "agents",
    [(prometheus_agent,), (vmagent,), (vmagent, prometheus_agent)],
    ids=["prometheus", "vmagent", "a pair"],
)
def test_series_arrive(
    configuration: Callable[[str], Path],
    store: str,
    spawn: Spawn,
    ports: Callable[[], int],
    eventually: Callable[..., Any],
    agents: tuple[Agent, ...],
) -> None:
    """Every GPU is in the store once, under its exporter's job and instance; also from a pair."""
    for agent in agents:
        spawn(*agent(configuration(FILES[agent]), store, ports()))
    power = 'DCGM_FI_DEV_POWER_USAGE{job="dcgm-exporter"}'

    def gpus() -> list[dict[str, Any]]:
        found = query(store, power)
        return found if len(found) == GPUS else []

    found = eventually(gpus)
    assert {entry["metric"]["site"] for entry in found} == {"small"}
    assert all(":9400" in entry["metric"]["instance"] for entry in found)
    # Two samples a second at most would show a pair that is not told apart.
    counted = eventually(lambda: query(store, f"max(count_over_time({power}[10s])) > 5"))
    assert float(counted[0]["value"][1]) <= 11
    assert eventually(lambda: query(store, "sum(up{job=~'twin.*'})"))


def test_the_agent_takes_its_configuration() -> None:
    """Promtool takes the agent's configuration for one of an agent."""
    file = STORES / "prometheus-agent.yml"
    subprocess.run(["promtool", "check", "config", "--agent", str(file)], check=True)


def test_the_operator_takes_its_agent() -> None:
    """The PrometheusAgent fits its definition, and has no field that the definition lacks."""
    thing = yaml.safe_load((STORES / "prometheus-agent.operator.yaml").read_text(encoding="utf-8"))
    schema = Path(__file__).parent / "helm/operator/PrometheusAgent.v1alpha1.json"
    jsonschema.validate(thing, json.loads(schema.read_text(encoding="utf-8")))
