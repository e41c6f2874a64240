"""Scenarios that begin in the same way give what they give when each is lived through alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from twin.errors import ConfigError
from twin.rules import shared_start
from twin.rules.sampling import Samples, Sampling, known_metrics, sample
from twin.rules.shared_start import SharedStarts
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario

TEXT = """
title: a test
site: {racks: 1, servers_per_rack: 1, megapacks: {count: 1}, gensets: {count: 0}}
duration: 1m
scrape: 10s
evaluate: 10s
faults:
"""
FAULTS = {
    "gone": "  - {kind: gpu-off-bus, target: r0001/n1/gpu3, at: 37s, for: 10s}\n",
    "lost": "  - {kind: emulator-lost, at: 35s, for: 10s}\n",
    "lossy": "  - {kind: frames-lost, target: r0001, at: 45s, for: 20s, set: {share: 0.5}}\n",
    "early": "  - {kind: pump-failure, target: r0001/pump1, at: 8s, for: 10s}\n",
    "late": "  - {kind: emulator-lost, at: 75s, for: 5s}\n",
    "longer": "  - {kind: pump-failure, target: r0001/pump1, at: 40s, for: 30s}\n",
}


def scenario(name: str, racks: int = 1) -> LoadedScenario:
    """Return one of the scenarios, which are alike but for their faults."""
    text = TEXT.replace("1m", "80s") if name in {"late", "longer"} else TEXT
    text = text.replace("racks: 1", f"racks: {racks}") + FAULTS[name]
    return parse_scenario(text, Path("own.yaml"))


def same(one: Samples, other: Samples) -> bool:
    """Return whether two scenarios gave the same series with the same values."""
    return (one.interval, one.scrapes) == (other.interval, other.scrapes) and all(
        list(family.labels) == list(other.families[name].labels)
        and np.array_equal(family.values, other.families[name].values, equal_nan=True)
        for name, family in {**other.families, **one.families}.items()
    )


@pytest.mark.full
def test_samples_are_the_same_bit_for_bit() -> None:
    """Whatever goes wrong, and however long it takes, a shared start changes no value."""
    starts = SharedStarts()
    for name in FAULTS:
        loaded = scenario(name)
        known = known_metrics(loaded.layout)
        assert same(starts.sample(loaded, known), sample(loaded, known)), name


def test_a_start_is_lived_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenarios of the same site go on from the same start, of another site from another."""
    begun = []

    class Counted(Sampling):
        def __init__(self, loaded: LoadedScenario, wanted: frozenset[str]) -> None:
            begun.append(loaded.layout.site.racks)
            super().__init__(loaded, wanted)

    monkeypatch.setattr(shared_start, "Sampling", Counted)
    starts, wanted = SharedStarts(), frozenset({"up"})
    for racks in (1, 2):
        for name in ("lost", "gone", "longer"):
            starts.sample(scenario(name, racks), wanted)
    assert begun == [1, 2]


def test_a_late_fault_takes_no_start_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start is not taken on to a fault that comes much later, which has one of its own."""
    begun = []

    class Counted(Sampling):
        def advance(self, until: float | None = None) -> None:
            begun.append(until)
            super().advance(until)

    monkeypatch.setattr(shared_start, "Sampling", Counted)
    starts, wanted = SharedStarts(), frozenset({"up"})
    for name in ("lost", "late", "gone", "late", "longer"):
        starts.sample(scenario(name), wanted)
    assert begun == [30, 70]


def test_what_goes_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario that needs services is refused as ever, and a process that is ended is named."""
    starts, wanted = SharedStarts(), frozenset({"up"})
    starts.sample(scenario("lost"), wanted)
    chaos = parse_scenario(
        TEXT + "  - {kind: service-kill, target: broker, at: 40s, for: 10s}\n", Path("own.yaml")
    )
    with pytest.raises(ConfigError, match=r"own\.yaml:8: service-kill is done to a service"):
        starts.sample(chaos, wanted)
    monkeypatch.setattr(Sampling, "follow", lambda _, __: os._exit(1))
    with pytest.raises(ConfigError, match=r"own\.yaml: the process that simulated it"):
        starts.sample(scenario("gone"), wanted)
