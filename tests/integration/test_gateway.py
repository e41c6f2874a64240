"""A fleet behind a real Prometheus, captured and published: a second twin shows the same."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import HTTP_SECONDS, Mosquitto, Prometheus, Server, started
from twin.bench.process import free_port
from twin.catalog.own import UNIT_LAST_FRAME

pytestmark = pytest.mark.integration

SITE = """
name: small
racks: 2
racks_per_array: 1
servers_per_rack: 2
server: {gpus: 2, nics: 2}
telemetry: {interval_seconds: 2, exporters: {dcgm: 4.9.0}}
"""
SCRAPES = """
global: {{scrape_interval: 2s}}
scrape_configs:
  - job_name: fleet
    honor_labels: true
    http_sd_configs: [{{url: "{twin}/sd", refresh_interval: 1s}}]
"""
LINE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Twin(Server):
    """A process of the twin.

    Args:
        folder: where its files go.
        arguments: of ``twin``; ``{port}`` and ``{mqtt}`` stand for its own ports.
        http: whether it serves HTTP.
    """

    def __init__(self, folder: Path, *arguments: str, http: bool = True) -> None:
        super().__init__(folder)
        self._http = http
        ports = {"port": self.port, "mqtt": free_port()}
        self._arguments = [argument.format(**ports) for argument in arguments]

    @property
    def url(self) -> str:
        """Address of its pages."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "twin", *self._arguments]

    def ready(self) -> bool:
        """Return whether its pages answer."""
        try:
            return not self._http or httpx.get(f"{self.url}/healthz", timeout=5).is_success
        except httpx.TransportError:
            return False

    def text(self, path: str) -> str:
        """Return a page."""
        return httpx.get(f"{self.url}{path}", timeout=HTTP_SECONDS).text


def racks_series(text: str, rack: str) -> Series:
    """Return the series of a rack on a page of an array."""
    found = (
        ((name, frozenset(LABEL.findall(labels))), float(value))
        for name, labels, value in LINE.findall(text)
    )
    return {key: value for key, value in found if ("rack", rack) in key[1]}


def stored(prometheus: Prometheus, rack: str, at: float) -> Series:
    """Return what Prometheus has of a rack at an instant."""
    result = prometheus.get("/api/v1/query", query=f'{{rack="{rack}",job!~"twin.*"}}', time=f"{at}")
    return {
        (own["metric"].pop("__name__"), frozenset(own["metric"].items())): float(own["value"][1])
        for own in result["data"]["result"]
    }


def last_frame(twin: Twin, rack: str) -> float:
    """Return the time of the last frame of a rack."""
    found = re.search(
        rf'{UNIT_LAST_FRAME.name}\{{[^}}]*unit="{rack}"[^}}]*\}} (\S+)', twin.text("/metrics")
    )
    return float(found[1]) if found else 0.0


def test_a_captured_fleet_is_shown_as_it_is(
    servers: ExitStack,
    tmp_path: Path,
    mosquitto: Mosquitto,
    prometheus_server: Callable[[str], Prometheus],
    eventually: Callable[..., Any],
) -> None:
    """Capture and gateway give a second aggregator the first one's series, labels and values."""
    (tmp_path / "small.yaml").write_text(SITE)
    first = started(
        Twin(tmp_path / "first", "up", "--site", str(tmp_path / "small.yaml"),
             "--port", "{port}", "--mqtt-port", "{mqtt}"), servers,
    )  # fmt: skip
    prometheus = prometheus_server(SCRAPES.format(twin=first.url))
    file = tmp_path / "captured.yaml"

    def captured() -> bool:
        done = subprocess.run(
            [sys.executable, "-m", "twin", "capture", "--prometheus", prometheus.url,
             "--name", "small", "-o", str(file)],
            capture_output=True, text=True, check=False, timeout=HTTP_SECONDS,
        )  # fmt: skip
        if done.returncode == 0 and "8 x NVIDIA" not in done.stdout:
            file.unlink()  # not all targets were scraped yet
        return file.exists()

    eventually(lambda: len(stored(prometheus, "r0002", prometheus_now(prometheus))) > 100)
    eventually(lambda: _scrapes(prometheus) > 4)
    eventually(captured)
    second = started(
        Twin(tmp_path / "second", "aggregate", "--site", str(file), "--broker", str(mosquitto.url),
             "--port", "{port}"), servers,
    )  # fmt: skip
    gateway = Twin(
        tmp_path / "gateway", "gateway", "--prometheus", prometheus.url, "--site", str(file),
        "--broker", str(mosquitto.url), "--interval", "2s", http=False,
    )  # fmt: skip
    started(gateway, servers)

    def compared() -> tuple[Series, Series] | None:
        at = last_frame(second, "r0001")
        shown = racks_series(second.text("/arrays/a001/metrics"), "r0001")
        if not at or at != last_frame(second, "r0001"):
            return None
        return shown, stored(prometheus, "r0001", at)

    shown, expected = eventually(compared, why=gateway.log.read_text)
    expected = {key: value for key, value in expected.items() if key in shown or _is_device(key)}
    assert len(shown) > 150
    assert shown.keys() == expected.keys()
    assert shown == pytest.approx(expected, rel=1e-9)
    described = httpx.get(f"{second.url}/api/racks/r0001", timeout=HTTP_SECONDS).json()
    assert described["source"] == "measured"
    assert "measured" not in first.text("/api/racks/r0001")


def prometheus_now(prometheus: Prometheus) -> float:
    """Return the server's time."""
    return float(prometheus.get("/api/v1/query", query="time()")["data"]["result"][0])


def _scrapes(prometheus: Prometheus) -> float:
    found = prometheus.query('min(count_over_time(up{job="dcgm-exporter"}[1m]))')
    return float(found[0]["value"][1]) if found else 0.0


def _is_device(key: tuple[str, frozenset[tuple[str, str]]]) -> bool:
    """Whether a series is of a device, not a roll-up."""
    return "instance" in dict(key[1])
