"""The observer: what it expects and finds, and how much of the site it watches."""

from __future__ import annotations

from twin.grafana.promql import Expr
from twin.grafana.units import NUMBER, RATIO, SECONDS
from twin.grafana.values import own

__all__ = ["RELATIONS", "RELATION_LABEL"]

_LISTED = 20
_SHOWS = "gpu-cold-plate"
"""A fault that the observer finds on a site that liquid cools."""
_DEVIATION = ("array", "relation", "unit")
_FOUND = ("array", "rack", "target", "cause", "relation", "unit")
_CHOSEN = 'relation="$relation"'
_FOUND_FIRST = 1000
"""More standard deviations than a relation without a finding shows."""

_BY_RELATION = [
    f"{_FOUND_FIRST} + max by (relation) (abs({own('shadow_finding_residual_sigmas')}))",
    f"max by (relation) ({own('shadow_residual_sigmas')})",
    f"0 * max by (relation) ({own('shadow_coverage_ratio')})",
]
RELATIONS = f"query_result(sort_desc({' or '.join(_BY_RELATION)}))"
"""Choices of a relation: by the largest finding, then by the residuals, so the first is the one to
look at; one that is not judged yet comes last."""
RELATION_LABEL = '/relation="([^"]+)"/'
"""Part of such a result that is the choice."""

_REPORTED = own("shadow_report_timestamp_seconds")
_LAST = own("unit_last_frame_timestamp_seconds", 'kind="rack"')
_SINCE = own("shadow_finding_since_timestamp_seconds")
ARRAYS = Expr(f"count({_REPORTED})")
BEHIND = Expr(f"max({_LAST}) - min({_REPORTED})", SECONDS)
FALSE_ALARMS = own("shadow_false_alarms_per_week").max()
FOUND = Expr(f"count(count by (target) ({_SINCE})) or 0 * max({_REPORTED})")
_COVERED = own("shadow_coverage_ratio").in_unit(RATIO)
COVERAGE = _COVERED.mean()
DRIFT = Expr(f"max(abs({own('shadow_drift_max_ratio')}))", RATIO)


def _finding(name: str, unit: str = NUMBER) -> Expr:
    return own(name).in_unit(unit).max(*_FOUND).during(_SHOWS)


EXPECTED = _finding("shadow_finding_expected")
MEASURED = _finding("shadow_finding_measured")
OFF = _finding("shadow_finding_residual")
OFF_SIGMAS = _finding("shadow_finding_residual_sigmas")
CHANGED = _finding("shadow_finding_drift_ratio", RATIO)
HELD = Expr(f"max({_REPORTED}) - on () group_right () max by ({', '.join(_FOUND)}) ({_SINCE})",
            SECONDS).during(_SHOWS)  # fmt: skip

_SIGMAS = own("shadow_residual_sigmas").max(*_DEVIATION)
WORST_SIGMAS = _SIGMAS.top(_LISTED)
WORST_RESIDUAL = own("shadow_residual").max(*_DEVIATION).kept_by(WORST_SIGMAS)
WORST_DRIFT = own("shadow_drift_max_ratio").in_unit(RATIO).max(*_DEVIATION).kept_by(WORST_SIGMAS)
WORST_COVERAGE = _COVERED.max(*_DEVIATION).kept_by(WORST_SIGMAS)

_NOT_BY_THIS = "no device is found by the chosen relation"


def _chosen(name: str) -> Expr:
    """Return readings by the relation chosen; what differs by kelvins reads degrees Celsius."""
    found = own(name, _CHOSEN).max("target", "unit")
    named = f'label_replace({found}, "unit", "°C", "unit", "K")'
    return Expr(named).empty_when(_NOT_BY_THIS)


CHOSEN_EXPECTED = _chosen("shadow_finding_expected")
CHOSEN_MEASURED = _chosen("shadow_finding_measured")
_NOT_CALIBRATED = "the observer calibrates, or the relation covers no device here"
CHOSEN_RESIDUAL = own("shadow_residual", _CHOSEN).max("array", "unit").empty_when(_NOT_CALIBRATED)
CHOSEN_DRIFT = (
    own("shadow_drift_max_ratio", _CHOSEN).in_unit(RATIO).max("array").empty_when(_NOT_CALIBRATED)
)

SIGMAS = own("shadow_residual_sigmas").max("relation")
DRIFTS = Expr(f"max by (relation) (abs({own('shadow_drift_max_ratio')}))", RATIO)
COVERED = _COVERED.mean("relation")
