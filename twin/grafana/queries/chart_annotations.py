"""Annotations of every chart: where faults and interruptions of the job begin and end.

An annotation is a moment. Grafana joins moments that lie close together to a region, and the
regions of several faults to one block that hides the lines. Every query therefore answers once,
in the interval in which something began or ended, whatever range of time is shown.
"""

from __future__ import annotations

from twin.catalog import JOB
from twin.grafana.promql import Expr
from twin.grafana.values import SCOPES, of, own

__all__ = ["CHECKPOINTS", "FAULTS", "FAULTS_ENDED", "INTERRUPTIONS", "IN_FORCE"]

_INTERVAL = "$__interval"

IN_FORCE = own("fault_active").equals(1)
"""Every fault of the site."""


def _began(condition: Expr, *by: str, quiet: str = _INTERVAL) -> Expr:
    """Return 1 in the interval in which a condition began to hold, after so long without it."""
    now = _within(condition, *by)
    before = _within(condition, *by, window=quiet, ago=" offset $__interval")
    return Expr(f"{now} unless {before}")


def _ended(condition: Expr, *by: str) -> Expr:
    now, before = _within(condition, *by), _within(condition, *by, ago=" offset $__interval")
    return Expr(f"{before} unless {now}")


def _within(condition: Expr, *by: str, window: str = _INTERVAL, ago: str = "") -> str:
    """Return what held within a window, or by the last sample where samples are further apart."""
    held = f"max_over_time({condition}[{window}]{ago}) or {condition}{ago}"
    return f"max by ({', '.join(by)}) (({held}) == 1)"


def _faults(scope: str) -> Expr:
    return own("fault_active", *SCOPES[scope])


_IDENTITY = ("fault", "target")

FAULTS = {scope: _began(_faults(scope), *_IDENTITY) for scope in SCOPES}
"""Faults that begin, by how much of the site a dashboard shows."""
FAULTS_ENDED = {scope: _ended(_faults(scope), *_IDENTITY) for scope in SCOPES}
INTERRUPTIONS = _began(
    of(JOB, "state", 'state=~"stalled|crashed|starting|loading"'), "training_job", quiet="5m"
)
"""A job that stops again within five minutes, as with a flapping link, is marked once."""
CHECKPOINTS = _began(of(JOB, "state", 'state="checkpoint"'), "training_job")
