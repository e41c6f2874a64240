"""Colours, and the thresholds at which values change theirs, taken from the alert rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from twin.alerts import thresholds as limit
from twin.alerts.model import Threshold

__all__ = [
    "BLUE",
    "CALM",
    "GONE",
    "GREEN",
    "GREY",
    "HEAT",
    "IN_A_TABLE",
    "LOST",
    "NONE_IS_BAD",
    "NONE_IS_GOOD",
    "ORANGE",
    "PURPLE",
    "RED",
    "SEVERITIES",
    "SILENT",
    "SOME_IS_BAD",
    "STATES",
    "STILL",
    "YELLOW",
    "Steps",
    "bad_below",
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
"""For cells that count missing devices."""
SOME_IS_BAD: Steps = ((None, "text"), (1, RED))
"""For a number beside others: it stands out only when it is not 0."""
IN_A_TABLE: Steps = ((None, "transparent"), (1, RED))
STILL: Steps = ((None, RED), (1, "transparent"))
"""For cells of a table: some are bad, and none is bad."""
NONE_IS_BAD: Steps = ((None, RED), (1, GREEN))
GONE, SILENT = "#C4162A", "#8F3BB8"
"""Of a place on a map whose devices do not answer, and that does not answer itself."""

SEVERITIES: Mapping[str, str] = MappingProxyType({"critical": RED, "warning": ORANGE, "info": BLUE})
_GOOD = ("running", "RUNNING", "training", "ok", "OK", "nominal", "up", "active", "link up",
         "closed", "connected", "none", "no", "FULL", "success",
         "healthy", "ready", "on")  # fmt: skip
_CALM = ("standby", "STANDBY", "idle", "evaluation", "DISCHARGING", "CHARGING", "HOLDING",
         "TESTING", "cooling")  # fmt: skip
_PASSING = ("starting", "STARTING", "loading", "synchronising", "init", "armed", "deferred",
            "pending", "polling", "recovering", "test", "testing", "shift", "dormant",
            "in progress", "initializing", "starting auth server", "waiting for peers",
            "waiting for recovery", "init GPU", "shutting down")  # fmt: skip
_POOR = ("Warning", "warning", "EMPTY", "limited capacity", "no partner")
_BAD = ("failed", "FAULT", "crashed", "stalled", "Critical", "critical", "down", "lower layer down",
        "tripped", "open", "unpowered", "disconnected", "lost", "leak", "failure",
        "unhealthy", "bad signal")  # fmt: skip
_ABSENT = ("stopped", "off", "OFF", "Unavailable", "Absent", "unknown", "not present",
           "no change", "sleep", "disabled", "not supported", "not started", "unrecognized",
           "NVML too old", "unavailable")  # fmt: skip

STATES: Mapping[str, str] = MappingProxyType(
    {
        "checkpoint": PURPLE,
        **dict.fromkeys(_GOOD, GREEN),
        **dict.fromkeys(_CALM, BLUE),
        **dict.fromkeys(_PASSING, YELLOW),
        **dict.fromkeys(_POOR, ORANGE),
        **dict.fromkeys(_BAD, RED),
        **dict.fromkeys(_ABSENT, GREY),
    }
)
"""Colour of every word that a device, a link or a job can be described by."""


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


def bad_below(threshold: Threshold) -> Steps:
    """Return the colours of a number beside others: it stands out only below a rule's limit."""
    return ((None, RED), (threshold.value, "text"))


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
