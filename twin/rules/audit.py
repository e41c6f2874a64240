"""Audit of each rule over all scenarios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from twin.catalog import DEVICES
from twin.rules.attribution import PENDING_BEFORE, owed
from twin.rules.recordings import MOST_COUNTED
from twin.rules.result import ScenarioResult
from twin.rules.silence import held, why_silent
from twin.rules.source import Rule, RuleSet
from twin.rules.unfounded import lacking_in_chain, looks_back, unfounded
from twin.rules.unknown_references import edition_hint, is_off_by_default, is_on_other_sites
from twin.scenario import show_duration

__all__ = ["RecordingFinding", "RuleFinding", "audit", "audit_recordings"]


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """What is known of a rule after a run.

    Attributes:
        rule: the rule.
        detects: scenario to the seconds between its first fault and the first firing.
        misses: scenarios whose faults changed a series that the rule reads, while it was silent,
            with the reason; empty when its expression was never true.
        pending: scenarios in which the expression was true, but never for long enough, with the
            time that it held and the reason.
        noisy: scenario to the number of firings without a fault.
        always: whether it fired all through a quiet scenario.
        unknown: metrics that it names and neither a site nor a known exporter has, with a hint.
        real: metrics that it names and a real exporter has, though no site does, with the exporter.
        unmatched: hints at labels that it wants and no series has, in any scenario.
        off: metrics that it reads and the real exporter has off by default, with the exporter.
        error: why the engine could not evaluate it; empty for none.
        cut: whether it was judged by a few of its series, being noisy for certain.
        untold: why its firings say nothing, where they do not; empty for none.
        back: how far it looks back, where no scenario reaches; empty for none.
    """

    rule: Rule
    detects: dict[str, float]
    misses: dict[str, str]
    pending: dict[str, tuple[float, str]]
    noisy: dict[str, int]
    always: bool
    unknown: dict[str, str]
    real: dict[str, str]
    unmatched: tuple[str, ...]
    off: dict[str, str]
    error: str
    cut: bool = False
    untold: str = ""
    back: str = ""

    @property
    def exercised(self) -> bool:
        """Whether its expression was ever true."""
        return bool(self.detects or self.pending or self.noisy)

    @property
    def told(self) -> bool:
        """Whether there is more to say than that no scenario exercised it."""
        return self.exercised or bool(
            self.misses
            or self.unknown
            or self.real
            or self.unmatched
            or self.error
            or self.untold
            or self.back
        )

    @property
    def good(self) -> bool:
        """Whether there are no findings."""
        return bool(self.detects) and not (self.noisy or self.unknown or self.error)

    @property
    def verdict(self) -> str:
        """The finding in a few words."""
        if self.error:
            return f"cannot be evaluated: {self.error}"
        return (self._noise() or self._detection()) + self._to_switch_on()

    def _noise(self) -> str:
        if self.always:
            return "; ".join(["fires all the time", *self.unmatched])
        count = sum(self.noisy.values())
        where = ", ".join(self.noisy)
        least = "at least " if self.cut else ""
        return (
            f"noisy: fires {least}{count} times while nothing is wrong ({where})" if count else ""
        )

    def _detection(self) -> str:
        if self.detects:
            return f"detects {_listed(self.detects)}{self._silences()}"
        if self.untold:
            return f"cannot be told: {self.untold}"
        if self.pending:
            name, (_, reason) = max(self.pending.items(), key=lambda item: item[1][0])
            return f"never fires: {reason} ({name}){self._missed()}"
        if reasons := [*self._lacking(), *self.unmatched]:
            return f"never evaluates to anything: {'; '.join(reasons)}"
        return f"never true{f': {self.back}' if self.back else ''}{self._missed()}"

    def _lacking(self) -> Iterator[str]:
        if self.unknown:
            hinted = (f"{name} ({hint})" if hint else name for name, hint in self.unknown.items())
            yield f"no known exporter has {', '.join(hinted)}"
        for exporter, names in _by_value(self.real).items():
            for hint, others in _by_value({name: edition_hint(name) for name in names}).items():
                if hint:
                    yield f"of the editions only {hint} has {', '.join(others)}"
            if off := [name for name in names if is_off_by_default(name)]:
                yield f"{exporter} has {', '.join(off)} off by default: {_SWITCH_ON}"
            rest = [n for n in names if not (edition_hint(n) or is_off_by_default(n))]
            if elsewhere := [name for name in rest if is_on_other_sites(name)]:
                yield f"no site of these has {', '.join(elsewhere)} of {exporter}"
            if missing := [name for name in rest if name not in elsewhere]:
                yield f"{exporter} has {', '.join(missing)}, the twin does not yet"

    def _silences(self) -> str:
        return "".join(
            f"; silent in {', '.join(names)} ({reason or 'never true'})"
            for reason, names in _by_value(self.misses).items()
        )

    def _missed(self) -> str:
        return f"; misses {', '.join(self.misses)}" if self.misses else ""

    def _to_switch_on(self) -> str:
        return "".join(
            f"; {exporter} has {', '.join(metrics)} off by default"
            for exporter, metrics in _by_value(self.off).items()
        )


_SHOWN = 4
_SWITCH_ON = "list it in a counters file, and give that with --counters"
_OFF = {
    signal.metric: signal.family.job
    for device in DEVICES
    for signal in device.signals
    if signal.extra and signal.family.job in ("dcgm-exporter", "node-exporter")
}
"""Metrics that an exporter does not export as it comes, with the exporter."""


def _by_value(own: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the keys of each value."""
    found: dict[str, list[str]] = {}
    for key, value in own.items():
        found.setdefault(value, []).append(key)
    return found


def _listed(detects: dict[str, float]) -> str:
    first = sorted(detects.items(), key=lambda item: item[1])
    shown = [f"{name} after {show_duration(seconds)}" for name, seconds in first[:_SHOWN]]
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return ", ".join(shown) + more


def audit(rules: RuleSet, results: Sequence[ScenarioResult]) -> list[RuleFinding]:
    """Return the finding on every alerting rule."""
    return [_finding(rule, rules, results) for rule in rules.alerts]


def _finding(rule: Rule, rules: RuleSet, results: Sequence[ScenarioResult]) -> RuleFinding:
    detects: dict[str, float] = {}
    pending: dict[str, tuple[float, str]] = {}
    noisy: dict[str, int] = {}
    misses: dict[str, str] = {}
    always, untold = False, ""
    longest = max((result.duration for result in results), default=0.0)
    parts = [rule, *rules.feeding([rule])]
    read = {own.name for part in parts for own in part.selectors if own.name is not None}
    for result in results:
        firings = result.firings(rule.key)
        began = result.began if not result.quiet else result.duration
        if any(own.pending < began for own in firings) and (
            why := unfounded(rule, rules, result.lacking, result.unmatched, result.duration)
        ):
            untold = why
            continue
        if result.quiet:
            if firings:
                noisy[result.name] = len(firings)
                first = min(own.firing for own in firings if own.firing is not None)
                late = 0.1 * result.duration + rule.lasts
                always |= first < late and any(own.ended is None for own in firings)
            continue
        early = [own for own in firings if own.firing is not None and own.firing < began]
        if early:
            # What fires before the fault says nothing about it.
            noisy[result.name] = len(early)
            continue
        episodes = result.episodes.get(rule.key, ())
        after = [own.firing for own in firings if own.firing and owed(own, episodes, began)]
        if after:
            detects[result.name] = min(after) - began
            continue
        if firings:
            untold = PENDING_BEFORE
            continue
        reason = ""
        if episodes:
            own_held = held(rule, episodes, result.duration)
            reason = why_silent(rule, own_held, (own.ends - own.at for own in result.struck))
            pending[result.name] = (own_held.together, reason)
        if rule.key in result.affected:
            misses[result.name] = reason
    lacking = [lacking_in_chain(rule, rules, result.lacking) for result in results]
    return RuleFinding(
        rule,
        detects,
        misses,
        pending,
        noisy,
        always,
        _nowhere([own.unknown for own in lacking]),
        _nowhere([own.real for own in lacking]),
        _unmatched(parts, results),
        {name: _OFF[name] for name in sorted(read & _OFF.keys())},
        next((own.errors[rule.key] for own in results if rule.key in own.errors), ""),
        any(rule.key in own.cut for own in results),
        untold,
        "" if not results else looks_back(rule.expr, longest),
    )


@dataclass(frozen=True, slots=True)
class RecordingFinding:
    """What is known of one recording rule.

    Attributes:
        rule: the rule.
        error: why the engine cannot evaluate it; empty if it can.
        most: series that it gives at a time.
    """

    rule: Rule
    error: str
    most: int

    @property
    def verdict(self) -> str:
        """The finding in a few words."""
        if self.error or not self.most:
            return self.error or "records nothing"
        count = f"more than {MOST_COUNTED:,}" if self.most > MOST_COUNTED else f"{self.most:,}"
        return f"records {count} series"


def audit_recordings(rules: RuleSet, results: Sequence[ScenarioResult]) -> list[RecordingFinding]:
    """Return the finding on every recording rule."""
    return [
        RecordingFinding(
            rule,
            next((own.errors[rule.key] for own in results if rule.key in own.errors), ""),
            max((own.recorded.get(rule.key, 0) for own in results), default=0),
        )
        for rule in rules.recordings
    ]


def _nowhere(lacking: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the metrics that are lacking on the site of every scenario."""
    first, *others = lacking or [{}]
    return {name: text for name, text in first.items() if all(name in own for own in others)}


def _unmatched(parts: Sequence[Rule], results: Sequence[ScenarioResult]) -> tuple[str, ...]:
    """Return hints at what a rule, or one that it reads, selects and found in no scenario."""
    hints: list[str] = []
    for part in parts:
        first, *others = [result.unmatched.get(part.key, {}) for result in results] or [{}]
        hints += [hint for text, hint in first.items() if all(text in own for own in others)]
    return tuple(dict.fromkeys(hints))
