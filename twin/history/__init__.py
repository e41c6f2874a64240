"""A past of a site: days of samples at once, as Prometheus would have scraped them."""

from twin.history.all_targets import TARGETS, target_of
from twin.history.duration import expected_seconds
from twin.history.past import DAY, PastPlan, SimulatedPast
from twin.history.rule_history import has_rules
from twin.history.targets import SampleTarget
from twin.history.writing import Estimate, HistoryReport, estimated, processes_for, write_history

__all__ = [
    "DAY",
    "TARGETS",
    "Estimate",
    "HistoryReport",
    "PastPlan",
    "SampleTarget",
    "SimulatedPast",
    "estimated",
    "expected_seconds",
    "has_rules",
    "processes_for",
    "target_of",
    "write_history",
]
