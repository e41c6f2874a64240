"""Two sites with racks of different builds on one broker and in one Prometheus."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.ports import free_ports

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DISCOVERY = "      - url: http://aggregator:9400/sd\n        refresh_interval: 15s\n"
SCRAPES = 6

SITE = """
name: hgx
racks: 2
servers_per_rack: 2
megapacks: {count: 1}
grid: {limit_watts: 1.0e+5}
"""
CAMPUS = """
name: slice
title: Two racks of HGX servers beside an NVL72
blocks:
  - {name: HGX, site: ./hgx.yaml}
  - {name: NVL72, site: nvl72-rack}
"""


def configuration(ports: list[int]) -> str:
    """Return the shipped configuration with a discovery for each site."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8")
    assert DISCOVERY in text
    head, tail = text.split(DISCOVERY)
    login = tail.partition("\n")[0] + "\n"
    both = [DISCOVERY.replace("aggregator:9400", f"127.0.0.1:{port}") for port in ports]
    found = head + login.join(both) + tail
    return found.replace("rules/*.yml", f"{ROOT}/deploy/prometheus/rules/*.yml").replace(
        "refresh_interval: 15s", "refresh_interval: 1s"
    )


@contextmanager
def running(*arguments: str) -> Iterator[None]:
    """Run ``twin`` while the context is open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "twin", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.full
def test_racks_of_both_builds_stand_in_one_prometheus(
    mosquitto: Any,
    prometheus_server: Callable[[str], Any],
    eventually: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Every GPU of both is there once, no name is shared, pages have links, and all is quiet."""
    (tmp_path / "hgx.yaml").write_text(SITE)
    (tmp_path / "campus.yaml").write_text(CAMPUS)
    found = free_ports(50)
    first = next(port for port in found if port + 1 in found)
    ports = [first, first + 1]
    site = str(tmp_path / "campus.yaml")
    prometheus = prometheus_server(configuration(ports))
    with running("up", "--site", site, "--broker", str(mosquitto.url), "--interval", "2s",
                 "--port", str(first)):  # fmt: skip

        def values(query: str) -> dict[str, float]:
            return {
                ",".join(found["metric"].values()): float(found["value"][1])
                for found in prometheus.query(query)
            }

        def gpus() -> dict[str, float]:
            return values("count by (site) (DCGM_FI_DEV_GPU_TEMP)")

        eventually(lambda: gpus() == {"hgx": 32, "nvl72-rack": 72}, why=lambda: str(gpus()))
        scraped = 'min(count_over_time(up{job=~"twin|twin-array"}[5m]))'
        eventually(lambda: values(scraped).get("", 0) >= SCRAPES)
        beside = [httpx.get(f"http://127.0.0.1:{p}/api/site").json()["beside"] for p in ports]
        assert beside == [{"nvl72-rack": f":{ports[1]}"}, {"hgx": f":{ports[0]}"}]
        assert set(values('count by (rack) ({rack!=""})')) == {"r0001", "r0002", "r0003"}
        for label in ("rack", "array", "hall", "Hostname", "UUID"):
            shared = f'count by ({label}) (count by ({label}, site) ({{{label}!=""}})) > 1'
            assert not prometheus.query(shared), label
        assert values('min(up{job=~"twin|twin-array"})') == {"": 1}
        assert not prometheus.query('ALERTS{alertstate="firing"}')
        own = httpx.get(f"{prometheus.url}/metrics").text
    assert "prometheus_target_scrapes_sample_duplicate_timestamp_total 0\n" in own
