"""Results of a run, as plain values to print and to send between processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from twin.rules.engine import Episode
from twin.rules.unknown_references import Lacking

__all__ = ["Check", "CheckStatus", "Curve", "Panel", "ScenarioResult", "Struck", "SweepPoint"]


class CheckStatus(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation and what became of it.

    Attributes:
        kind: ``fires``, ``never``, ``clears``, ``exactly``, ``inhibited`` or ``notified``; or
            ``evaluates``, which no scenario needs to ask for.
        text: the expectation as a sentence.
        status: how it ended.
        detail: what was seen.
        place: file and line of the expectation.
        alert: name of the alert it is about; empty for ``exactly``.
        fired: when the alert first fired, in simulated seconds.
        cleared: when its last instance ended.
        delay: seconds from the fault to the firing, or from its end to the clearing.
        reasons: for a miss, which part of the expression was false.
    """

    kind: str
    text: str
    status: CheckStatus
    detail: str
    place: str
    alert: str = ""
    fired: float | None = None
    cleared: float | None = None
    delay: float | None = None
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault of the timeline.

    Attributes:
        kind: of fault.
        target: the place that it is applied to; empty for the whole site.
        at: when it began.
        ends: when it was over.
    """

    kind: str
    target: str
    at: float
    ends: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A signal over time.

    Attributes:
        name: labels of the series, or what it is.
        points: seconds and values.
    """

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """The signals behind one part of an alert's expression.

    Attributes:
        alert: name of the alert.
        title: the part.
        curves: what it compares.
        limits: what it is compared with.
    """

    alert: str
    title: str
    curves: Sequence[Curve]
    limits: Sequence[Curve]


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What an alert would have done with another ``for``.

    Attributes:
        rule: key of the rule.
        lasts: the ``for``, in seconds.
        delay: seconds from the fault to its first firing; None when it did not fire after one.
        false_alarms: times that it fired without a fault.
    """

    rule: str
    lasts: float
    delay: float | None
    false_alarms: int


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What happened in one scenario.

    Attributes:
        name: of the scenario.
        title: of the scenario.
        file: where it stands.
        duration: simulated seconds.
        evaluate: seconds between two evaluations.
        struck: its faults.
        shows: metrics on which the faults can be seen directly.
        checks: its expectations.
        episodes: by the key of the rule.
        true: keys of the rules whose expression was ever true.
        errors: why a rule could not be evaluated, by its key.
        recorded: most series at a time of every recording rule that could be, by its key.
        cut: keys of the rules that were judged by a few of their series, being noisy for certain.
        lacking: metrics that a rule names and the site does not have, by the rule's key.
        unmatched: by the rule's key, what it reads of metrics that the site has, but with labels
            that none of their series has; each with a hint.
        affected: keys of the rules that read a series which the faults changed.
        panels: signals for the report.
        sweep: other values of ``for``.
        killed: mutants that turn a check red, by their keys.
        told: when Alertmanager told of each alert, by name; None when it was not asked.
        seconds: that the run took.
    """

    name: str
    title: str
    file: str
    duration: float
    evaluate: float
    struck: Sequence[Struck]
    shows: Sequence[str]
    checks: Sequence[Check]
    episodes: Mapping[str, Sequence[Episode]]
    true: frozenset[str]
    errors: Mapping[str, str]
    lacking: Mapping[str, Lacking] = field(default_factory=dict)
    unmatched: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    recorded: Mapping[str, int] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    affected: frozenset[str] = frozenset()
    panels: Sequence[Panel] = ()
    sweep: Sequence[SweepPoint] = ()
    killed: frozenset[str] = frozenset()
    told: Mapping[str, float] | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def passed(self) -> bool:
        """Whether no expectation failed."""
        return all(check.status is not CheckStatus.FAILED for check in self.checks)

    @property
    def mark(self) -> CheckStatus:
        """How the scenario ended: skipped when none of its expectations could be judged."""
        if all(check.status is CheckStatus.SKIPPED for check in self.checks):
            return CheckStatus.SKIPPED
        return CheckStatus.PASSED if self.passed else CheckStatus.FAILED

    @property
    def quiet(self) -> bool:
        """Whether the scenario is healthy."""
        return not self.struck and not any(check.kind == "fires" for check in self.checks)

    def firings(self, rule: str) -> list[Episode]:
        """Return the episodes of a rule that fired."""
        return [own for own in self.episodes.get(rule, ()) if own.firing is not None]

    @property
    def began(self) -> float:
        """When the first fault began, in simulated seconds."""
        return self.struck[0].at if self.struck else 0.0
