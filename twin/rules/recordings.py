"""Recording rules: which fail, and how many series each gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin.rules.jobs import dealt, linked_rules, recording_job
from twin.rules.promtool import PromtoolJob, RuleFailedError, UnfinishedError, run, shorter, workers
from twin.rules.promtool_series import series_name
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet

__all__ = ["MOST_COUNTED", "RecordingOutcome", "evaluate_recordings"]

_MOMENTS = 40
"""Moments at which the series of a recording are counted; what comes between them counts too."""
MOST_COUNTED = 10_000
"""Series that promtool can count; of more it only says that there are more."""


@dataclass(frozen=True, slots=True)
class RecordingOutcome:
    """Recording rules as the engine evaluates them.

    Attributes:
        errors: by the key of a rule that fails, or reads one that does, what the engine says.
        series: most series at a time of every other rule, by its key.
    """

    errors: Mapping[str, str]
    series: Mapping[str, int]


def evaluate_recordings(
    samples: Samples, rules: RuleSet, interval: float, threads: int = 1
) -> RecordingOutcome:
    """Return what becomes of every recording rule, but those that read the alerts.

    promtool gives up at the first rule that fails; so that one is taken out with all that read
    it, and the others are evaluated without it.

    Raises:
        ConfigError: promtool is not there, or takes too long.
    """
    own = [rule for rule in rules.recordings if not linked_rules([rule], rules)]
    errors: dict[str, str] = {}
    series: dict[str, int] = {}
    with workers(threads) as pool:
        parts = pool.map(
            lambda part: _evaluated(samples, part, rules, interval), _apart(own, rules, threads)
        )
        for wrong, counted in parts:
            errors |= wrong
            series |= counted
    return RecordingOutcome(errors, series)


def _apart(recordings: Sequence[Rule], rules: RuleSet, threads: int) -> list[list[Rule]]:
    """Return the rules in parts of which none reads another's records."""
    part = {rule.key: {rule.key} for rule in recordings}
    for rule in recordings:
        for fed in rules.feeding([rule]):
            both = part[rule.key] | part[fed.key]
            part.update(dict.fromkeys(both, both))
    sets = {id(keys): keys for keys in part.values()}.values()
    largest = sorted(sets, key=len, reverse=True)
    return [
        [rule for rule in recordings if any(rule.key in keys for keys in hand)]
        for hand in dealt(largest, threads)
    ]


def _evaluated(
    samples: Samples,
    recordings: Sequence[Rule],
    rules: RuleSet,
    interval: float,
    seconds: float | None = None,
) -> tuple[dict[str, str], dict[str, int]]:
    errors: dict[str, str] = {}
    while left := [rule for rule in recordings if rule.key not in errors]:
        job = recording_job(samples, _with_feeding(left, rules), rules, interval)
        places = {_count(job, rule, interval): rule.key for rule in left}
        try:
            answer = run(job, seconds)
        except RuleFailedError as error:
            failed = [rule for rule in left if rule.name == error.rule]
            if not failed:
                raise
            _blame(failed, left, error.reason, errors)
            continue
        except UnfinishedError as error:
            if len(left) == 1:
                _blame(left, left, str(error), errors)
                continue
            wrong, series = _in_halves(samples, left, rules, interval, shorter(seconds))
            return errors | wrong, series
        series = dict.fromkeys((rule.key for rule in left), 0)
        for found in answer.found:
            key = places[found.query]
            series[key] = max(series[key], round(found.value))
        series.update((places[place], MOST_COUNTED + 1) for place in answer.oversized)
        return errors, series
    return errors, {}


def _with_feeding(recordings: Sequence[Rule], rules: RuleSet) -> list[Rule]:
    keys = {rule.key for rule in (*recordings, *rules.feeding(recordings))}
    return [rule for rule in rules.recordings if rule.key in keys]


def _in_halves(
    samples: Samples, left: Sequence[Rule], rules: RuleSet, interval: float, seconds: float
) -> tuple[dict[str, str], dict[str, int]]:
    """Return what becomes of rules that take too long together.

    The first half reads nothing of the second; so what is too slow is known before its readers.
    """
    ordered = sorted(left, key=lambda rule: len(rules.feeding([rule])))
    half = len(ordered) // 2
    errors, series = _evaluated(samples, ordered[:half], rules, interval, seconds)
    _blame([rule for rule in ordered if rule.key in errors], ordered, None, errors)
    rest = [rule for rule in ordered[half:] if rule.key not in errors]
    wrong, more = _evaluated(samples, rest, rules, interval, seconds)
    return errors | wrong, series | more


def _count(job: PromtoolJob, rule: Rule, interval: float) -> int:
    """Ask for the number of series that a rule records."""
    stride = max(1, round(job.end / interval / _MOMENTS))
    steps = range(stride, round(job.end / interval) + 1, stride)
    recorded = series_name("", {"__name__": rule.name, **rule.labels})
    query = f"count(last_over_time({recorded}[{round(stride * interval)}s]))"
    return job.ask(query, [step * interval for step in steps])


def _blame(
    failed: Sequence[Rule], left: Sequence[Rule], reason: str | None, errors: dict[str, str]
) -> None:
    """Add rules that fail, if not yet, and all that read what they would record."""
    if reason is not None:
        errors.update((rule.key, f"cannot be evaluated: {reason}") for rule in failed)
    told = {rule.name: errors[rule.key] for rule in failed}
    while told:
        found: dict[str, str] = {}
        for rule in left:
            read = sorted(name for own in rule.selectors for name in own.names(told))
            if read and rule.key not in errors:
                errors[rule.key] = found[rule.name] = f"reads {read[0]}, which {told[read[0]]}"
        told = found
