"""The stack of docker-compose.yml on a Docker Engine, as the tests of it see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.integration.ports import free_ports
from twin.bus import BrokerUrl

__all__ = ["GPUS", "Stack", "eventually", "slowness"]

ROOT = Path(__file__).parents[2]
PORTS = ("MQTT", "TWIN", "PROMETHEUS", "ALERTMANAGER", "GRAFANA", "VICTORIAMETRICS")
GPUS = 1024
PATIENCE = 90.0
LONGEST_SECONDS = 1200.0
"""A machine on which something takes so long is too slow to tell anything."""
UP_SECONDS = 180.0
LOOK_SECONDS = 0.5


class Stack:
    """The stack under test, on ports of its own."""

    def __init__(self) -> None:
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": "twin-test",
            **{f"{name}_PORT": str(port) for name, port in self.ports.items()},
        }
        self.logins: dict[str, str] = {}

    def compose(self, *words: str) -> str:
        """Run a compose command and return what it prints."""
        done = subprocess.run(
            ["docker", "compose", *words],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def up(self, *profile: str) -> float:
        """Start all, and a profile's; return how many seconds it took until all were healthy."""
        began = time.monotonic()
        timeout = min(UP_SECONDS * slowness(), LONGEST_SECONDS)
        self.compose(*profile, "up", "--detach", "--wait", "--wait-timeout", f"{timeout:.0f}")
        took = time.monotonic() - began
        self.logins = json.loads(self.compose("run", "--rm", "secrets", "logins", "--json"))
        return took

    def url(self, service: str) -> str:
        """Return the address of a service's pages."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def twin(self, *words: str, expected: int = 0) -> str:
        """Run the twin command against the stack and return what it prints."""
        done = self._run(*words)
        assert done.returncode == expected, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def findings(self) -> list[str]:
        """Return the sentences of ``twin stack doctor``, which may have nothing to say."""
        done = self._run("stack", "doctor", "--json")
        assert done.returncode in (0, 1), done.stderr
        found = [finding["sentence"] for finding in json.loads(done.stdout)]
        assert done.returncode == bool(found), done.stderr
        return found

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "twin", *words],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def chaos(self, *words: str) -> subprocess.Popen[str]:
        """Begin to harm a service, and return once it is done."""
        process = subprocess.Popen(
            [sys.executable, "-m", "twin", "chaos", *words],
            cwd=ROOT, env={**self.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline(), words
        return process

    @staticmethod
    def ended(process: subprocess.Popen[str]) -> None:
        """Wait until what was done is undone."""
        said, _ = process.communicate(timeout=min(PATIENCE * slowness(), LONGEST_SECONDS))
        assert process.returncode == 0, said

    def query(
        self, expression: str, store: str = "PROMETHEUS", user: str = "guest"
    ) -> float | None:
        """Return the one value of a query to Prometheus or another store, None without one."""
        try:
            answer = httpx.get(
                f"{self.url(store)}/api/v1/query",
                params={"query": expression}, auth=(user, self.logins[user]), timeout=10,
            )  # fmt: skip
        except httpx.TransportError:
            return None
        if not answer.is_success:
            return None  # it starts
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def missing(self) -> str:
        """Return what keeps :meth:`all_report` from being true, for whoever waits in vain."""
        asked = {
            "units that report": "sum(twin_unit_reporting)",
            "units": "count(twin_unit_reporting)",
            "GPUs": "count(DCGM_FI_DEV_POWER_USAGE)",
            "racks with all GPUs": "count(count by (rack) (DCGM_FI_DEV_POWER_USAGE) == 64)",
            "targets down": "count(up{job=~'twin|twin-array'} == 0)",
        }
        return ", ".join(f"{name}: {self.query(query)}" for name, query in asked.items())

    def alerts(self) -> set[str] | None:
        """Return the names of the alerts that stand in Alertmanager, None while it is silent."""
        try:
            answer = httpx.get(
                f"{self.url('ALERTMANAGER')}/api/v2/alerts",
                auth=("control", self.logins["control"]), timeout=10,
            )  # fmt: skip
        except httpx.TransportError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        return {alert["labels"]["alertname"] for alert in answer.json()}

    def wait_for_alert(self, name: str) -> float:
        """Wait until an alert stands in Alertmanager, and return how many seconds that took."""
        return eventually(lambda: name in (self.alerts() or ()), why=self._alerts_said)

    def wait_for_end(self, name: str) -> None:
        """Wait until an alert stands in Alertmanager no more, by its own word."""

        def ended() -> bool:
            standing = self.alerts()
            return standing is not None and name not in standing

        eventually(ended, why=self._alerts_said)

    def _alerts_said(self) -> str:
        return f"in Alertmanager: {self.alerts()}"

    def broker(self, user: str | None, password: str | None = None) -> BrokerUrl:
        """Return the broker's address with a login of the stack, or with a given one."""
        secret = password if password is not None or user is None else self.logins[user]
        return BrokerUrl("127.0.0.1", self.ports["MQTT"], user, secret)

    def wait_for_all(self) -> float:
        """Wait until all report, and return how many seconds that took."""
        return eventually(self.all_report, why=self.missing)

    def all_report(self) -> bool:
        """Return whether all units report and all GPUs are in Prometheus as of now."""
        return (
            self.query("min(twin_unit_reporting)") == 1
            and self.query("count(DCGM_FI_DEV_POWER_USAGE)") == GPUS
        )


def slowness() -> float:
    """Return how many times as long as alone everything takes on this machine now, from 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def eventually(
    probe: Callable[[], object], seconds: float = PATIENCE, why: Callable[[], str] = str
) -> float:
    """Wait until ``probe`` is true and return how many seconds that took; ``why`` explains.

    The seconds are those of a machine that has nothing else to do: on one that has four times
    as much to do as it has processors, they pass four times as slowly.
    """
    began = last = time.monotonic()
    spent = 0.0
    while not probe():
        now = time.monotonic()
        spent, last = spent + (now - last) / slowness(), now
        assert spent < seconds, (
            f"not within {seconds:g} s of a free machine, {now - began:.0f} s here: {why()}"
        )
        assert now - began < LONGEST_SECONDS, f"not within {LONGEST_SECONDS:g} s: {why()}"
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began
