"""Suite: scenarios one after another or side by side, and what is checked before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from itertools import chain, islice
from multiprocessing import active_children, get_context

from twin.errors import ConfigError
from twin.rules.kept_samples import cacheable, is_kept
from twin.rules.processes import ended_in_order, prepare, single_threaded
from twin.rules.promtool import workers
from twin.rules.result import ScenarioResult
from twin.rules.sampling import known_metrics
from twin.rules.scenario_run import Options, run_scenario, wanted_metrics
from twin.rules.shared_start import SharedStarts
from twin.rules.source import RuleSet
from twin.rules.verdict import check_names
from twin.scenario import load_scenario
from twin.scenario.loader import LoadedScenario, shipped_scenarios

__all__ = ["check_suite", "is_foreign", "run_suite"]

_starts = SharedStarts()
"""Of this process, which is one of a pool."""


def is_foreign(rules: RuleSet) -> bool:
    """Return whether an alert is missing that a shipped scenario expects."""
    names = {rule.name for rule in rules.alerts}
    return any(
        name not in names
        for scenario in shipped_scenarios().values()
        for _, name in scenario.expect.alerts()
    )


def check_suite(scenarios: Sequence[LoadedScenario], rules: RuleSet) -> None:
    """Refuse scenarios that cannot be judged.

    Raises:
        ConfigError: with file and line of the first.
    """
    known = [rule.name for rule in rules.alerts]
    for loaded in scenarios:
        check_names(loaded, known)
        metrics = known_metrics(loaded.layout)
        for index, name in enumerate(loaded.scenario.shows):
            if name not in metrics:
                place = loaded.place("shows", index)
                raise ConfigError(f"{place}: site {loaded.layout.site.name} has no metric {name!r}")


def run_suite(
    scenarios: Sequence[LoadedScenario],
    rules: RuleSet,
    options: Options,
    progress: Callable[[ScenarioResult], None] = lambda _: None,
) -> list[ScenarioResult]:
    """Return what happened in every scenario, in their order.

    Args:
        scenarios: to run.
        rules: to test.
        options: of the run.
        progress: called with each result as it comes.

    Raises:
        ConfigError: promtool is not there, or cannot evaluate a recording rule.
    """
    # Long ones first, so that none is left over at the end.
    ordered = sorted(scenarios, key=_size, reverse=True)
    if options.mutate:
        # Most mutants are noticed by any scenario, and the shortest ones do it for the least.
        ordered = [*ordered[-options.processes :], *ordered[: -options.processes]]
    kept = [loaded for loaded in ordered if _is_kept(loaded, rules, options)]
    paths = {loaded.path for loaded in kept}
    rest = [loaded for loaded in ordered if loaded.path not in paths]
    alone = len(rest) == 1 or options.processes == 1
    found: dict[str, ScenarioResult] = {}
    with ended_in_order():
        # A process of its own takes longer to start than most of what is kept takes to judge.
        for result in chain(
            _from_cache(kept, rules, options),
            (_in_turn if alone else _side_by_side)(rest, rules, options),
        ):
            found[result.file] = result
            progress(result)
    return [found[str(loaded.path)] for loaded in scenarios]


def _is_kept(loaded: LoadedScenario, rules: RuleSet, options: Options) -> bool:
    """Return whether a scenario need not be simulated."""
    cache = options.cache
    if cache is None or options.mutate or not cacheable():
        return False
    sites = [loaded, loaded.exporting(options.mixed)] if options.mixed else [loaded]
    return all(
        is_kept(own, wanted_metrics(rules, known_metrics(own.layout)), cache) for own in sites
    )


def _from_cache(
    scenarios: Sequence[LoadedScenario], rules: RuleSet, options: Options
) -> Iterator[ScenarioResult]:
    """Yield the results of scenarios that are evaluated only, which promtool does for the most."""
    at_a_time = max(1, min(options.processes, len(scenarios)))
    threads = -(-options.processes // at_a_time)
    with workers(at_a_time) as pool:
        yield from pool.map(lambda loaded: run_scenario(loaded, rules, options, threads), scenarios)


def _in_turn(
    scenarios: Sequence[LoadedScenario], rules: RuleSet, options: Options
) -> Iterator[ScenarioResult]:
    for loaded in scenarios:
        result = run_scenario(loaded, rules, options, options.processes)
        options = _learnt(options, result)
        yield result


def _side_by_side(
    scenarios: Sequence[LoadedScenario], rules: RuleSet, options: Options
) -> Iterator[ScenarioResult]:
    waiting = iter(scenarios)
    with (
        single_threaded(),
        ProcessPoolExecutor(
            options.processes, mp_context=get_context("spawn"), initializer=prepare
        ) as pool,
    ):

        def start(count: int) -> set[Future[ScenarioResult]]:
            return {
                pool.submit(_run_path, str(loaded.path), rules, options)
                for loaded in islice(waiting, count)
            }

        # One at a time is given away, so that it knows what the ones before it noticed.
        running = start(options.processes)
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for own in done:
                    result = own.result()
                    options = _learnt(options, result)
                    running |= start(1)
                    yield result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # The work that the others have begun is useless.
            for process in active_children():
                process.terminate()
            raise


def _learnt(options: Options, result: ScenarioResult) -> Options:
    return replace(options, noticed=options.noticed | result.killed)


def _size(loaded: LoadedScenario) -> float:
    return loaded.scenario.duration / loaded.scenario.step * loaded.layout.site.racks


def _run_path(path: str, rules: RuleSet, options: Options) -> ScenarioResult:
    loaded = load_scenario(path).exporting(options.exporters, options.counters)
    return run_scenario(loaded, rules, options, live=_starts.sample)
