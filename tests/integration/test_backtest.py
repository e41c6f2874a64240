"""Backtests against a real Prometheus whose past is a scenario, as blocks of promtool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from tests.integration.conftest import Prometheus as Server
from tests.integration.conftest import started
from tests.integration.past import prometheus_with
from twin.catalog.own import SHADOW_FINDING_RESIDUAL
from twin.cli import app
from twin.clients.prometheus import Prometheus
from twin.errors import CheckFailedError, ConfigError, ServiceError
from twin.rules.backtest import PastOutcome, PastSettings, backtest
from twin.rules.sampling import MetricFamily, Samples, sample
from twin.rules.source import load_rules
from twin.scenario import parse_scenario

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("backtest")]

ORIGIN = 1_777_800_000.0
AGAIN = 1800.0
"""Seconds from the first of two equal incidents to the second; between them Prometheus is down."""
LENGTH = 240.0
END = ORIGIN + AGAIN + LENGTH
SCENARIO = """
title: a pump fails
site: {racks: 1, servers_per_rack: 1, megapacks: {count: 1}, gensets: {count: 0}}
duration: 4m
faults:
  - {kind: pump-failure, target: r0001/pump1, at: 1m, for: 1m}
"""
RULES = """
groups:
  - name: test
    rules:
      - record: pumps:failed:sum
        expr: sum by (rack) (cdu_pump_state{state="failed"})
      - alert: PumpFailed
        expr: cdu_pump_state{state="failed"} == 1
        for: 10s
      - alert: PumpsFailed
        expr: max_over_time(pumps:failed:sum[1m]) > 0
        keep_firing_for: 30s
      - alert: ByTheClock
        expr: >
          cdu_pump_state{state="failed"} == 1 and on () hour() == 9
          and on () vector(time()) > 1.7e9
      - alert: NoPumps
        expr: absent(cdu_pump_state)
      - alert: OfNothing
        expr: nothing_at_all > 0
"""
INCIDENTS = """
incidents:
  - {name: first, from: 2026-05-03T09:21Z, to: 2026-05-03T09:23Z, labels: {rack: r0001},
     alerts: [PumpFailed, PumpsFailed]}
"""


FINDING = {
    SHADOW_FINDING_RESIDUAL.name: MetricFamily(
        [{"cause": "pump has lost head", "target": "r0001/pump1", "rack": "r0001"}],
        np.array([[np.nan] * 13 + [-3.0] * 12 + [np.nan] * 23]),
    )
}
"""What twin shadow found, from 70 s on for a minute."""


def twice(own: Samples) -> Samples:
    """Return a past in which a scenario happens twice, with nothing between."""
    hole = np.full(round((AGAIN - LENGTH) / own.interval), np.nan)
    families = {
        name: MetricFamily(
            family.labels,
            np.array([np.concatenate([row, hole, row]) for row in family.values]),
        )
        for name, family in own.families.items()
    }
    return Samples(own.interval, 2 * own.scrapes + len(hole), families)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a Prometheus with a past."""
    loaded = parse_scenario(SCENARIO, Path("own.yaml"))
    own = sample(loaded, {"cdu_pump_state", "up"})
    samples = twice(replace(own, families={**own.families, **FINDING}))
    with ExitStack() as servers:
        folder = tmp_path_factory.mktemp("past")
        yield started(prometheus_with(folder, samples, ORIGIN), servers)


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    """Return a file of rules."""
    path = tmp_path / "own.rules.yml"
    path.write_text(RULES, encoding="utf-8")
    return path


def fired(outcome: PastOutcome) -> list[tuple[str, float, float | None]]:
    """Return which alerts fired when, in seconds since the start."""
    return [
        (own.labels["alertname"], own.firing - ORIGIN, own.ended and own.ended - ORIGIN)
        for own in outcome.episodes
        if own.firing is not None
    ]


def test_rules_fire_as_they_would_have(past: Server, rule_file: Path) -> None:
    """Each incident fires the same alerts at the same moments, whatever memory may hold at once."""
    rules, source = load_rules([str(rule_file)]), Prometheus(past.url)
    settings = PastSettings(ORIGIN, END)
    whole = backtest(source, rules, settings)
    once = [("ByTheClock", 65.0, 125.0), ("PumpFailed", 75.0, 125.0), ("PumpsFailed", 65.0, 215.0)]
    again = [(name, at + AGAIN, ended + AGAIN) for name, at, ended in once]
    assert sorted(fired(whole)) == sorted([*once, *again])
    assert (whole.step, whole.errors) == (5.0, {})
    assert [(round(gap.start - ORIGIN), round(gap.end - ORIGIN)) for gap in whole.gaps] == [
        (240, 1800)
    ]
    assert whole.left_out == 2  # NoPumps, of which Prometheus would have known nothing
    assert whole.missing == {"nothing_at_all": ["OfNothing"]}
    windows: list[str] = []
    parts = backtest(source, rules, replace(settings, most=3000), windows.append)
    assert len(windows) > 2
    assert fired(parts) == fired(whole)


def test_incidents_decide_the_exit_status(past: Server, rule_file: Path, tmp_path: Path) -> None:
    """Hits pass, a miss fails, and every report says so."""
    incidents, junit = tmp_path / "incidents.yaml", tmp_path / "found.xml"
    incidents.write_text(INCIDENTS, encoding="utf-8")
    command = ["rules", "test", "--history", past.url, "--from", str(ORIGIN), "--to", str(END)]
    command += ["-r", str(rule_file), "--incidents", str(incidents), "--junit", str(junit)]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exception is None, done.output
    told = orjson.loads(done.stdout)
    assert [own["delay_seconds"] for own in told["incidents"]] == [15.0, 5.0]
    assert [own["shadow_delay_seconds"] for own in told["incidents"]] == [10.0, 10.0]
    assert [len(own["firings"]) for own in told["shadow"]] == [2]
    assert {own["alert"]: own["precision"] for own in told["rules"]}["PumpFailed"] == 0.5
    assert ET.parse(junit).getroot()[0].get("failures") == "0"  # noqa: S314 - our own file
    incidents.write_text(INCIDENTS.replace("r0001", "r0002"), encoding="utf-8")
    missed = CliRunner().invoke(app, command)
    assert isinstance(missed.exception, CheckFailedError)
    assert "2 of 2 expected alerts did not fire" in str(missed.exception)
    assert "missed" in missed.output


def test_a_past_that_cannot_be_judged_is_told(past: Server, rule_file: Path) -> None:
    """Nothing there, too much at once, and nobody there are one sentence each."""
    rules, source = load_rules([str(rule_file)]), Prometheus(past.url)
    before = PastSettings(ORIGIN - 90_000, ORIGIN - 86_400)
    with pytest.raises(ConfigError, match="has nothing that these rules read between"):
        backtest(source, rules, before)
    with pytest.raises(ConfigError, match="more than 100 samples"):
        backtest(source, rules, PastSettings(ORIGIN, END, most=100))
    with pytest.raises(ServiceError, match="does not answer"):
        backtest(Prometheus("http://127.0.0.1:9"), rules, PastSettings(ORIGIN, END))
