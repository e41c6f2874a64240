"""All rules, by domain."""

from __future__ import annotations

from twin.alerts.cooling import COOLING_RULES
from twin.alerts.gpu import GPU_RULES
from twin.alerts.grid import GRID_RULES
from twin.alerts.job import JOB_RULES
from twin.alerts.model import Alert
from twin.alerts.network import NETWORK_RULES
from twin.alerts.power import POWER_RULES
from twin.alerts.storage import STORAGE_RULES
from twin.alerts.telemetry import TELEMETRY_RULES

__all__ = ["ALERTS", "RULES"]

RULES = (
    GPU_RULES,
    NETWORK_RULES,
    COOLING_RULES,
    POWER_RULES,
    GRID_RULES,
    STORAGE_RULES,
    JOB_RULES,
    TELEMETRY_RULES,
)
"""One for each file of rules."""

ALERTS: dict[str, Alert] = {alert.name: alert for rules in RULES for alert in rules.alerts}
"""All alerts by name."""
