"""Verdict of a backtest: hits, misses, delay, false alarms a week and precision.

An incident expects an alert with its labels to fire while it lasts. It excuses every firing that
overlaps it and whose labels do not contradict its own; what no incident excuses is a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from twin.rules.backtest.incidents import PastIncident
from twin.rules.backtest.outcome import PastOutcome
from twin.rules.judging import Episode
from twin.rules.result import CheckStatus
from twin.rules.source import Rule

__all__ = ["AlertRecord", "BacktestVerdict", "IncidentCheck", "verdict"]


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """What an alert, or the observer, did over the whole past.

    Attributes:
        name: of the alert, or the cause that the observer found.
        rule: None of the observer.
        firings: in order of time.
        false: those that no incident excuses; None without incidents.
        weeks: length of the past.
        error: why the rule could not be evaluated; empty if it was.
    """

    name: str
    rule: Rule | None
    firings: Sequence[Episode]
    false: Sequence[Episode] | None
    weeks: float
    error: str = ""

    @property
    def a_week(self) -> float:
        """Firings a week."""
        return len(self.firings) / self.weeks if self.weeks > 0 else 0.0

    @property
    def false_a_week(self) -> float | None:
        """False alarms a week; None without incidents."""
        if self.false is None:
            return None
        return len(self.false) / self.weeks if self.weeks > 0 else 0.0

    @property
    def precision(self) -> float | None:
        """Share of firings that an incident excuses; None without any, or without incidents."""
        if self.false is None or not self.firings:
            return None
        return 1.0 - len(self.false) / len(self.firings)


@dataclass(frozen=True, slots=True)
class IncidentCheck:
    """One alert that an incident expects, or an incident that expects none.

    Attributes:
        incident: the incident.
        alert: that it expects; empty for none.
        status: failed for a miss, skipped where nothing can be told or is expected.
        detail: what was seen.
        delay: seconds from the start of the incident to the first firing, negative if the alert
            fired before; None for a miss.
        observed: the same of the observer; None where it found nothing.
        others: alerts that fired as well.
    """

    incident: PastIncident
    alert: str
    status: CheckStatus
    detail: str
    delay: float | None = None
    observed: float | None = None
    others: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BacktestVerdict:
    """What a backtest says.

    Attributes:
        outcome: of the rules.
        alerts: a record for each alerting rule.
        observer: a record for each cause that the observer of the twin found.
        checks: of the incidents.
    """

    outcome: PastOutcome
    alerts: Sequence[AlertRecord]
    observer: Sequence[AlertRecord]
    checks: Sequence[IncidentCheck]

    @property
    def missed(self) -> list[IncidentCheck]:
        """Expected alerts that did not fire."""
        return [own for own in self.checks if own.status is CheckStatus.FAILED]

    @property
    def complaints(self) -> list[str]:
        """Why the run fails; none if it does not."""
        expected = sum(own.status is not CheckStatus.SKIPPED for own in self.checks)
        found = []
        if self.missed:
            found.append(f"{len(self.missed)} of {expected} expected alerts did not fire")
        if self.outcome.errors:
            found.append(f"{len(self.outcome.errors)} rules could not be evaluated")
        return found


def verdict(outcome: PastOutcome, incidents: Sequence[PastIncident] | None) -> BacktestVerdict:
    """Return what the outcome says of the incidents; None for no list of them."""
    records = []
    for index, rule in enumerate(outcome.alerts):
        error = outcome.errors.get(rule.key, "")
        records.append(_record(rule.name, rule, outcome.firings(index), incidents, outcome, error))
    causes: dict[str, list[Episode]] = {}
    for own in outcome.found:
        causes.setdefault(own.labels["alertname"], []).append(own)
    observer = [
        _record(name, None, found, incidents, outcome, "") for name, found in sorted(causes.items())
    ]
    checks = [
        check for own in incidents or () for check in _checks(own, outcome, records, observer)
    ]
    return BacktestVerdict(outcome, records, observer, checks)


def _record(
    name: str,
    rule: Rule | None,
    firings: Sequence[Episode],
    incidents: Sequence[PastIncident] | None,
    outcome: PastOutcome,
    error: str,
) -> AlertRecord:
    false = None
    if incidents is not None:
        false = [own for own in firings if not any(_excuses(each, own) for each in incidents)]
    return AlertRecord(name, rule, firings, false, outcome.weeks, error)


def _checks(
    incident: PastIncident,
    outcome: PastOutcome,
    records: Sequence[AlertRecord],
    observer: Sequence[AlertRecord],
) -> Iterable[IncidentCheck]:
    during = {own.name for own in records if any(_excuses(incident, each) for each in own.firings)}
    seen = _delay(incident, [each for own in observer for each in own.firings])
    unknown = _untold(incident, outcome)
    for alert in incident.alerts or ("",):
        others = sorted(during - {alert})
        if unknown or not alert:
            why = unknown or (f"{', '.join(others)} fired" if others else "no alert fired")
            yield IncidentCheck(
                incident, alert, CheckStatus.SKIPPED, why, observed=seen, others=others
            )
            continue
        own = [each for record in records if record.name == alert for each in record.firings]
        delay = _delay(incident, [each for each in own if _has(incident.labels, each)])
        status = CheckStatus.FAILED if delay is None else CheckStatus.PASSED
        detail = _detail(incident, alert, own, delay)
        yield IncidentCheck(incident, alert, status, detail, delay, seen, others)


def _detail(
    incident: PastIncident, alert: str, firings: Sequence[Episode], delay: float | None
) -> str:
    if delay is not None:
        return "fired before it began" if delay < 0 else "fired"
    elsewhere = sum(_overlaps(incident, own) for own in firings)
    if elsewhere:
        return f"{alert} fired {elsewhere} times meanwhile, but with other labels"
    return "did not fire"


def _untold(incident: PastIncident, outcome: PastOutcome) -> str:
    """Return why an incident cannot be judged; empty if it can."""
    start, end = outcome.settings.start, outcome.settings.end
    if incident.end <= start or incident.start >= end:
        return "is outside of the past that was read"
    for gap in outcome.gaps:
        if gap.start <= incident.start and incident.end <= gap.end:
            return "is in a gap of the past"
    return ""


def _delay(incident: PastIncident, firings: Iterable[Episode]) -> float | None:
    """Return the seconds to the first firing while an incident lasts."""
    during = [own.firing for own in firings if own.firing is not None and _excuses(incident, own)]
    return min(during) - incident.start if during else None


def _overlaps(incident: PastIncident, episode: Episode) -> bool:
    at = episode.firing
    over = episode.ended is None or episode.ended > incident.start
    return at is not None and at <= incident.end and over


def _excuses(incident: PastIncident, episode: Episode) -> bool:
    fits = all(
        episode.labels.get(label, value) == value for label, value in incident.labels.items()
    )
    return fits and _overlaps(incident, episode)


def _has(labels: Mapping[str, str], episode: Episode) -> bool:
    return all(episode.labels.get(label) == value for label, value in labels.items())
