"""The dashboards on a real Prometheus that scrapes a running twin, healthy and struck."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import inject
from twin.catalog.own import SHADOW_COVERAGE

pytestmark = [pytest.mark.integration, pytest.mark.full]

ROOT = Path(__file__).parents[2]

SITE = """
name: small
title: One array, in the layout of the demo
description: For the dashboards.
racks: 8
megapacks: {count: 1}
gensets: {count: 1}
grid: {limit_watts: 1.0e+6}
"""

FAULTS = (
    ("pump-failure", "r0003/pump1"),
    ("coolant-leak", "r0006"),
    ("gpu-xid", "r0001/n2/gpu1"),
    ("nic-down", "r0001/n2/nic4"),
    ("nic-flap", "r0002/n1/nic2"),
    ("nic-degraded-rate", "r0002/n3/nic1"),
    ("spine-down", "p01/spine1"),
    ("gateway-silent", "r0007"),
    ("gpu-cold-plate", "r0005/n1/gpu5"),
    ("filter-clogging", "r0008"),
)
"""One a domain that has panels for trouble; a crash of the job follows by itself in time."""
IN_AIR = SITE + "cooling: {medium: air}\n"
OF_COOLANT = {"pump-failure", "coolant-leak", "gpu-cold-plate", "filter-clogging"}
OBSERVED = {"gpu-cold-plate", "filter-clogging"}
"""What is wrong while nothing else is: a job that waits warms no GPU. The observer finds
the filter; in so short a time it does not learn dies, which follow with a lag."""
AIR_FAULTS = (*(each for each in FAULTS if each[0] not in OF_COOLANT),
              ("fan-failure", "r0003/n1/fan2"))  # fmt: skip
"""The same where air cools the servers, which have no coolant to lose."""


PROBE_SECONDS = 5.0
"""Between two looks at all panels, or at a page of all series: as often as Prometheus scrapes."""


def twin(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "twin", *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


@pytest.fixture(
    params=[
        pytest.param((SITE, FAULTS), id="liquid"),
        pytest.param((IN_AIR, AIR_FAULTS), id="air"),
    ]
)
def struck(
    request: pytest.FixtureRequest,
    unused_port: int,
    mosquitto: Any,
    tmp_path: Path,
    eventually: Callable[..., Any],
) -> Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Return the addresses of a running twin and of its broker, and the faults that it gets."""
    text, faults = request.param
    site = tmp_path / "small.yaml"
    site.write_text(text)
    broker = str(mosquitto.url)
    command = ["up", "--site", str(site), "--port", str(unused_port), "--broker", broker]
    # An observer that needs 80 s until it judges.
    observer = ["shadow", "--site", str(site), "--broker", broker, "--block", "4s"]
    observer += ["--learn", "40s"]
    processes = []
    for name, own in (("up", command), ("shadow", observer)):
        with (tmp_path / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "twin", *own], stdout=log, stderr=subprocess.STDOUT
            )
        processes.append(process)

    def ready() -> bool:
        try:
            url = f"http://127.0.0.1:{unused_port}/readyz"
            return httpx.get(url, timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    try:
        eventually(ready)
        yield f"127.0.0.1:{unused_port}", broker, faults
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=20)


def config(aggregator: str, alertmanager: str) -> str:
    """Return the shipped configuration of Prometheus with the addresses of this test."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    for old, new in (
        ("aggregator:9400", aggregator),
        ("alertmanager:9093", alertmanager),
        ("rules/*.yml", f"{ROOT}/deploy/prometheus/rules/*.yml"),
        ("refresh_interval: 15s", "refresh_interval: 1s"),
    ):
        assert old in text, f"{old!r} is no longer in the shipped configuration"
        text = text.replace(old, new)
    return text


def test_every_panel_answers_and_trouble_shows(
    struck: tuple[str, str, tuple[tuple[str, str], ...]],
    prometheus_server: Callable[[str], Any],
    alertmanager_server: Callable[[str], Any],
    eventually: Callable[..., Any],
) -> None:
    """On a healthy site no query is empty; with each domain's fault its panels show it."""
    aggregator, broker, faults = struck
    manager = alertmanager_server((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    prometheus = prometheus_server(config(aggregator, manager.address))
    # It learns its own address only now; it is to scrape itself, as it does in compose.
    text = prometheus.config.read_text().replace("prometheus:9090", prometheus.address)
    prometheus.config.write_text(text)
    os.kill(prometheus.pid, signal.SIGHUP)

    def failures() -> list[dict[str, Any]]:
        done = twin("dashboards", "check", "--prometheus", prometheus.url, "--json")
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)
        assert len(found) > 400
        wrong = [one for one in found if one["outcome"] in ("empty", "error")]
        assert (done.returncode == 1) == bool(wrong)
        refused = [one for one in wrong if one["outcome"] == "error"]
        assert refused == []
        return wrong

    def judging() -> bool:
        page = httpx.get(f"http://{aggregator}/metrics", timeout=30).text
        begins = f"{SHADOW_COVERAGE.name}{{"
        rows = [line.rpartition(" ")[2] for line in page.splitlines() if line.startswith(begins)]
        return any(float(covered) > 0.9 for covered in rows)

    def shown(awaited: frozenset[str], *, alone: bool) -> bool:
        done = twin("dashboards", "check", "--prometheus", prometheus.url, "--json")
        found = json.loads(done.stdout)
        quiet = {one["detail"] for one in found if one["outcome"] == "quiet"}
        empty = {one["dashboard"] for one in found if one["outcome"] == "empty"}
        # What the observer has found may be over when the job waits.
        return empty <= (set() if alone else {"twin-shadow"}) and not quiet & awaited

    def why() -> str:
        return json.dumps(failures(), indent=1)

    eventually(lambda: not failures(), 180.0, why, PROBE_SECONDS)
    # What is wrong while the observer learns is normal to it.
    eventually(judging, 600.0, every=PROBE_SECONDS)
    for alone in (True, False):
        now = {fault: target for fault, target in faults if (fault in OBSERVED) == alone}
        for fault, target in now.items():
            strike = (fault, "--target", target, "--broker", broker, "--site", "small")
            inject(*strike, "--for", "30m")
        probe = partial(shown, frozenset(now), alone=alone)
        eventually(probe, 600.0, why, PROBE_SECONDS)


def test_an_absent_prometheus_is_named(unused_port: int) -> None:
    """A Prometheus that is not there gives one sentence with its address, and exit status 3."""
    url = f"http://127.0.0.1:{unused_port}"
    done = twin("dashboards", "check", "--prometheus", url)
    assert done.returncode == 3
    assert url in done.stderr
    assert "Traceback" not in done.stderr
