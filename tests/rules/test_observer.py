"""The observer beside a simulated site: what it says is scraped, and the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.catalog import own
from twin.errors import ConfigError
from twin.rules.kept_samples import scenario_key
from twin.rules.sampling import Samples, sample
from twin.rules.shared_start import SharedStarts
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario

TEXT = """
title: a test
site: {racks: 1, servers_per_rack: 1, megapacks: {count: 1}, gensets: {count: 0}}
duration: 3m
shadow: true
"""
LOST = TEXT + "faults:\n  - {kind: shadow-lost, at: 70s}\n"
WANTED = frozenset({own.SHADOW_REPORT_TIME.name, own.SHADOW_COVERAGE.name})


def loaded(text: str) -> LoadedScenario:
    """Return a scenario."""
    return parse_scenario(text, Path("own.yaml"))


def times(samples: Samples) -> list[float]:
    """Return the times of the reports that each scrape found, NaN where it found none.

    Those of the array and of the site come together.
    """
    array, site = samples.families[own.SHADOW_REPORT_TIME.name].values
    assert np.array_equal(array, site, equal_nan=True)
    return [float(value) for value in array]


def test_reports_are_scraped_block_by_block() -> None:
    """With an observer every block of 30 s has its report, on all relations of the site."""
    samples = sample(loaded(TEXT), WANTED)
    said = [value for value in times(samples) if np.isfinite(value)]
    assert np.unique(np.diff(said)).tolist() == [0.0, 30.0]
    relations = {labels["relation"] for labels in samples.families[own.SHADOW_COVERAGE.name].labels}
    assert {"gpu_temperature", "pump_flow", "supply_input", "it_power"} <= relations


def test_a_site_in_air_is_observed_too() -> None:
    """Where nothing is cooled by liquid, memories and power supplies have their relations."""
    text = TEXT.replace("racks: 1,", "racks: 1, cooling: {medium: air},")
    labels = sample(loaded(text), WANTED).families[own.SHADOW_COVERAGE.name].labels
    relations = {one["relation"] for one in labels}
    assert {"memory_temperature", "supply_input", "pdu_power"} <= relations
    assert "pump_flow" not in relations


def test_without_an_observer_there_is_nothing() -> None:
    """A scenario that does not ask for it has no series of an observer."""
    assert sample(loaded(TEXT.replace("true", "false")), WANTED).families == {}


def test_an_observer_that_is_lost_ends() -> None:
    """Its last report is dropped once no other follows it."""
    said = times(sample(loaded(LOST), WANTED))
    assert np.nanmax(said) == pytest.approx(60.0, abs=30.0)
    assert np.isnan(said[-1])


@pytest.mark.full
def test_a_shared_start_has_its_observer() -> None:
    """A start with an observer gives what a run of its own gives, and none without gets one."""
    starts = SharedStarts()
    for text in (LOST, LOST.replace("shadow-lost", "broker-lost").replace("true", "false"), LOST):
        own_run, shared = sample(loaded(text), WANTED), starts.sample(loaded(text), WANTED)
        assert own_run.families.keys() == shared.families.keys()
        for name, family in own_run.families.items():
            assert np.array_equal(family.values, shared.families[name].values, equal_nan=True)


def test_the_cache_tells_them_apart() -> None:
    """Samples with an observer are kept under another key than those without."""
    assert scenario_key(loaded(TEXT)) != scenario_key(loaded(TEXT.replace("true", "false")))


def test_its_loss_needs_an_observer() -> None:
    """A scenario without an observer cannot lose it."""
    with pytest.raises(ConfigError, match="no observer runs"):
        loaded(LOST.replace("shadow: true\n", ""))
