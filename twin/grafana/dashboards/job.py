"""The training job: steps, checkpoints, interruptions, and where its time goes."""

from __future__ import annotations

from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STATES, YELLOW
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import bars, history, listing, numbers, timeline
from twin.grafana.queries import gpus, network, pipeline
from twin.grafana.queries import job as q

__all__ = ["rows"]

_NAME = "{{training_job}}"
_CAUSES = {"stall": RED, "rework": ORANGE, "restart": YELLOW, "startup": GREY, "loading": "#FFF899",
           "checkpoint": PURPLE, "evaluation": BLUE, "slow": GREEN}  # fmt: skip
"""Cause of lost time to its colour; that of the job's state where there is one."""


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _history(), _pace(), _lost()]


def _now() -> Row:
    return "Now", [
        numbers(
            "State",
            "Present state of the job: training, evaluation and checkpoint are normal; stalled "
            "means that it waits for a device that does not answer. A job that serves takes "
            "no steps.",
            [Query(q.STATE_OR_NONE, "{{training_job}} {{state}}")],
            width=4,
            names_only=True,
        ),
        numbers("GPUs", "GPUs that the job holds.", [Query(q.GPUS, _NAME)], unit="locale", width=3),
        numbers("Steps", "Optimizer steps done.", [Query(q.STEPS, _NAME)], unit="locale", width=3),
        numbers(
            "Step time",
            "Duration of the last optimizer step.",
            [Query(q.STEP_SECONDS, _NAME)],
            width=3,
            decimals=2,
            nothing="no steps at present",
        ),
        numbers(
            "Goodput",
            "Goodput: share of all time spent on steps that were kept.",
            [Query(q.GOODPUT, _NAME)],
            width=3,
            steps=colors.falling(0.6, 0.85),
            decimals=1,
        ),
        numbers(
            "Since the last checkpoint",
            "Work that a crash would lose now. Looks back one hour.",
            [Query(q.CHECKPOINT_AGE, _NAME)],
            width=4,
            decimals=1,
            nothing="none within an hour",
        ),
        numbers(
            "Interruptions",
            "Times the job was restarted in the time shown. A stall that ends by itself is not "
            "counted.",
            [Query(q.INTERRUPTIONS_SHOWN, _NAME)],
            width=4,
            steps=colors.NONE_IS_GOOD,
            decimals=0,
        ),
    ]


def _history() -> Row:
    return "History", [
        history(
            "States",
            "State of the job over time. Thin lines mark the start of a fault (orange) and the "
            "moment at which the job stops (red); the switches above add checkpoints and ends of "
            "faults.",
            Query(q.HISTORY, "{{training_job}} {{state}}"),
            {**{state: STATES[state] for state in q.STATE.states}, q.NO_JOB: GREY},
            width=16,
            height=9,
        ),
        listing(
            "Faults in force",
            "Injected faults that have not ended.",
            [Query(pipeline.FAULTS)],
            [TableColumn("fault", "Fault"), TableColumn("target", "Target")],
            width=8,
            height=9,
            nothing="No fault is in force",
        ),
    ]


def _pace() -> Row:
    return "Pace", [
        timeline(
            "Step time",
            "Duration of the last optimizer step. Steps of a job differ by 1 %.",
            [Query(q.STEP_SECONDS, _NAME)],
            width=6,
            nothing="No job takes steps at present",
        ),
        timeline(
            "Pace of the slowest part",
            "Pace of the slowest GPU or of the data loader, relative to nominal: one slow GPU "
            "slows all.",
            [Query(q.PACE, _NAME)],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Tokens",
            "Tokens of the last step a second (left), and its model FLOPs over what the GPUs' peak "
            "would do in that time (MFU, right).",
            [
                Query(q.TOKENS_PER_SECOND, _NAME),
                Query(q.MFU, f"{_NAME} MFU", right=True),
            ],
            width=6,
            least=0,
            nothing="No job trains on tokens",
        ),
        timeline(
            "What the GPUs do",
            "Mean GPU power, and mean utilisation: high utilisation at 157 W is waiting.",
            [
                Query(gpus.POWER, "power", ORANGE),
                Query(gpus.UTILISATION, "utilisation", GREEN, right=True),
            ],
            width=6,
            least=0,
            every="1s",
        ),
    ]


def _lost() -> Row:
    return "Reliability", [
        timeline(
            "Time lost by cause",
            "Share of the last five minutes that was not spent on steps that were kept: waiting "
            "(stall), restarting, starting, loading, rework after a crash, checkpoints, "
            "evaluations, slow steps. Rework is charged at the crash, so it may exceed 100 %.",
            [Query(q.LOST_SHARE, "{{cause}}")],
            width=8,
            least=0,
            most=0.2,
            colors=_CAUSES,
        ),
        bars(
            "Lost since the job began",
            "Time that all jobs together did not spend on steps that were kept, by cause.",
            [Query(q.LOST, "{{cause}}")],
            width=5,
            decimals=1,
        ),
        timeline(
            "Goodput",
            "Goodput since the job started: share of time spent on steps that were kept.",
            [Query(q.GOODPUT, _NAME, GREEN)],
            width=5,
            least=0,
            most=1,
        ),
        timeline(
            "Checkpoints",
            "Checkpoints written (left), and their share of the last half hour (right).",
            [
                Query(q.CHECKPOINTS, f"{_NAME} written"),
                Query(q.CHECKPOINT_SHARE, f"{_NAME} share of time", right=True),
            ],
            width=6,
            least=0,
            most=4,
        ),
        numbers(
            "Time between interruptions",
            "The time shown divided by the interruptions in it. After a single interruption it is "
            "a bound, not a mean.",
            [Query(q.TIME_BETWEEN, _NAME), Query(q.TIME_BETWEEN_AT_LEAST, f"{_NAME} at least")],
            width=8,
            height=5,
            nothing="no interruption",
        ),
        timeline(
            "Stalled",
            "Share of the time between two points in which the job waited for a device that did "
            "not answer.",
            [Query(q.STALLED, _NAME, RED)],
            width=8,
            height=5,
            least=0,
            most=1,
        ),
        timeline(
            "NIC ports up",
            "A link that is down stalls the job.",
            [Query(network.PORTS_UP, "ports", GREEN)],
            width=8,
            height=5,
            whole=True,
        ),
    ]
