"""Scenarios: what is shipped, and what a user is told about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.errors import ConfigError
from twin.faults import FAULTS
from twin.scenario import (
    PIPELINE,
    find_scenarios,
    parse_duration,
    parse_scenario,
    scenario_names,
    show_duration,
)

SITE = "site: {racks: 1, servers_per_rack: 1}\n"
HEAD = f"title: a test\n{SITE}duration: 10m\n"


def refusal(text: str) -> str:
    """Return what the loader says of a text, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text, Path("own.yaml"))
    return str(caught.value)


def test_every_fault_and_disturbance_has_a_scenario() -> None:
    """The shipped scenarios exercise every fault and every disturbance of the telemetry."""
    shown = {event.kind for loaded in find_scenarios([]) for event in loaded.scenario.faults}
    assert shown == {*FAULTS, *PIPELINE}


def test_every_scenario_says_which_alerts_fire() -> None:
    """No shipped scenario leaves open what may fire."""
    open_ = [
        loaded.name
        for loaded in find_scenarios([])
        if loaded.scenario.expect.exactly is None and not loaded.scenario.expect.fires
    ]
    assert open_ == []


def test_names_are_those_of_the_files() -> None:
    """The quiet day is among the shipped scenarios, and so is each coupling."""
    assert {"quiet-day", "both-pumps-failure", "grid-outage-shed"} <= set(scenario_names())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + "faults:\n  - {kind: pump-failur, at: 1m}\n",
            "own.yaml:5: fault 'pump-failur' does not exist",
        ),
        (
            HEAD + "faults:\n  - kind: pump-failure\n    at: 1m\n    target: r0009/pump1\n",
            "own.yaml:5: target 'r0009/pump1' does not exist on site 'own'",
        ),
        (
            HEAD + "faults:\n  - {kind: gpu-xid, at: 1m, set: {colour: 3}}\n",
            "own.yaml:5: fault gpu-xid: colour: there is no such key",
        ),
        (HEAD + "faults:\n  - {kind: hot-day, at: 11m}\n", "own.yaml:5: fault 1 begins when"),
        (
            HEAD + "expect:\n  fires:\n    - {alert: GpuLost, withn: 1m}\n",
            "own.yaml:6: expect.fires.0.withn: there is no such key",
        ),
        (
            HEAD + "expect:\n  fires: [GpuLost]\n  never: [GpuLost]\n",
            "own.yaml:5: GpuLost is expected to fire and never to fire",
        ),
        (
            HEAD + "expect:\n  fires: [GpuLost]\n  exactly: []\n",
            "own.yaml:5: GpuLost is expected to fire, but",
        ),
        (
            HEAD + "expect:\n  exactly:\n    - GpuLost\n  never: [GpuLost]\n",
            "own.yaml:6: GpuLost is in exactly and in never",
        ),
        (
            HEAD + "expect:\n  fires:\n    - GpuLost\n    - {alert: GpuXid, after: 2}\n",
            "own.yaml:7: GpuXid is expected after fault 2, but there are 0",
        ),
        (
            HEAD + "expect:\n  never:\n    - {alert: GpuLost, labels: {rack: r0007}}\n",
            "own.yaml:6: GpuLost: target 'r0007' does not exist on site 'own'",
        ),
        (
            HEAD + "faults:\n  - {kind: hot-day, at: 2m}\n  - {kind: hot-day, at: 1m}\n",
            "own.yaml:6: faults must be in order of time",
        ),
        (
            HEAD + "scrape: 7s\n",
            "own.yaml:3: duration must be a multiple of scrape",
        ),
        (HEAD + "step: 3s\n", "own.yaml:4: scrape must be a multiple of step"),
        (
            HEAD + "step: 5s\nfaults:\n  - {kind: hot-day, at: 2m}\n",
            "own.yaml:4: faults act within a second; leave step out",
        ),
        (HEAD.replace("10m", "soon"), "own.yaml:3: duration: is 'soon'; write a duration such as"),
        (HEAD + "title: another\n", "own.yaml:4:1: the key 'title' is given twice"),
        ("title: [\n", "own.yaml:2:1: is not YAML"),
        ("- 1\n", "own.yaml:1: must be a mapping"),
        (HEAD.replace(SITE, "site: nowhere.yaml\n"), "own.yaml:2: site: nowhere.yaml: cannot"),
        (
            HEAD.replace(SITE, "site: {preset: demo, raks: 1}\n"),
            "own.yaml:2: site: raks: there is no such key",
        ),
        (HEAD + "faults:\n  - {kind: unit-silent, at: 1m}\n", "own.yaml:5: unit-silent needs a"),
        (
            HEAD + "faults:\n  - {kind: broker-lost, at: 1m, target: r0001}\n",
            "own.yaml:5: broker-lost is applied to the whole site",
        ),
        (
            HEAD + "faults:\n  - {kind: shadow-lost, at: 1m}\n",
            "own.yaml:5: no observer runs that could be lost; add shadow: true",
        ),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text: str, said: str) -> None:
    """Whatever is wrong with a scenario is one sentence that begins with its place."""
    told = refusal(text)
    assert said in told
    assert told.startswith("own.yaml:")
    assert "\n" not in told


def test_a_preset_can_be_taken_and_changed() -> None:
    """A site section lays its keys over a preset's."""
    text = HEAD.replace(SITE, "site: {preset: demo, racks: 3, megapacks: {count: 1}}\n")
    site = parse_scenario(text, Path("own.yaml")).layout.site
    assert (site.racks, site.megapacks.count, site.gensets.count) == (3, 1, 1)


def test_an_unknown_name_is_told() -> None:
    """A scenario that is not shipped and no file is refused with the way to the list."""
    with pytest.raises(ConfigError, match="twin scenario list"):
        find_scenarios(["no-such-thing"])
    with pytest.raises(ConfigError, match="no such scenario file"):
        find_scenarios(["./no/such/*.yaml"])


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [("90s", 90.0, "1m30s"), ("1h30m", 5400.0, "1h30m"), ("1d", 86_400.0, "24h"),
     ("250ms", 0.25, "250ms"), ("0s", 0.0, "0s")],
)  # fmt: skip
def test_durations_are_prometheus_own(text: str, seconds: float, shown: str) -> None:
    """Durations are read and written as Prometheus does."""
    assert parse_duration(text) == seconds
    assert show_duration(seconds) == shown
