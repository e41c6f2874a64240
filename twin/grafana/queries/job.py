"""The training jobs; a site may have several, told apart by ``training_job``."""

from __future__ import annotations

from twin.catalog import JOB
from twin.catalog.selectors import select
from twin.grafana.promql import Expr
from twin.grafana.units import SECONDS, TOKENS_A_SECOND
from twin.grafana.values import ON_SITE, of

__all__ = [
    "CHECKPOINTS",
    "CHECKPOINT_AGE",
    "CHECKPOINT_SHARE",
    "GOODPUT",
    "GPUS",
    "HISTORY",
    "INTERRUPTIONS",
    "INTERRUPTIONS_SHOWN",
    "LOST",
    "LOST_SHARE",
    "MFU",
    "NO_JOB",
    "PACE",
    "STALLED",
    "STATE",
    "STATES",
    "STATE_OR_NONE",
    "STEPS",
    "STEPS_PER_MINUTE",
    "STEP_SECONDS",
    "TIME_BETWEEN",
    "TIME_BETWEEN_AT_LEAST",
    "TOKENS_PER_SECOND",
]

STATES = of(JOB, "state")
STATE = STATES.equals(1)
NO_JOB = "no job reports"
_NONE = f'label_replace(absent({STATES}), "state", "{NO_JOB}", "", "")'
"""A state of its own: a site whose scheduler runs other jobs has none that takes steps."""
STATE_OR_NONE = Expr(f"{STATE} or {_NONE}", states=STATES.states)
HISTORY = Expr(
    f"max_over_time({STATES}[$__interval]) == 1 or {STATE} or {_NONE}", states=STATES.states
)
"""Every state since the point before, so that no short one is left out."""
GPUS = of(JOB, "gpus")
STEPS = of(JOB, "steps")
STEPS_PER_MINUTE = Expr(f"60 * rate({STEPS}[5m])", "cpm")
TOKENS_PER_SECOND = (
    of(JOB, "tokens_per_second").in_unit(TOKENS_A_SECOND).empty_when("no job trains on tokens")
)
MFU = of(JOB, "mfu").empty_when("no job trains on tokens")
_NO_STEPS = of(JOB, "state", 'state=~"idle|starting|loading|stalled|crashed"')
STEP_SECONDS = Expr(
    f"{of(JOB, 'step_seconds')} unless on (site, training_job) ({_NO_STEPS.equals(1)})", SECONDS
).empty_when("no job takes steps at present")
"""Of the last step, where the job goes on taking some: a crashed job has no pace."""
GOODPUT = of(JOB, "goodput")
PACE = of(JOB, "pace")
STALLED = of(JOB, "stalled_seconds").rate()

CHECKPOINTS = of(JOB, "checkpoints")
_WRITING = of(JOB, "state", 'state="checkpoint"')
_WRITTEN = f"max by (training_job) (max_over_time(timestamp({_WRITING} == 1)[1h:10s]))"
_SEEN_FIRST = f"min by (training_job) (min_over_time(timestamp({_WRITING})[1h:10s]))"
CHECKPOINT_AGE = Expr(f"time() - ({_WRITTEN} or {_SEEN_FIRST})", SECONDS)
CHECKPOINT_SHARE = Expr(f"avg_over_time({_WRITING}[30m])", "percentunit")

INTERRUPTIONS = of(JOB, "interruptions")
INTERRUPTIONS_SHOWN = Expr(f"round({INTERRUPTIONS.increase('$__range')})")
_WATCHED = f"15 * count_over_time({INTERRUPTIONS}[$__range:15s])"
"""Seconds of the time shown in which the job was watched."""
TIME_BETWEEN = Expr(f"{_WATCHED} / ({INTERRUPTIONS_SHOWN} > 1)", SECONDS).empty_when(
    "less than two interruptions"
)
TIME_BETWEEN_AT_LEAST = Expr(f"{_WATCHED} / ({INTERRUPTIONS_SHOWN} == 1)", SECONDS).during(
    "job-crash"
)
"""After a single interruption the time that was watched is a bound and no mean."""

_LOST = Expr(select(JOB["lost_stall"].metric, *ON_SITE), SECONDS)
"""All causes: the signals of one metric differ by the label ``cause`` only."""
LOST = _LOST.sum("cause")
LOST_SHARE = _LOST.rate("5m").sum("cause")
