"""All rules, by domain."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from twin.alerts.cooling import COOLING_RULES
from twin.alerts.gpu import GPU_RULES
from twin.alerts.grid import GRID_RULES
from twin.alerts.host import HOST_RULES
from twin.alerts.job import JOB_RULES
from twin.alerts.model import Alert, Rules
from twin.alerts.network import NETWORK_RULES
from twin.alerts.power import POWER_RULES
from twin.alerts.rack_scale import RACK_SCALE_RULES
from twin.alerts.scheduler import SCHEDULER_RULES
from twin.alerts.serving import SERVING_RULES
from twin.alerts.shadow import SHADOW_RULES
from twin.alerts.storage import STORAGE_RULES
from twin.alerts.telemetry import TELEMETRY_RULES
from twin.registry import ByName, Registry, View

__all__ = ["ALERTS", "RULES"]

RULES: Registry[Rules] = Registry(
    GPU_RULES,
    RACK_SCALE_RULES,
    NETWORK_RULES,
    COOLING_RULES,
    POWER_RULES,
    GRID_RULES,
    STORAGE_RULES,
    HOST_RULES,
    JOB_RULES,
    SERVING_RULES,
    SCHEDULER_RULES,
    TELEMETRY_RULES,
    SHADOW_RULES,
)
"""One for each file of rules."""

ALERTS: Mapping[str, Alert] = ByName(
    View(lambda: (alert for rules in RULES for alert in rules.alerts)), attrgetter("name")
)
"""All alerts by name."""
