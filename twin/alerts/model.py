"""Row types of the alert tables: thresholds, recording rules, alerts.

A rule is a row. Its expression takes metric names from the catalogue
(:mod:`twin.catalog.selectors`) and limits from one table (:mod:`twin.alerts.thresholds`).
In a text a threshold stands as a placeholder, so that the files can be made with other
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
    """How soon somebody has to act."""

    CRITICAL = "critical"
    """Now: work is lost, or equipment is in danger."""
    WARNING = "warning"
    """This shift: redundancy or pace is lost."""
    INFO = "info"
    """Nobody is called; it explains other alerts."""


class Domain(StrEnum):
    """Whose business an alert is, and the file it is in."""

    GPU = "gpu"
    NETWORK = "network"
    COOLING = "cooling"
    POWER = "power"
    GRID = "grid"
    STORAGE = "storage"
    JOB = "job"
    TELEMETRY = "telemetry"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit of a rule.

    Attributes:
        name: by which it can be set.
        value: the limit.
        unit: of the value; empty for a pure number.
        basis: where the value comes from; *est.* where nothing public was found.
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
        severity: how soon somebody has to act.
        expr: PromQL, over as many lines as it reads well.
        hold: seconds for which it must hold before it fires, the rule's ``for``.
        summary: one line that names the culprit; a template of Prometheus.
        meaning: what is wrong and what follows, plain text.
        steps: what to do, in order.
        detail: what the description says first, a template of Prometheus.
        why: comment in the file: what a reader of the expression would ask.
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
    """The rules of a domain, which are one file.

    Attributes:
        domain: of all its alerts.
        title: what the file is about, in a sentence or two.
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
