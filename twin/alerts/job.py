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
"""Evaluations are planned, and the goodput target allows for them."""
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
        f"Share of the last {window} that was lost; evaluations are planned and do not count.",
    )
    for window in _WINDOWS
)


def _burn(long: str, short: str, limit_: object) -> str:
    """Return the expression of a missed target over both a long and a short window."""
    return f"{_lost(long)} > {limit_}\nand\n{_lost(short)} > {limit_}"


JOB_RULES = Rules(
    Domain.JOB,
    "The training job, by its trainer's metrics; CollectiveHang needs only dcgm-exporter.",
    _RECORDINGS,
    (
        Alert(
            name="CollectiveHang",
            severity=Severity.CRITICAL,
            why="A GPU that waits in a collective shows full utilisation and computes nothing. In "
            "a checkpoint all GPUs wait, but for less than a minute.",
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
            meaning="One rank never reaches the collective: its GPU, its NIC or its process "
            "hangs. Utilisation is 100 % at about 160 W per GPU, so utilisation dashboards look "
            "fine.",
            steps=(
                "Look for alerts on a lost or hanging GPU, a link or a switch.",
                ("If there are none, suspect the software: NCCL's flight recorder names the rank."),
            ),
        ),
        Alert(
            name="JobStalled",
            severity=Severity.CRITICAL,
            expr=_state("stalled"),
            hold=30,
            summary=f"{_JOB} is stalled",
            meaning="A rank does not answer and all others wait until the collective times out "
            "and the job restarts from its checkpoint.",
            steps=(
                "Find the culprit in the other alerts: a GPU, a link, a switch or a server.",
                "Drain it so that the restart gets a healthy device.",
            ),
        ),
        Alert(
            name="JobCrashed",
            severity=Severity.CRITICAL,
            expr=_state("crashed"),
            hold=10,
            summary=f"{_JOB} has crashed",
            meaning="All GPUs idle until the job has been relaunched and has loaded its last "
            "checkpoint; the work since that checkpoint is lost.",
            steps=(
                "Read the first error in the log, not the last.",
                "Drain the device that it names before the job is relaunched.",
            ),
        ),
        Alert(
            name="JobRestartLoop",
            severity=Severity.CRITICAL,
            expr=f"increase({_job('interruptions')}[1h]) > {limit.RESTARTS}",
            summary=f'{_JOB} was interrupted {{{{ $value | printf "%.0f" }}}} times in an hour',
            meaning="The cause persists, so the job makes no progress.",
            steps=("Stop relaunching it and find out what its last crashes have in common.",),
        ),
        Alert(
            name="JobSlow",
            severity=Severity.WARNING,
            why="Compared with the best steps of its own last day, so the rule fits any job.",
            expr=f"""
            avg_over_time({_STEP}[2m])
              > {limit.STEP_SLOW} * quantile_over_time(0.1, {_STEP}[1d])
            """,
            hold=60,
            summary=f'A step of {_JOB} takes {{{{ $value | printf "%.1f" }}}} s',
            meaning="Something slows down every step: one slow GPU, one slow link, the fabric, or "
            "the data loader.",
            steps=(
                "Find the culprit in the alerts on clocks, power, links and congestion.",
                "If GPU utilisation falls too, suspect the data loader.",
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
            meaning="A crash now loses all work since the last checkpoint.",
            steps=(
                "Check whether the storage is full or unreachable.",
                "Make the job write a checkpoint.",
            ),
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
            meaning="All GPUs wait for the storage during that time, and the site's power dips "
            "for longer.",
            steps=("Check the storage servers: disks, links, other writers.",),
        ),
        Alert(
            name="JobCheckpointOverhead",
            severity=Severity.WARNING,
            expr=f"rate({_job('lost_checkpoint')}[15m]) > {limit.CHECKPOINT_SHARE}",
            hold=60,
            summary=f"{_JOB} spends {{{{ $value | humanizePercentage }}}} of its time on "
            "checkpoints",
            meaning="Checkpoints are too frequent or too slow: goodput falls, and the site's power "
            "swings with each one.",
            steps=("Compare the checkpoints' interval and duration with the plan.",),
        ),
        Alert(
            name="JobShortOfGpus",
            severity=Severity.WARNING,
            expr=f"{_job('gpus')} < max_over_time({_job('gpus')}[1d])",
            hold=60,
            summary=f"{_JOB} runs on only {{{{ $value }}}} GPUs",
            meaning="The job was relaunched without devices that had failed.",
            steps=("Bring the drained hosts back, then restart the job at a checkpoint.",),
        ),
        Alert(
            name="JobGoodputBurnFast",
            severity=Severity.CRITICAL,
            why="Two windows: the long one shows that the loss matters, the short one that it is "
            "still going on.",
            expr=_burn("1h", "5m", limit.GOODPUT_FAST),
            summary=f"{_JOB} lost {{{{ $value | humanizePercentage }}}} of the last hour",
            meaning="With a goodput target of 90 %, a day's budget of lost time is gone in four "
            "hours. Lost time is all time not spent on steps that were kept: stalls, restarts, "
            "rework, checkpoints.",
            steps=("Find the growing cause: `training_job_lost_seconds_total` by `cause`.",),
        ),
        Alert(
            name="JobGoodputBurnSlow",
            severity=Severity.WARNING,
            expr=_burn("6h", "30m", limit.GOODPUT_SLOW),
            summary=f"{_JOB} lost {{{{ $value | humanizePercentage }}}} of the last six hours",
            meaning="With a goodput target of 90 %, a week's budget of lost time is gone in half "
            "a week.",
            steps=("Find the growing cause: `training_job_lost_seconds_total` by `cause`.",),
        ),
    ),
)
