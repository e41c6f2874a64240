"""Judge: the episodes of alerts that were ever true, as promtool evaluates their rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from twin.rules.jobs import ALERTS, Candidate, dealt, fed_by, grouped, job_for, linked
from twin.rules.promtool import Found, RuleFailedError, UnfinishedError, run, shorter
from twin.rules.promtool_series import series_name
from twin.rules.rule_yaml import Value, labels_of, scalar, with_labels
from twin.rules.sampling import Samples
from twin.rules.source import Rule, RuleSet

__all__ = ["TEMPLATE", "Episode", "judged"]

TEMPLATE = "{{"
"""What a label with a template has in it."""
_MARK = "twin_rule"
"""Label by which a firing alert is traced to its rule, where another has the same name."""
_WORD = re.compile(r"\w+")
_TOO_MANY = (
    "it is true of so many series that its alerts are more than the 10,000 samples that promtool "
    "allows a query; aggregate in the rule, or take a smaller slice of the site"
)


@dataclass(frozen=True, slots=True)
class Episode:
    """One time that an instance of an alert was pending, and perhaps fired.

    Attributes:
        candidate: index of the candidate.
        labels: of the alert, ``alertname`` among them.
        pending: when its expression became true.
        firing: when it fired; None when the expression did not hold for long enough.
        ended: when it was over; None at the end of the scenario.
    """

    candidate: int
    labels: Mapping[str, str]
    pending: float
    firing: float | None
    ended: float | None

    def moved(self, move: Callable[[float], float]) -> Episode:
        """Return it with other moments."""
        firing, ended = (None if at is None else move(at) for at in (self.firing, self.ended))
        return replace(self, pending=move(self.pending), firing=firing, ended=ended)


def judged(
    samples: Samples,
    candidates: Sequence[Candidate],
    chosen: Sequence[int],
    rules: RuleSet,
    interval: float,
    asked: Mapping[int, Sequence[int]],
    seconds: float | None = None,
) -> tuple[list[Episode], dict[int, str]]:
    """Return the episodes of these candidates, and why some could not be evaluated.

    promtool gives up at the first rule that fails; so that one is taken out, and the others
    are judged without it. What takes too long is judged in smaller parts.
    """
    try:
        episodes, oversized = _judge(samples, candidates, chosen, rules, interval, asked, seconds)
    except UnfinishedError as error:
        alone = [i for i in chosen if not linked([candidates[i]], rules)]
        if len(chosen) == 1 or not alone:
            return [], dict.fromkeys(chosen, str(error))
        # What reads the alerts needs them all, and cannot be judged if one is too slow.
        parts = dealt(alone, 2) if len(alone) == len(chosen) else [alone]
        wrong = {index: str(error) for index in chosen if index not in alone}
        return _in_parts(
            samples, candidates, parts, rules, interval, asked, wrong, shorter(seconds)
        )
    except RuleFailedError as error:
        failed = [index for index in chosen if candidates[index].rule.name == error.rule]
        if not failed:
            return _without(samples, candidates, chosen, rules, interval, asked, error)
        if len(failed) == 1 or linked(candidates, rules):
            wrong = dict.fromkeys(failed, error.reason)
            parts = [[index for index in chosen if index not in wrong]]
        else:
            # A rule and its variants have one name; which of them fails is not told.
            wrong = {}
            parts = [[index for index in chosen if index not in failed], *([i] for i in failed)]
        return _in_parts(samples, candidates, parts, rules, interval, asked, wrong, seconds)
    return episodes, dict.fromkeys(oversized, _TOO_MANY)


def _in_parts(
    samples: Samples,
    candidates: Sequence[Candidate],
    parts: Sequence[Sequence[int]],
    rules: RuleSet,
    interval: float,
    asked: Mapping[int, Sequence[int]],
    wrong: Mapping[int, str],
    seconds: float | None,
) -> tuple[list[Episode], dict[int, str]]:
    """Return what is found part by part, and why some could not be evaluated, ``wrong`` too."""
    found: list[Episode] = []
    errors = dict(wrong)
    for part in filter(None, parts):
        own, also_wrong = judged(samples, candidates, part, rules, interval, asked, seconds)
        found += own
        errors |= also_wrong
    return found, errors


def _without(
    samples: Samples,
    candidates: Sequence[Candidate],
    chosen: Sequence[int],
    rules: RuleSet,
    interval: float,
    asked: Mapping[int, Sequence[int]],
    error: RuleFailedError,
) -> tuple[list[Episode], dict[int, str]]:
    """Return what is found without a failing recording that reads the alerts."""
    failed = [rule for rule in rules.recordings if rule.name == error.rule]
    if not failed:
        raise error
    keys = {rule.key for rule in failed}
    text = f"it reads {error.rule}, which cannot be evaluated: {error.reason}"
    wrong = {
        index: text
        for index in chosen
        if any(rule.key in keys for rule in rules.feeding([candidates[index].as_read]))
    }
    rest = [index for index in chosen if index not in wrong]
    left = rules.without(keys)
    if not rest:
        return [], wrong
    found, also_wrong = judged(samples, candidates, rest, left, interval, asked)
    return found, wrong | also_wrong


def _judge(
    samples: Samples,
    candidates: Sequence[Candidate],
    chosen: Sequence[int],
    rules: RuleSet,
    interval: float,
    asked: Mapping[int, Sequence[int]],
    seconds: float | None,
) -> tuple[list[Episode], set[int]]:
    """Return the episodes of these candidates, and those with too many of them to be told."""
    own = [candidates[index] for index in chosen]
    job = job_for(samples, own, rules, interval)
    job.end = max(interval, interval * max(asked[index][-1] for index in chosen))
    recordings = fed_by(own, rules)
    taken = None if linked(own, rules) else _label_names(samples, own, recordings)
    names = [candidate.rule.name for candidate in own]
    members = [(rule, rule.body) for rule in recordings]
    constant: dict[int, dict[str, str]] = {}
    found_by: dict[str, int] = {}
    for index, candidate in zip(chosen, own, strict=True):
        constant[index] = {} if taken is None else _constant(candidate.body, taken)
        mark = {"alertname": candidate.rule.name}
        body = _lean(candidate.body, constant[index])
        if names.count(candidate.rule.name) > 1:
            mark = {_MARK: str(index)}
            body = with_labels(body, {**labels_of(body), **mark})
        members.append((candidate.rule, body))
        found_by[series_name(ALERTS, mark)] = index
    job.groups = grouped(members, rules)
    # A query for each, since the engine's limit of samples is one of a query.
    places = {
        job.ask(_change(now, interval), [step * interval for step in asked[index]]): index
        for now, index in found_by.items()
    }
    answer = run(job, seconds)
    episodes = [
        replace(
            own.moved(_evaluated(candidates[own.candidate].rule.offset, interval)),
            labels=dict(sorted({**own.labels, **constant[own.candidate]}.items())),
        )
        for own in _episodes(answer.found, places)
    ]
    return episodes, {places[place] for place in answer.oversized}


def _evaluated(offset: float, interval: float) -> Callable[[float], float]:
    """Return a function from the time of a sample of ALERTS to when it was evaluated.

    Prometheus dates such a sample back by the ``query_offset`` of its group (``rules/group.go``).
    """
    return lambda at: (at + offset) // interval * interval if offset else at


def _lean(body: Mapping[str, Value], constant: Collection[str]) -> dict[str, Value]:
    """Return a rule without what promtool expands for every instance and no verdict needs."""
    lean = {key: value for key, value in body.items() if key != "annotations"}
    if not constant:
        return lean
    return with_labels(lean, {k: v for k, v in labels_of(body).items() if k not in constant})


def _constant(body: Mapping[str, Value], taken: Collection[str]) -> dict[str, str]:
    """Return the labels that all instances share and that only the rule sets."""
    labels = {name: scalar(value) for name, value in labels_of(body).items()}
    return {
        name: value
        for name, value in labels.items()
        if value and TEMPLATE not in value and name not in taken and not name.startswith("alert")
    }


def _label_names(
    samples: Samples, candidates: Sequence[Candidate], recordings: Sequence[Rule]
) -> set[str]:
    """Return every label name that a result of these expressions could have, and more."""
    names = {name for family in samples.families.values() for own in family.labels for name in own}
    for expr in (*(own.expr for own in candidates), *(own.expr for own in recordings)):
        names.update(_WORD.findall(expr))
    return names.union(*(own.labels for own in recordings))


def _change(now: str, interval: float) -> str:
    """Return a query for what is pending or firing of a candidate, or has just ceased to be."""
    before = f"{now} offset {round(interval)}s"
    return f"({now} unless {before}) or 0 * ({before} unless {now})"


def _episodes(found: Sequence[Found], places: Mapping[int, int]) -> list[Episode]:
    """Return the episodes that the beginnings and ends of ALERTS series make."""
    open_: dict[tuple[tuple[str, str], ...], Episode] = {}
    done: list[Episode] = []
    now = 0.0
    # An end comes before a beginning of the same moment: pending ends when firing begins.
    for sample in sorted(found, key=lambda own: (own.at, own.value)):
        if sample.at > now:
            now = sample.at
            over = [key for key, own in open_.items() if own.ended is not None]
            done.extend(open_.pop(key) for key in over)
        labels = {k: v for k, v in sample.labels.items() if k != "__name__"}
        state, index = labels.pop("alertstate"), places[sample.query]
        labels.pop(_MARK, None)
        key = (("", str(index)), *sorted(labels.items()))
        episode = open_.get(key)
        if sample.value > 0:
            firing = sample.at if state == "firing" else None
            if episode is None:
                open_[key] = Episode(index, labels, sample.at, firing, None)
            else:
                open_[key] = replace(episode, firing=firing, ended=None)
        elif episode is not None:
            # The next sample of the same moment shows whether it keeps firing.
            open_[key] = replace(episode, ended=sample.at)
    return [*done, *open_.values()]
