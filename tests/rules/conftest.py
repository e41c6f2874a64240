"""Results made by hand, and a small site to run real ones on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from twin.rules.engine import Episode
from twin.rules.result import ScenarioResult
from twin.rules.scenario_run import Options
from twin.rules.shipped import write_shipped_rules
from twin.rules.source import RuleSet, load_rules
from twin.rules.suite import check_suite, run_suite
from twin.scenario import find_scenarios, parse_scenario
from twin.scenario.loader import LoadedScenario

SCENARIO = """
title: a pump fails
site: {racks: 1, servers_per_rack: 1, megapacks: {count: 1}, gensets: {count: 0}}
duration: 4m
faults:
  - {kind: pump-failure, target: r0001/pump1, at: 1m, for: 1m}
shows: [cdu_pump_state]
expect:
  fires:
    - {alert: PumpFailed, labels: {pump: "1"}, within: 20s}
  clears:
    - {alert: PumpFailed, within: 10s}
  never: [GpuHot]
  exactly: [PumpFailed]
"""

SUITE_SECONDS = 2700
"""What a test may take that is the first to ask for all scenarios: far beyond what they need beside
other tests on two cores."""

_NICER = 5
"""How much the priority of the suite is below that of other tests."""
RULES = """
groups:
  - name: test
    rules:
      - alert: PumpFailed
        expr: cdu_pump_state{state="failed"} == 1
        for: 10s
      - alert: GpuHot
        expr: DCGM_FI_DEV_GPU_TEMP > 95
"""


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """Return the shipped rules."""
    return load_rules([*map(str, write_shipped_rules(tmp_path_factory.mktemp("shipped")))])


@pytest.fixture(scope="session")
def alertmanager_config() -> Path:
    """Return the shipped configuration of Alertmanager."""
    return Path(__file__).parents[2] / "deploy/alertmanager/alertmanager.yml"


@pytest.fixture(scope="session")
def expected_alerts() -> set[str]:
    """Return the alerts that a scenario expects; tests/deploy/test_mutants.py has the others."""
    expected: set[str] = set()
    for loaded in find_scenarios([]):
        expect = loaded.scenario.expect
        expected |= {own.alert for own in expect.fires} | set(expect.exactly or ())
    return expected


@pytest.fixture(scope="session")
def results(shipped: RuleSet, alertmanager_config: Path) -> list[ScenarioResult]:
    """Return one run of the shipped scenarios with the shipped rules, and with all mutants."""
    scenarios = find_scenarios([])
    check_suite(scenarios, shipped)
    with _after_others():
        return run_suite(scenarios, shipped, Options(alertmanager=alertmanager_config, mutate=True))


@contextmanager
def _after_others() -> Iterator[None]:
    """Let the servers that other tests wait for have the cores first.

    Only where a process may take its priority back: the tests that come after are like any other.
    """
    if os.geteuid() != 0:
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, before + _NICER)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedScenario:
    """Return a short scenario in a file."""
    path = tmp_path / "pump.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return parse_scenario(SCENARIO, path)


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    """Return a file with two rules."""
    path = tmp_path / "rules.yml"
    path.write_text(RULES, encoding="utf-8")
    return path


def firing(results: list[ScenarioResult]) -> Iterator[Episode]:
    """Yield every episode that fired."""
    for result in results:
        for listed in result.episodes.values():
            yield from (own for own in listed if own.firing is not None)


def episode(
    alert: str, pending: float, firing: float | None, ended: float | None, **labels: str
) -> Episode:
    """Return an episode of an alert."""
    return Episode(0, {"alertname": alert, **labels}, pending, firing, ended)
