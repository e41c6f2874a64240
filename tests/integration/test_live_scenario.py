"""A scenario on a running stack: real broker, twin, Prometheus and Alertmanager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from twin.bus import BrokerUrl
from twin.errors import ConfigError, ServiceError
from twin.rules.live import StackServers, run_live
from twin.rules.result import CheckStatus
from twin.scenario import parse_scenario
from twin.site import Layout, parse_site
from twin.stack.local import LocalConfig, local_stack

if TYPE_CHECKING:
    from tests.integration.conftest import Alertmanager, Prometheus

pytestmark = pytest.mark.integration

SITE = "{name: own, racks: 1, servers_per_rack: 1, megapacks: {count: 1}, gensets: {count: 0}}"

SCENARIO = f"""
title: a pump fails
site: {SITE}
duration: 30s
scrape: 1s
evaluate: 1s
faults:
  - {{kind: pump-failure, target: r0001/pump1, at: 3s, for: 12s}}
expect:
  fires:
    - {{alert: PumpFailed, labels: {{pump: "1"}}, within: 10s}}
  clears:
    - {{alert: PumpFailed, within: 12s}}
  notified: [PumpFailed]
  exactly: [PumpFailed]
"""

RULES = """
groups:
  - name: test
    rules:
      - alert: PumpFailed
        expr: cdu_pump_state{state="failed"} == 1
        for: 1s
"""

ROUTES = """
route: {receiver: nobody, group_wait: 1s}
receivers: [{name: nobody}]
"""


def configuration(rules: Path, twin: str, alertmanager: str) -> str:
    """Return Prometheus's configuration: the twin's targets every second."""
    return f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]
scrape_configs:
  - job_name: twin
    honor_labels: true
    http_sd_configs: [{{url: "{twin}/sd", refresh_interval: 1s}}]
"""


async def test_a_live_run_gives_the_same_report(
    tmp_path: Path,
    prometheus_server: Callable[[str], Prometheus],
    alertmanager_server: Callable[[str], Alertmanager],
    eventually: Callable[..., Any],
) -> None:
    """The fault is injected over MQTT, and its alert is seen to fire, reach people and clear."""
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES, encoding="utf-8")
    loaded = parse_scenario(SCENARIO, tmp_path / "own.yaml")
    alertmanager = alertmanager_server(ROUTES)
    layout = Layout(parse_site(SITE, "own"))
    said: list[str] = []
    async with local_stack(LocalConfig(layout=layout, port=0, mqtt_port=0)) as stack:
        url = stack.aggregator.url
        text = configuration(rules, url, alertmanager.address)
        # In a thread, because the twin lives in this event loop.
        prometheus = await asyncio.to_thread(prometheus_server, text)
        # The scenario's seconds count from the first scrape, not from the server's start.
        await asyncio.to_thread(eventually, lambda: prometheus.query("cdu_pump_state"))
        servers = StackServers(stack.broker, prometheus.url, alertmanager=alertmanager.url)
        result = await run_live(loaded, servers, lambda _, text: said.append(text), report=True)
    missed = [own.text for own in result.checks if own.status is not CheckStatus.PASSED]
    assert missed == []
    assert any("pump-failure is applied to r0001/pump1" in line for line in said)
    assert any(line.startswith("PumpFailed") and "after pump-failure" in line for line in said)
    assert any(line.endswith("clears") for line in said)
    (panel,) = result.panels
    assert panel.title == 'cdu_pump_state{state="failed"} == 1'
    values = [value for curve in panel.curves for _, value in curve.points]
    assert {min(values), max(values)} == {0.0, 1.0}


async def test_a_prometheus_that_is_away_is_told(tmp_path: Path, unused_port: int) -> None:
    """Without Prometheus nothing is injected, and the address is named."""
    loaded = parse_scenario(SCENARIO, tmp_path / "own.yaml")
    servers = StackServers(BrokerUrl.parse("mqtt://127.0.0.1:1"), f"http://127.0.0.1:{unused_port}")
    with pytest.raises(ServiceError, match=f"Prometheus does not answer at .*{unused_port}"):
        await run_live(loaded, servers, lambda _, __: None)


async def test_what_cannot_be_injected_is_refused(tmp_path: Path) -> None:
    """A disturbance that no service can be made to cause is refused before anything is done."""
    text = SCENARIO.replace("pump-failure, target: r0001/pump1", "messages-refused")
    loaded = parse_scenario(text, tmp_path / "own.yaml")
    servers = StackServers(BrokerUrl.parse("mqtt://127.0.0.1:1"), "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"own\.yaml:8: messages-refused cannot be injected"):
        await run_live(loaded, servers, lambda _, __: None)
