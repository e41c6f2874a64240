"""Scenarios: faults on a timeline, and the alerts that must and must not follow.

The shipped ones are the files of ``twin/scenarios``; a user's own are files like them.
"""

from __future__ import annotations

from twin.scenario.duration import Duration, parse_duration, show_duration
from twin.scenario.loader import (
    find_scenarios,
    load_scenario,
    parse_scenario,
    scenario_names,
    scenario_text,
    shipped_scenarios,
)
from twin.scenario.model import (
    CHAOS,
    PIPELINE,
    AlertClears,
    AlertFires,
    AlertMatch,
    Expect,
    Scenario,
    ScenarioEvent,
)

__all__ = [
    "CHAOS",
    "PIPELINE",
    "AlertClears",
    "AlertFires",
    "AlertMatch",
    "Duration",
    "Expect",
    "Scenario",
    "ScenarioEvent",
    "find_scenarios",
    "load_scenario",
    "parse_duration",
    "parse_scenario",
    "scenario_names",
    "scenario_text",
    "shipped_scenarios",
    "show_duration",
]
