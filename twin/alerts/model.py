"""Row types of the alert tables: thresholds, recording rules, alerts.

A rule is a row. Its expression takes metric names from the catalogue
(:mod:`twin.catalog.selectors`) and limits from one table (:mod:`twin.alerts.thresholds`).
Texts hold a placeholder for each threshold, so that the files can be made with other
limits than those of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from inspect import cleandoc

from twin.errors import ConfigError

__all__ = ["Alert", "Domain", "Recording", "Rules", "Severity", "Threshold", "fill", "used"]

_PLACEHOLDER = re.compile(r"\[\[(\w+)\]\]")


class Severity(StrEnum):
    """Urgency of an alert."""

    CRITICAL = "critical"
    """Act now: work is lost, or equipment is in danger."""
    WARNING = "warning"
    """Act this shift: redundancy or speed is lost."""
    INFO = "info"
    """No notification; it explains other alerts."""


class Domain(StrEnum):
    """Area of an alert, and the file it is in."""

    GPU = "gpu"
    RACK_SCALE = "rack-scale"
    NETWORK = "network"
    COOLING = "cooling"
    POWER = "power"
    GRID = "grid"
    STORAGE = "storage"
    HOST = "host"
    JOB = "job"
    SERVING = "serving"
    SCHEDULER = "scheduler"
    TELEMETRY = "telemetry"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Threshold:
    """The limit of a rule.

    Attributes:
        name: by which it can be set.
        value: the limit.
        unit: of the value; empty for a pure number.
        basis: where the value comes from; *est.* where no public source was found.
    """

    name: str
    value: float
    unit: str
    basis: str

    def __str__(self) -> str:
        return f"[[{self.name}]]"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule.

    Attributes:
        name: of the series, ``level:metric:operation``.
        expr: PromQL.
        why: the comment above it.
    """

    name: str
    expr: str
    why: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert rule and what its runbook says.

    Attributes:
        name: of the alert.
        severity: its urgency.
        expr: PromQL, wrapped for reading.
        hold: seconds that it is pending before it fires, the rule's ``for``.
        summary: one line that names the culprit; a Prometheus template.
        meaning: the problem and its effects, plain text.
        steps: the response, in order.
        detail: first sentence of the description, a Prometheus template.
        why: comment in the rule file that explains the expression.
    """

    name: str
    severity: Severity
    expr: str
    summary: str
    meaning: str
    steps: tuple[str, ...]
    hold: int = 0
    detail: str = ""
    why: str = ""

    @property
    def description(self) -> str:
        """The annotation: detail and meaning in one paragraph."""
        return " ".join(f"{self.detail} {self.meaning}".split())


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a domain, written to one file.

    Attributes:
        domain: of all its alerts.
        title: the file's subject, in a sentence or two.
        recordings: evaluated first, in this order.
        alerts: in the order of the file.
        name: of the file and its group; empty for the domain's.
    """

    domain: Domain
    title: str
    recordings: tuple[Recording, ...]
    alerts: tuple[Alert, ...]
    name: str = ""

    @property
    def group(self) -> str:
        """Name of the group, and of the file without its suffix."""
        return self.name or self.domain


def fill(text: str, limits: Mapping[str, float]) -> str:
    """Return ``text``, without its indentation, with a number for every threshold.

    Raises:
        ConfigError: ``limits`` lacks a threshold that the text names.
    """

    def number(match: re.Match[str]) -> str:
        try:
            return f"{limits[match[1]]:g}"
        except KeyError:
            raise ConfigError(f"no limit is given for the threshold {match[1]!r}") from None

    return _PLACEHOLDER.sub(number, cleandoc(text))


def used(alert: Alert) -> tuple[str, ...]:
    """Return the names of the thresholds in an alert's expression, in order, each once."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(alert.expr)))
