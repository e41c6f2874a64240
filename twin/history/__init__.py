"""A past of a site: days of samples at once, as Prometheus would have scraped them."""

from twin.history.past import DAY, PastPlan, SimulatedPast
from twin.history.targets import TARGETS, SampleTarget, target_of
from twin.history.writing import Estimate, estimated, write_history

__all__ = [
    "DAY",
    "TARGETS",
    "Estimate",
    "PastPlan",
    "SampleTarget",
    "SimulatedPast",
    "estimated",
    "target_of",
    "write_history",
]
