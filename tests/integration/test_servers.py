"""The servers that the other tests here rely on work together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Alertmanager, Prometheus

pytestmark = pytest.mark.integration

ALERTMANAGER = """
route: {receiver: nobody, group_wait: 0s}
receivers: [{name: nobody}]
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
"""

RULES = """
groups:
  - name: test
    rules: [{alert: Always, expr: vector(1), labels: {severity: info}}]
"""


def test_an_alert_travels(
    prometheus_server: Callable[[str], Prometheus],
    alertmanager_server: Callable[[str], Alertmanager],
    eventually: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """A rule of the Prometheus started here fires in the Alertmanager started here."""
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    alertmanager = alertmanager_server(ALERTMANAGER)
    config = PROMETHEUS.format(rules=rules, alertmanager=alertmanager.address)
    prometheus = prometheus_server(config)
    assert prometheus.query("vector(2)")[0]["value"][1] == "2"
    alerts = eventually(alertmanager.alerts)
    assert alerts[0]["labels"] == {"alertname": "Always", "severity": "info"}
