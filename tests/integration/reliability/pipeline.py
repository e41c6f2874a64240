"""The whole pipeline as processes, with wires between them that can be cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import Mosquitto, Prometheus, free_port
from tests.integration.reliability.wire import Wire

__all__ = ["RACKS", "SITE", "UNITS", "Pipeline", "Process", "slowness", "stop_seconds"]

T = TypeVar("T")

RACKS = 4
UNITS = RACKS + 9
"""That publish: with two arrays, two planes, a storage service, a Megapack, a generator, the grid
feed and a job."""
SITE = f"""
name: small
racks: {RACKS}
racks_per_array: 2
servers_per_rack: 2
server: {{gpus: 4, nics: 4, psus: 2}}
megapacks: {{count: 1}}
gensets: {{count: 1}}
"""
RULES = Path(__file__).parents[3] / "deploy/prometheus/rules/telemetry.yml"
PATIENCE_SECONDS = 180.0
"""How long anything may take before it counts as broken: the machine may be busy."""
POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
"""How long an orderly end may take. It is 5 s at most on a machine that has time for it, but the
load says nothing of what neighbours take away. An end that hung, once, took 20 s."""


def slowness() -> float:
    """Return how much longer all takes on this machine: busy with twice what it can, twice."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def stop_seconds() -> float:
    """Return how long an orderly end may take on this machine as it is now."""
    return STOP_SECONDS * slowness()


PROMETHEUS = """
global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: twin
    honor_labels: true
    http_sd_configs: [{{url: "http://127.0.0.1:{port}/sd", refresh_interval: 1s}}]
"""


def _library() -> Path:
    """Return where libfaketime is, which depends on the machine's architecture."""
    found = next(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"), None)
    if found is None:
        pytest.fail("this test needs libfaketime; install it or run -m 'not integration'")
    return found


class Process:
    """A ``twin`` command that is started, ended and started again.

    Args:
        log: what it says.
        arguments: of the command.
        environment: more variables.
    """

    def __init__(self, log: Path, *arguments: str, environment: Mapping[str, str]) -> None:
        self.log = log
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start it, without waiting for anything."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "twin", *self._arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )

    def kill(self) -> None:
        """End it without giving it time to say anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> int:
        """End it in order and return its exit status."""
        assert self._process is not None, "not started"
        self._process.terminate()
        status = self._process.wait(stop_seconds())
        self._process = None
        return status


class Pipeline:
    """Emulator, Mosquitto, aggregator and Prometheus, and the wires between them.

    Attributes:
        broker: Mosquitto.
        emulator: keeps its state in a folder.
        aggregator: serves on a port that stays the same.
        prometheus: scrapes every other second, with the shipped rules on the pipeline.
        wires: by the names of their ends.
    """

    def __init__(
        self, folder: Path, settings: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "small.yaml").write_text(SITE)
        self.folder = folder
        self.broker = Mosquitto(folder / "mosquitto")
        config = folder / "mosquitto" / "mosquitto.conf"
        config.write_text(config.read_text() + settings)
        self._http = free_port()
        self.url = f"http://127.0.0.1:{self._http}"
        self.wires = {
            "emulator-broker": Wire(lambda: self.broker.port),
            "aggregator-broker": Wire(lambda: self.broker.port),
            "prometheus-aggregator": Wire(lambda: self._http),
        }
        site = str(folder / "small.yaml")
        (folder / "clock").write_text("+0\n")
        places = {"FAKETIME_TIMESTAMP_FILE": lambda: folder / "clock", "LD_PRELOAD": _library}
        more = {
            name: str(places[name]()) if name in places else value
            for name, value in (environment or {}).items()
        }
        self.emulator = Process(
            folder / "emulator.log", "emulate", "--site", site, "--broker",
            self._through("emulator-broker"), "--state", str(folder / "state"), environment=more,
        )  # fmt: skip
        self.aggregator = Process(
            folder / "aggregator.log", "aggregate", "--site", site, "--broker",
            self._through("aggregator-broker"), "--port", str(self._http), environment=more,
        )  # fmt: skip
        port = self.wires["prometheus-aggregator"].port
        self.prometheus = Prometheus(
            folder / "prometheus", PROMETHEUS.format(rules=RULES, port=port)
        )
        self._client = httpx.Client(base_url=self.url, timeout=10)

    def _through(self, wire: str) -> str:
        return f"mqtt://127.0.0.1:{self.wires[wire].port}"

    def start(self) -> None:
        """Start everything and wait until it is whole."""
        self.broker.start()
        self.aggregator.start()
        # A frame that is sent before anybody subscribes is neither taken over nor missed.
        self.until(lambda: self.total("twin_broker_connected") == 1)
        self.emulator.start()
        self.prometheus.start()
        self.until(self.whole)

    def stop(self) -> None:
        """End everything."""
        self.emulator.kill()
        self.aggregator.kill()
        self.prometheus.kill()
        self.broker.kill()
        self._client.close()
        for wire in self.wires.values():
            wire.close()

    # -- what is seen ------------------------------------------------------------------

    def until(self, probe: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> float:
        """Wait until ``probe`` is true and return how many seconds that took."""
        began = time.monotonic()
        while not probe():
            if time.monotonic() - began > seconds:
                logs = "\n".join(
                    f"{log}:\n{log.read_text()[-1500:]}" for log in self.folder.glob("*.log")
                )
                raise AssertionError(f"not within {seconds} s: {self.summary()}\n{logs}")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    def own(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Return the aggregator's own metrics by name and label values; empty while it is away."""
        try:
            text = self._client.get("/metrics").text
        except httpx.TransportError:
            return {}
        found: dict[str, dict[tuple[str, ...], float]] = {}
        lines = "\n".join(line for line in text.splitlines() if "twin_" in line)
        for family in text_string_to_metric_families(lines + "\n"):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return found

    def totals(self, *names: str) -> tuple[float, ...]:
        """Return the sums of some of the aggregator's own metrics, all of one moment."""
        own = self._certain(self.own)
        return tuple(sum(own.get(name, {}).values()) for name in names)

    def total(self, name: str, *labels: str) -> float:
        """Return the sum of one of the aggregator's own metrics over series with these labels."""
        series = self._certain(self.own).get(name, {})
        return sum(value for place, value in series.items() if set(labels) <= set(place))

    def values(self, expression: str) -> list[float]:
        """Return the values of an instant query that has some."""
        return self._certain(lambda: self.query(expression))

    def _certain(self, ask: Callable[[], T]) -> T:
        """Return an answer: none at all, from who is busy or only starts, is not zero."""
        answers: list[T] = []

        def answered() -> bool:
            answers.append(ask())
            return bool(answers[-1])

        self.until(answered)
        return answers[-1]

    def firing(self, alert: str) -> bool:
        """Whether a shipped alert fires."""
        return bool(self.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))

    def account(self) -> tuple[float, float, float]:
        """Return the frames that were taken over, that never came by their gaps, and unsent.

        Together they are all that was ever numbered, however much was lost on the way.
        """
        ingested, lost, unsent = self.totals(
            "twin_frames_ingested_total",
            "twin_frames_lost_total",
            "twin_emulator_frames_unsent_total",
        )
        return ingested, lost, unsent

    def query(self, expression: str) -> list[float]:
        """Return the values of an instant query; none while Prometheus is away."""
        try:
            return [float(series["value"][1]) for series in self.prometheus.query(expression)]
        except (httpx.TransportError, AssertionError):
            return []

    def summary(self) -> dict[str, Any]:
        """Return the aggregator's key figures; empty while it is away."""
        try:
            figures: dict[str, Any] = self._client.get("/api/summary").json()
        except httpx.TransportError:
            return {}
        return figures

    def whole(self) -> bool:
        """Whether every unit's present values are in Prometheus, and every target is up."""
        figures = self.summary()
        if not figures.get("broker_connected") or figures.get("racks_reporting") != RACKS:
            return False
        fresh = "count((time() - timestamp(twin_unit_reporting == 1)) < 5)"
        targets = 'count(up{job=~"twin.*"} == 1)'
        return self.query(fresh) == [float(UNITS)] and self.query(targets) == [3.0]

    def falls(self) -> float:
        """Return how often a counter of energy has fallen, to Prometheus, since the beginning."""
        return sum(self.values("resets(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[15m])"))

    def signal(self, who: Process | Mosquitto, number: signal.Signals) -> None:
        """Send a signal to a process."""
        os.kill(who.pid, number)
