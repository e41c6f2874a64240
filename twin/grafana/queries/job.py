"""The training jobs; a site may have several, told apart by ``training_job``."""

from __future__ import annotations

from twin.catalog import JOB
from twin.grafana.promql import Expr, select
from twin.grafana.selectors import ON_SITE, of
from twin.grafana.units import SECONDS

__all__ = [
    "CHECKPOINTS",
    "CHECKPOINT_AGE",
    "CHECKPOINT_SHARE",
    "GOODPUT",
    "GPUS",
    "INTERRUPTIONS",
    "INTERRUPTIONS_SHOWN",
    "LOST",
    "LOST_SHARE",
    "MEAN_TIME_BETWEEN",
    "PACE",
    "STALLED",
    "STATE",
    "STATES",
    "STEPS",
    "STEPS_PER_MINUTE",
    "STEP_SECONDS",
]

STATES = of(JOB, "state")
STATE = STATES.equals(1)
GPUS = of(JOB, "gpus")
STEPS = of(JOB, "steps")
STEPS_PER_MINUTE = Expr(f"60 * rate({STEPS}[5m])", "cpm")
STEP_SECONDS = of(JOB, "step_seconds")
GOODPUT = of(JOB, "goodput")
PACE = of(JOB, "pace")
STALLED = of(JOB, "stalled_seconds").rate("1m")

CHECKPOINTS = of(JOB, "checkpoints")
_WRITING = of(JOB, "state", 'state="checkpoint"')
_WRITTEN = f"max by (training_job) (max_over_time(timestamp({_WRITING} == 1)[1h:10s]))"
_SEEN_FIRST = f"min by (training_job) (min_over_time(timestamp({_WRITING})[1h:10s]))"
CHECKPOINT_AGE = Expr(f"time() - ({_WRITTEN} or {_SEEN_FIRST})", SECONDS)
CHECKPOINT_SHARE = Expr(f"avg_over_time({_WRITING}[30m])", "percentunit")

INTERRUPTIONS = of(JOB, "interruptions")
INTERRUPTIONS_SHOWN = INTERRUPTIONS.increase("$__range")
MEAN_TIME_BETWEEN = Expr(f"$__range_s / ({INTERRUPTIONS_SHOWN} > 0)", SECONDS).during("job-crash")

_LOST = Expr(select(JOB["lost_stall"].metric, *ON_SITE), SECONDS)
"""All causes: the signals of one metric differ by the label ``cause`` only."""
LOST = _LOST.sum("training_job", "cause")
LOST_SHARE = _LOST.rate("5m").sum("cause")
