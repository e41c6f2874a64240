"""Colours, and the thresholds at which values change theirs, taken from the alert rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from twin.alerts import thresholds as limit
from twin.alerts.model import Threshold

__all__ = [
    "BLUE",
    "CALM",
    "GREEN",
    "GREY",
    "HEAT",
    "LOST",
    "NONE_IS_GOOD",
    "ORANGE",
    "PURPLE",
    "RED",
    "SEVERITIES",
    "STATES",
    "YELLOW",
    "Steps",
    "falling",
    "rising",
]

Steps = Sequence[tuple[float | None, str]]
"""From this value on (None: from the least) this colour."""

GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"
BLUE, PURPLE, GREY = "blue", "purple", "#8e8e8e"

CALM: Steps = ((None, "text"),)
NONE_IS_GOOD: Steps = ((None, GREEN), (1, RED))
LOST: Steps = ((None, "#37872D"), (1, "#C4162A"))
"""For cells: nothing is missing, or something is."""

SEVERITIES: Mapping[str, str] = MappingProxyType({"critical": RED, "warning": ORANGE, "info": BLUE})
STATES: Mapping[str, str] = MappingProxyType(
    {
        "running": GREEN,
        "RUNNING": GREEN,
        "training": GREEN,
        "ok": GREEN,
        "OK": GREEN,
        "standby": BLUE,
        "STANDBY": BLUE,
        "evaluation": BLUE,
        "checkpoint": PURPLE,
        "starting": YELLOW,
        "STARTING": YELLOW,
        "loading": YELLOW,
        "synchronising": YELLOW,
        "cooling": YELLOW,
        "Warning": ORANGE,
        "stalled": ORANGE,
        "failed": RED,
        "FAULT": RED,
        "crashed": RED,
        "Critical": RED,
        "stopped": GREY,
        "idle": GREY,
        "OFF": GREY,
        "Unavailable": GREY,
        "Absent": GREY,
    }
)
"""Colour of the states that a device or the job can be in; others are grey."""


def rising(threshold: Threshold | float, near: float) -> Steps:
    """Return the colours of a value that is bad from a limit on.

    Args:
        threshold: the rule's limit; critical from here on.
        near: from here on it is worth a look.
    """
    return ((None, GREEN), (near, YELLOW), (_value(threshold), RED))


def falling(threshold: Threshold | float, near: float) -> Steps:
    """Return the colours of a value that is bad below a limit.

    Args:
        threshold: the rule's limit; critical below it.
        near: below it is worth a look.
    """
    return ((None, RED), (_value(threshold), YELLOW), (near, GREEN))


def _value(threshold: Threshold | float) -> float:
    return threshold.value if isinstance(threshold, Threshold) else threshold


HEAT: Steps = (
    (None, "#37872D"),
    (60, "#56A64B"),
    (70, "#E0B400"),
    (80, "#FA6400"),
    (limit.GPU_HOT.value, "#C4162A"),
)
"""An H100 in training is at 50 to 60 °C."""
