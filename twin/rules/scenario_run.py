"""Run of one scenario: simulated, sampled, judged by promtool, compared with what it expects."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twin.content_cache import Cache, digest
from twin.rules.alertmanager import told_by
from twin.rules.charts import panels_of
from twin.rules.engine import EngineOutcome, Episode
from twin.rules.explain import reasons
from twin.rules.fault_effects import rules_affected
from twin.rules.jobs import Candidate
from twin.rules.kept_outcomes import OutcomeCache, kept_outcome
from twin.rules.kept_samples import Live, cacheable, kept_sample, scenario_key
from twin.rules.mixed_fleet import mixed
from twin.rules.mutation import Mutant, killed, mutants
from twin.rules.result import Check, CheckStatus, ScenarioResult, Struck, SweepPoint
from twin.rules.sampling import Samples, known_metrics
from twin.rules.source import Rule, RuleSet
from twin.rules.unfounded import unfounded
from twin.rules.unknown_references import lacking_metrics, unmatched
from twin.rules.verdict import judge
from twin.scenario import show_duration
from twin.scenario.loader import LoadedScenario

__all__ = ["Options", "run_scenario", "wanted_metrics"]


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted of a run.

    Attributes:
        foreign: whether the rules are not those that the shipped scenarios are for.
        report: whether the signals behind the alerts are wanted.
        sweep: other values of ``for`` to try, in seconds.
        mutate: whether every rule is broken on purpose, to see whether a check notices.
        noticed: keys of the mutants that another scenario has noticed already; they are not
            tried again.
        alertmanager: a configuration by which alerts are to be inhibited; None for none.
        jobs: processes at a time; None for one a core.
        cache: where samples and outcomes are kept; None for nowhere.
        exporters: settings of their editions, as ``dcgm=4.9.0``.
        counters: text of a counters file; empty for that of the site.
        mixed: settings of the editions that every other host has; none where all are alike.
    """

    foreign: bool = False
    report: bool = False
    sweep: tuple[float, ...] = ()
    mutate: bool = False
    noticed: frozenset[str] = frozenset()
    alertmanager: Path | None = None
    jobs: int | None = None
    cache: Cache | None = None
    exporters: tuple[str, ...] = ()
    counters: str = ""
    mixed: tuple[str, ...] = ()

    @property
    def processes(self) -> int:
        """Processes at a time."""
        return self.jobs or os.cpu_count() or 1


def run_scenario(
    loaded: LoadedScenario,
    rules: RuleSet,
    options: Options,
    threads: int = 1,
    live: Live | None = None,
) -> ScenarioResult:
    """Return what happens in one scenario.

    Args:
        loaded: the scenario.
        rules: to test.
        options: of the run.
        threads: promtools at a time.
        live: see :func:`twin.rules.kept_samples.kept_sample`.

    Raises:
        ConfigError: promtool is not there, or cannot evaluate a recording rule.
    """
    began = time.perf_counter()
    cache = options.cache if cacheable() else None
    samples, metrics = _sampled(loaded, rules, options, cache, live)
    alerts = rules.alerts
    variants = [
        Candidate(rule, {**rule.body, "for": show_duration(lasts)})
        for lasts in options.sweep
        for rule in alerts
    ]
    broken = _broken(loaded, rules, options) if options.mutate else []
    as_they_are = [*(Candidate(rule, rule.body) for rule in alerts), *variants]
    candidates = [*as_they_are, *(mutant.candidate for mutant in broken)]
    calm = _calm(loaded, alerts, options)
    outcome = kept_outcome(
        samples,
        candidates,
        rules,
        loaded.scenario.evaluate,
        threads,
        calm,
        # Mutants are many, and each is tried until one scenario notices it.
        None if options.mutate or cache is None else OutcomeCache(cache, _key(loaded, options)),
    )
    # A mutant that the engine refuses proves nothing.
    evaluated = {
        index: mutant
        for index, mutant in enumerate(broken, start=len(as_they_are))
        if index not in outcome.errors
    }
    own = [episode for episode in outcome.episodes if episode.candidate < len(alerts)]
    healthy = rules.without(outcome.failed)
    told = None
    if options.alertmanager is not None:
        told = told_by(options.alertmanager, own, loaded.scenario.duration)
    errors = {alerts[i].name: text for i, text in outcome.errors.items() if i < len(alerts)}
    lacking, hints = lacking_metrics(rules, metrics), unmatched(samples, rules)
    expected = {name for _, name in loaded.scenario.expect.alerts()}
    untold = {
        index
        for index in {episode.candidate for episode in own}
        if alerts[index].name not in expected
        and unfounded(alerts[index], rules, lacking, hints, loaded.scenario.duration)
    }
    told_apart = [episode for episode in own if episode.candidate not in untold]
    checks = [
        _unless_broken(_explained(check, loaded, samples, healthy, own), errors)
        for check in judge(
            loaded, told_apart, [rule.name for rule in alerts], told, foreign=options.foreign
        )
    ]
    checks += [
        _refused(rule, outcome.failed[rule.key])
        for rule in rules.recordings
        if rule.key in outcome.failed
    ]
    checks += [_refused(alerts[i], text) for i, text in outcome.errors.items() if i < len(alerts)]
    result = _result(loaded, rules, outcome, own, checks)
    if options.report:
        result = replace(result, panels=panels_of(result, samples, healthy, outcome.cut))
    return replace(
        result,
        lacking=lacking,
        unmatched=hints,
        affected=rules_affected(samples, rules, loaded.scenario.shows, result.began),
        sweep=_swept(result, outcome, as_they_are, len(alerts)),
        killed=killed(loaded, evaluated, outcome.episodes, checks, rules),
        told=told,
        seconds=time.perf_counter() - began,
    )


def _sampled(
    loaded: LoadedScenario,
    rules: RuleSet,
    options: Options,
    cache: Cache | None,
    live: Live | None,
) -> tuple[Samples, frozenset[str]]:
    """Return what is scraped for these rules, and all metrics that the site has."""
    metrics = known_metrics(loaded.layout)
    samples = kept_sample(loaded, wanted_metrics(rules, metrics), cache, live)
    if not options.mixed:
        return samples, metrics
    other = loaded.exporting(options.mixed)
    others = known_metrics(other.layout)
    return mixed(
        samples, kept_sample(other, wanted_metrics(rules, others), cache, live)
    ), metrics | others


def _key(loaded: LoadedScenario, options: Options) -> str:
    """Return the key of what a scenario gives, on a mixed fleet where one is wanted."""
    if not options.mixed:
        return scenario_key(loaded)
    return digest(scenario_key(loaded), scenario_key(loaded.exporting(options.mixed)))


def _calm(loaded: LoadedScenario, alerts: Sequence[Rule], options: Options) -> dict[int, float]:
    """Return until when each firing of an alert is one too many, by the alert's index.

    Not of an alert that is expected, and not where all that fires is wanted.
    """
    scenario = loaded.scenario
    if options.sweep or options.mutate or options.alertmanager:
        return {}
    if scenario.expect.fires and not scenario.faults:
        return {}
    end = scenario.faults[0].at if scenario.faults else scenario.duration
    expected = {name for _, name in scenario.expect.alerts()}
    return {index: end for index, rule in enumerate(alerts) if rule.name not in expected}


def _refused(rule: Rule, reason: str) -> Check:
    """Return the failed check of a rule that the engine cannot evaluate: it will never fire."""
    text = f"{rule.name} can be evaluated"
    detail = reason.removeprefix("cannot be evaluated: ")
    return Check("evaluates", text, CheckStatus.FAILED, detail, rule.place, rule.name)


def _unless_broken(check: Check, errors: Mapping[str, str]) -> Check:
    """Return the check, failed if its rule could not be evaluated: its silence is then no proof."""
    broken = (
        sorted(errors) if check.kind == "exactly" else [own for own in errors if own == check.alert]
    )
    if check.status is not CheckStatus.PASSED or not broken:
        return check
    name = broken[0]
    detail = f"the rule {name} could not be evaluated: {errors[name]}"
    return replace(check, status=CheckStatus.FAILED, detail=detail)


def _broken(loaded: LoadedScenario, rules: RuleSet, options: Options) -> list[Mutant]:
    """Return the mutants that this scenario is to notice."""
    return [
        own for own in mutants(rules) if own.shows_in(loaded) and own.key not in options.noticed
    ]


def wanted_metrics(rules: RuleSet, metrics: frozenset[str]) -> frozenset[str]:
    """Return the metrics that these rules read."""
    read = {name for rule in rules.rules for own in rule.selectors for name in own.names(metrics)}
    return frozenset(read)


def _result(
    loaded: LoadedScenario,
    rules: RuleSet,
    outcome: EngineOutcome,
    own: Sequence[Episode],
    checks: Sequence[Check],
) -> ScenarioResult:
    alerts, scenario = rules.alerts, loaded.scenario
    episodes: dict[str, list[Episode]] = {}
    for episode in own:
        episodes.setdefault(alerts[episode.candidate].key, []).append(episode)
    return ScenarioResult(
        name=loaded.name,
        title=scenario.title,
        file=str(loaded.path),
        duration=scenario.duration,
        evaluate=scenario.evaluate,
        struck=[
            Struck(
                event.kind,
                loaded.target(event),
                event.at,
                loaded.ends(event),
            )
            for event in scenario.faults
        ],
        shows=scenario.shows,
        checks=checks,
        episodes=episodes,
        true=frozenset(alerts[index].key for index in outcome.true if index < len(alerts)),
        errors={
            **outcome.failed,
            **{alerts[i].key: text for i, text in outcome.errors.items() if i < len(alerts)},
        },
        recorded=outcome.recorded,
        cut=frozenset(alerts[index].key for index in outcome.cut),
    )


def _explained(
    check: Check,
    loaded: LoadedScenario,
    samples: Samples,
    rules: RuleSet,
    episodes: Sequence[Episode],
) -> Check:
    """Return a check with the reasons for its miss, if it is one."""
    if check.kind != "fires" or check.status is not CheckStatus.FAILED or check.fired is not None:
        return check
    scenario = loaded.scenario
    match = next(own for own in scenario.expect.fires if own.alert == check.alert)
    began = scenario.faults[match.after - 1].at if scenario.faults else 0.0
    own = [e for e in episodes if match.matches(e.labels)]
    told: list[str] = []
    spans = [loaded.ends(event) - event.at for event in scenario.faults]
    for rule in rules.named(check.alert):
        window = (began, scenario.duration)
        told += reasons(samples, rule, rules, scenario.evaluate, own, window, spans)
    return replace(check, reasons=told)


def _swept(
    result: ScenarioResult, outcome: EngineOutcome, candidates: Sequence[Candidate], alerts: int
) -> list[SweepPoint]:
    """Return what the alerts would have done with other values of ``for``."""
    firings: dict[int, list[float]] = {}
    for episode in outcome.episodes:
        if alerts <= episode.candidate < len(candidates) and episode.firing is not None:
            firings.setdefault(episode.candidate, []).append(episode.firing)
    first = min((fault.at for fault in result.struck), default=None)
    points = []
    for index in range(alerts, len(candidates)):
        if index not in outcome.true:
            continue
        fired = firings.get(index, [])
        after = [at for at in fired if first is not None and at > first]
        candidate = candidates[index]
        points.append(
            SweepPoint(
                candidate.rule.key,
                candidate.lasts,
                min(after) - first if after and first is not None else None,
                len(fired) - len(after),
            )
        )
    return points
