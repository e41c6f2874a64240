"""Alerts on the training job."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Recording, Rules, Severity
from twin.catalog import GPU, JOB
from twin.catalog.selectors import of, select

__all__ = ["JOB_RULES"]

_job, _gpu = partial(of, JOB), partial(of, GPU)
_JOB = "Job {{ $labels.training_job }} of {{ $labels.site }}"
_NAME = "site, training_job"
_LOST = select(JOB["lost_stall"].metric, 'cause!="evaluation"')
"""Evaluations are planned: the goodput that the budget is of allows for them."""
_WINDOWS = ("5m", "30m", "1h", "6h")
_STEP = _job("step_seconds")


def _state(name: str) -> str:
    return _job("state", f'state="{name}"') + " == 1"


def _lost(window: str) -> str:
    """Return the recorded share of lost time over a window."""
    return f"job:training_job_lost:ratio_rate{window}"


_RECORDINGS = tuple(
    Recording(
        _lost(window),
        f"sum by ({_NAME}) (rate({_LOST}[{window}]))",
        f"Share of the last {window} that was lost; an evaluation is planned, and no loss.",
    )
    for window in _WINDOWS
)


def _burn(long: str, short: str, limit_: object) -> str:
    """Return where the goal is missed over a long window, and still is over a short one."""
    return f"{_lost(long)} > {limit_}\nand\n{_lost(short)} > {limit_}"


JOB_RULES = Rules(
    Domain.JOB,
    "The training job, by what its trainer reports; CollectiveHang needs dcgm-exporter only.",
    _RECORDINGS,
    (
        Alert(
            name="CollectiveHang",
            severity=Severity.CRITICAL,
            why="A GPU that waits in a collective shows full utilisation and computes nothing. In "
            "a checkpoint all wait, but for less than a minute.",
            expr=f"""
            count by (site) (
              max_over_time({_gpu("tensor_active")}[1m]) < {limit.GPU_SPINNING_TENSOR}
              and min_over_time({_gpu("gpu_util")}[1m]) >= {limit.GPU_SPINNING_UTILIZATION}
            )
              / count by (site) ({_gpu("gpu_util")})
              > {limit.SPINNING_SHARE}
            """,
            hold=30,
            summary="{{ $value | humanizePercentage }} of the GPUs of {{ $labels.site }} wait in a "
            "collective",
            meaning="A rank does not get there: its GPU, its NIC or its process. Utilisation is "
            "100 % and power some 160 W a GPU, so dashboards of utilisation look fine.",
            steps=(
                "Look for alerts on a lost or hanging GPU, a link or a switch.",
                "None: it is software. The flight recorder of NCCL names the rank.",
            ),
        ),
        Alert(
            name="JobStalled",
            severity=Severity.CRITICAL,
            expr=_state("stalled"),
            hold=30,
            summary=f"{_JOB} stands still",
            meaning="A rank does not answer and all others wait, until the collective times out "
            "and the job restarts from its checkpoint.",
            steps=(
                "Other alerts name the culprit: a GPU, a link, a switch, a server.",
                "Drain the culprit, so that the restart finds a healthy device.",
            ),
        ),
        Alert(
            name="JobCrashed",
            severity=Severity.CRITICAL,
            expr=_state("crashed"),
            hold=10,
            summary=f"{_JOB} has crashed",
            meaning="All GPUs idle until the job is launched again, starts, and loads its last "
            "checkpoint; the work since then is lost.",
            steps=(
                "Read the first error of the log, not the last.",
                "Drain what it names before the job is launched again.",
            ),
        ),
        Alert(
            name="JobRestartLoop",
            severity=Severity.CRITICAL,
            expr=f"increase({_job('interruptions')}[1h]) > {limit.RESTARTS}",
            summary=f'{_JOB} was interrupted {{{{ $value | printf "%.0f" }}}} times in an hour',
            meaning="The cause is still there: the job gets nowhere.",
            steps=("Stop launching it; find what its last ends have in common.",),
        ),
        Alert(
            name="JobSlow",
            severity=Severity.WARNING,
            why="Compared with the best steps of its own day, so that it fits any job.",
            expr=f"""
            avg_over_time({_STEP}[2m])
              > {limit.STEP_SLOW} * quantile_over_time(0.1, {_STEP}[1d])
            """,
            hold=60,
            summary=f'A step of {_JOB} takes {{{{ $value | printf "%.1f" }}}} s',
            meaning="Something holds every step back: one slow GPU, one slow link, the fabric, or "
            "the data loader.",
            steps=(
                "Look for alerts on clocks, power, links and congestion: they name the culprit.",
                "Utilisation falls too: it is the data loader.",
            ),
        ),
        Alert(
            name="JobNotCheckpointing",
            severity=Severity.WARNING,
            expr=f"""
            increase({_job("checkpoints")}[{limit.CHECKPOINT_AGE}s]) == 0
            and increase({_job("steps")}[5m]) > 0
            and {_job("steps")} offset {limit.CHECKPOINT_AGE}s
            """,
            summary=f"{_JOB} trains but has written no checkpoint for an hour",
            meaning="A crash now throws away all work since the last one.",
            steps=("Is the storage full or away?", "Let the job write a checkpoint."),
        ),
        Alert(
            name="JobCheckpointSlow",
            severity=Severity.WARNING,
            expr=f"""
            increase({_job("lost_checkpoint")}[15m])
              / on ({_NAME}) group_left ()
            (increase({_job("checkpoints")}[15m]) > 0.5)
              > {limit.CHECKPOINT_SLOW}
            """,
            hold=60,
            summary=f'A checkpoint of {_JOB} takes {{{{ $value | printf "%.0f" }}}} s',
            meaning="All GPUs wait for the storage meanwhile, and the site's power has a longer "
            "valley.",
            steps=("Look at the storage servers: disks, links, who else writes.",),
        ),
        Alert(
            name="JobCheckpointOverhead",
            severity=Severity.WARNING,
            expr=f"rate({_job('lost_checkpoint')}[15m]) > {limit.CHECKPOINT_SHARE}",
            hold=60,
            summary=f"{_JOB} uses {{{{ $value | humanizePercentage }}}} of its time on checkpoints",
            meaning="Checkpoints are too frequent or too slow: goodput falls and the site's power "
            "swings with each.",
            steps=("Compare interval and duration with what was planned.",),
        ),
        Alert(
            name="JobShortOfGpus",
            severity=Severity.WARNING,
            expr=f"{_job('gpus')} < max_over_time({_job('gpus')}[1d])",
            hold=60,
            summary=f"{_JOB} runs on {{{{ $value }}}} GPUs only",
            meaning="The job was launched without devices that failed.",
            steps=("Bring the drained hosts back, then restart the job at a checkpoint.",),
        ),
        Alert(
            name="JobGoodputBurnFast",
            severity=Severity.CRITICAL,
            why="Two windows: the long one says that it matters, the short one that it goes on.",
            expr=_burn("1h", "5m", limit.GOODPUT_FAST),
            summary=f"{_JOB} lost {{{{ $value | humanizePercentage }}}} of the last hour",
            meaning="At goodput of 90 % a day's budget of lost time is gone in four hours. Lost is "
            "what did not go into steps that were kept: stalls, restarts, rework, checkpoints.",
            steps=("See which cause grows: `training_job_lost_seconds_total` by `cause`.",),
        ),
        Alert(
            name="JobGoodputBurnSlow",
            severity=Severity.WARNING,
            expr=_burn("6h", "30m", limit.GOODPUT_SLOW),
            summary=f"{_JOB} lost {{{{ $value | humanizePercentage }}}} of the last six hours",
            meaning="At goodput of 90 % a week's budget of lost time is gone in half a week.",
            steps=("See which cause grows: `training_job_lost_seconds_total` by `cause`.",),
        ),
    ),
)
