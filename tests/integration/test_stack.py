"""The whole chain on real servers: emulator, Mosquitto, aggregator, Prometheus, Alertmanager."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import HTTP_SECONDS, inject
from twin.site import Layout, load_site, site_rollups

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules"


def twin(*arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "twin", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Stack:
    """Emulator and aggregator as processes of their own, on one broker."""

    def __init__(self, broker: str, port: int, folder: Path) -> None:
        self.broker = broker
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start("aggregate", "--port", str(port))
        self.start("emulate")

    def start(self, command: str, *arguments: str) -> None:
        """Start one part."""
        with (self._folder / f"{command}.log").open("ab") as log:
            self._processes[command] = subprocess.Popen(
                [sys.executable, "-m", "twin", command, "--broker", self.broker, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, command: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to one part and return its exit status."""
        process = self._processes[command]
        process.send_signal(number)
        status = process.wait(timeout=60)
        del self._processes[command]
        return status

    def end_all(self) -> None:
        """End what still runs."""
        for command in list(self._processes):
            self.end(command, signal.SIGKILL)

    def ready(self) -> bool:
        """Return whether every rack reports."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def inject(self, *arguments: str) -> None:
        """Inject a fault by the command line."""
        inject(*arguments, "--broker", self.broker, "--site", "demo")

    def series(self, path: str, name: str, **labels: str) -> list[str]:
        """Return the exposed lines of a metric that have these labels."""
        answer = httpx.get(f"{self.url}{path}", timeout=HTTP_SECONDS)
        answer.raise_for_status()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return [
            line
            for line in answer.text.splitlines()
            if line.startswith(f"{name}{{") and all(label in line for label in wanted)
        ]


@pytest.fixture
def stack(
    unused_port: int, mosquitto: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> Iterator[Stack]:
    """A running demo site whose racks all report."""
    stack = Stack(str(mosquitto.url), unused_port, tmp_path)
    try:
        eventually(stack.ready)
        yield stack
    finally:
        stack.end_all()


def _prometheus_config(aggregator: str, alertmanager: str) -> str:
    """Return the shipped configuration with the addresses of this test."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    for old, new in (
        ("aggregator:9400", aggregator),
        ("alertmanager:9093", alertmanager),
        ("rules/*.yml", f"{RULES}/*.yml"),
        ("evaluation_interval: 5s", "evaluation_interval: 1s"),
        ("refresh_interval: 15s", "refresh_interval: 1s"),
    ):
        assert old in text, f"{old!r} is no longer in the shipped configuration"
        text = text.replace(old, new)
    return text


def test_from_fault_to_alert(
    stack: Stack,
    prometheus_server: Callable[[str], Any],
    alertmanager_server: Callable[[str], Any],
    eventually: Callable[..., Any],
) -> None:
    """Prometheus discovers the arrays, has every series, and a pump failure raises its alert."""
    manager = alertmanager_server((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    prometheus = prometheus_server(_prometheus_config(f"127.0.0.1:{stack.port}", manager.address))

    def arrays() -> set[str]:
        found = prometheus.query('count by (array) (DCGM_FI_DEV_GPU_TEMP{site="demo"}) == 512')
        return {series["metric"]["array"] for series in found}

    assert eventually(lambda: arrays() == {"a001", "a002"})

    def health() -> set[str]:
        targets = prometheus.targets()
        return {target["health"] for target in targets if "twin" in target["scrapePool"]}

    eventually(lambda: health() == {"up"})
    layout = Layout(load_site("demo"))
    wanted = {
        signal.metric
        for exposed in layout.exposed.values()
        for device in layout.devices
        for signal in exposed[device.name]
        # What an exporter counts itself is there once it has counted.
        if not signal.hidden and signal.event is None
    }
    wanted |= {
        family.metric
        for device in layout.devices
        for family in device.exposed(layout.site, layout.host_level(0))
    }
    wanted |= {
        name
        for rollup, _, _ in site_rollups(layout)
        for level in rollup.levels
        for name in rollup.names(level)
    }

    def missing() -> set[str]:
        return wanted - set(prometheus.get("/api/v1/label/__name__/values")["data"])

    eventually(lambda: not missing(), why=lambda: f"missing: {sorted(missing())}")

    # honor_labels: the real exporter's job and instance survive the scrape.
    up = 'count(up{job="dcgm-exporter", instance=~"r....-n.:9400"} == 1)'
    eventually(lambda: [found["value"][1] for found in prometheus.query(up)] == ["128"])
    assert manager.alerts() == []

    stack.inject("pump-failure", "--target", "r0003/pump1", "--for", "10m")

    def pump_alerts() -> list[dict[str, str]]:
        labels = [alert["labels"] for alert in manager.alerts()]
        return [found for found in labels if found["alertname"] == "CoolantPumpFailed"]

    (alert,) = eventually(pump_alerts)
    assert (alert["rack"], alert["pump"], alert["site"]) == ("r0003", "1", "demo")
    assert {a["labels"]["alertname"] for a in manager.alerts()} == {"CoolantPumpFailed"}


def test_a_silent_gateway_takes_its_series_along(
    stack: Stack, eventually: Callable[..., Any]
) -> None:
    """A silent rack's series disappear, nobody else's do, and a metric says why."""
    page = "/arrays/a001/metrics"
    assert len(stack.series(page, "DCGM_FI_DEV_GPU_TEMP", rack="r0002")) == 64
    stack.inject("gateway-silent", "--target", "r0002", "--for", "10m")
    eventually(lambda: not stack.series(page, "DCGM_FI_DEV_GPU_TEMP", rack="r0002"))
    assert stack.series(page, "up", rack="r0002") == []
    assert stack.series("/metrics", "rack_it_power_watts", rack="r0002") == []
    assert len(stack.series(page, "DCGM_FI_DEV_GPU_TEMP", rack="r0001")) == 64
    assert len(stack.series("/metrics", "twin_unit_missing", unit="r0002", reason="timeout")) == 1


def test_a_lost_gpu_leaves_seven(stack: Stack, eventually: Callable[..., Any]) -> None:
    """Off the bus a GPU has no series at all, while its server stays up."""
    page = "/arrays/a001/metrics"
    stack.inject("gpu-off-bus", "--target", "r0001/n2/gpu5")
    host = {"instance": "r0001-n2:9400"}
    eventually(lambda: len(stack.series(page, "DCGM_FI_DEV_GPU_TEMP", **host)) == 7)
    assert stack.series(page, "DCGM_FI_DEV_FB_USED", gpu="5", **host) == []
    assert stack.series(page, "up", **host)[0].endswith(" 1")
    stalled = {"state": "stalled"}
    eventually(lambda: stack.series("/metrics", "training_job_state", **stalled)[0].endswith(" 1"))


def test_a_killed_emulator_is_known_at_once(stack: Stack, eventually: Callable[..., Any]) -> None:
    """The Last Will of a killed emulator takes all series away; its successor brings them back."""
    stack.end("emulate", signal.SIGKILL)
    eventually(lambda: not stack.series("/arrays/a001/metrics", "DCGM_FI_DEV_GPU_TEMP"))
    assert len(stack.series("/metrics", "twin_unit_missing", kind="rack", reason="will")) == 16
    stack.start("emulate")
    eventually(stack.ready)


def test_counters_go_on_after_a_restart(
    stack: Stack, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """With ``--state`` an emulator that ended takes up its counters where they stood."""

    def energy() -> float | None:
        """Return the sum over the array, or None until all its GPUs report."""
        lines = stack.series("/arrays/a001/metrics", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION")
        values = [float(line.rsplit(" ", 1)[1]) for line in lines]
        return sum(values) if len(values) == 512 else None

    state = ("--state", str(tmp_path / "state"), "--seed", "7")
    stack.end("emulate")
    eventually(lambda: energy() is None)
    stack.start("emulate", *state)
    before = eventually(energy)
    assert stack.end("emulate") == 0
    eventually(lambda: energy() is None)
    stack.start("emulate", *state)
    after = eventually(energy)
    watts = 512 * 700.0
    assert before < after < before + 60 * watts * 1e3


def test_parts_end_cleanly(stack: Stack) -> None:
    """On SIGTERM emulator and aggregator exit with status 0 within a minute."""
    assert stack.end("emulate") == 0
    assert stack.end("aggregate") == 0


_TOO_SHORT = ("racks reported", "no frame was published", "run for longer")
"""What a check says of a run that has ended before all that it looks at has begun."""


def checked(least: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``twin up --check`` for long enough to be judged, however slow the machine is."""
    for length in (least, "100s", "400s"):
        done = twin("up", "--for", length, "--check", "--port", "0", *arguments, timeout=600.0)
        if not any(text in done.stderr for text in _TOO_SHORT):
            break
    return done


def test_up_check() -> None:
    """``twin up --check`` exits 0 and says that all racks reported and nothing was lost."""
    done = checked("6s", "--json", "--mqtt-port", "0")
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout.splitlines()[-1])
    assert table["racks"] == table["racks_reporting"] == 16
    assert table["frames_published"] == table["frames_ingested"] > 0
    assert table["frames_lost"] == table["decode_errors"] == 0
    assert table["series"] > 80_000
    assert 2e5 < table["it_power_watts"] < 1.1e6
    assert "late_ticks" in table


@pytest.mark.full
def test_up_replays_the_measured_trace() -> None:
    """Replayed at 60 times real time, the exposed power follows the measured trace."""
    done = checked(
        "30s", "--site", "colossus-array", "--workload", "trace:gpt3-512xh100", "--speed", "60",
        # What a busy machine cannot keep up with would fail the check, and is not the claim.
        "--mqtt-port", "0", "--slow-down", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout.splitlines()[-1])
    assert table["trace_correlation"] >= 0.99
    assert table["trace_error_ratio"] <= 0.01


@pytest.mark.parametrize("codec", ["json", "cbor"])
def test_up_on_a_real_broker(mosquitto: Any, codec: str) -> None:
    """With ``--broker`` the twin uses a broker that is already there, in either codec."""
    done = checked("4s", "--broker", str(mosquitto.url), "--codec", codec)
    assert done.returncode == 0, done.stderr


def test_a_taken_port_is_named(mosquitto: Any) -> None:
    """A port that is taken gives one sentence with the port, and exit status 2."""
    done = twin("up", "--port", "0", "--mqtt-port", str(mosquitto.port))
    assert done.returncode == 2
    assert str(mosquitto.port) in done.stderr
    assert "Traceback" not in done.stderr


def test_an_absent_broker_is_named(unused_port: int) -> None:
    """A command to a broker that is not there gives one sentence and exit status 3."""
    done = twin("inject", "pump-failure", "--broker", f"mqtt://127.0.0.1:{unused_port}")
    assert done.returncode == 3
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigint_ends_up(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    """Ctrl-C ends ``twin up`` with status 0 and without a traceback."""
    log = tmp_path / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "twin", "up", "--port", "0", "--mqtt-port", "0"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def started() -> bool:
        assert process.poll() is None, log.read_text()
        return b"Ctrl-C" in log.read_bytes()

    try:
        eventually(started, why=log.read_text)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()
