"""Harm to services as steps of a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.compose import chaos
from twin.compose.chaos import Harm, Verb
from twin.compose.engine import Stack
from twin.errors import ConfigError, ServiceError
from twin.rules import chaos_actions as harms_module
from twin.rules.chaos_actions import ChaosActions, harm_of
from twin.rules.simulation import Simulation
from twin.scenario import CHAOS, ScenarioEvent, parse_scenario

SCENARIO = """
title: a service fails
site: {{name: own, racks: 1, servers_per_rack: 1, megapacks: {{count: 1}}, gensets: {{count: 0}}}}
duration: 30s
faults:
  - {{{step}, at: 5s}}
"""


def step(text: str) -> ScenarioEvent:
    """Return the one step of a scenario."""
    return parse_scenario(SCENARIO.format(step=text), Path("own.yaml")).scenario.faults[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: service-pause, target: mosquitto", Harm(Verb.PAUSE, "mosquitto")),
        ("kind: service-cut, target: aggregator/bus", Harm(Verb.CUT, "aggregator", "bus")),
        (
            "kind: service-slow, target: emulator, set: {share: 0.2}",
            Harm(Verb.SLOW, "emulator", share=0.2),
        ),
        ("kind: broker-lost", Harm(Verb.STOP, "mosquitto")),
        ("kind: emulator-lost", Harm(Verb.KILL, "emulator")),
        ("kind: messages-refused", None),
        ("kind: pump-failure", None),
    ],
)
def test_a_step_is_a_harm(text: str, expected: Harm | None) -> None:
    """Steps on services, and disturbances that a service can be made to bring about."""
    assert harm_of(step(text)) == expected


def test_every_kind_of_step_has_its_verb() -> None:
    """The words of scenarios and of ``twin chaos`` are the same."""
    assert {f"service-{verb}" for verb in Verb} == set(CHAOS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: service-stop", r"own\.yaml:6: service-stop needs a service as its target"),
        ("kind: service-stop, target: a/b", "service-stop is not about a network"),
        ("kind: service-stop, target: a, set: {share: 1}", "has no parameter share"),
    ],
)
def test_a_wrong_step_is_told_with_its_line(text: str, words: str) -> None:
    """What a step lacks is found when the file is read, before anything is done."""
    with pytest.raises(ConfigError, match=words):
        step(text)


def test_a_rule_test_refuses_steps_on_services() -> None:
    """Without a stack the step would do nothing, and the test would prove nothing."""
    loaded = parse_scenario(
        SCENARIO.format(step="kind: service-kill, target: mosquitto"), Path("own.yaml")
    )
    with pytest.raises(ConfigError, match=r"own\.yaml:6: service-kill .* use twin scenario run"):
        Simulation(loaded)


class Notes:
    """What was begun and undone, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.failing: set[str] = set()

    def begin(self, _: Stack, harm: Harm) -> chaos.Undo:
        """Take the place of :func:`twin.compose.chaos.begin`."""
        self.said.append(f"{harm}")

        def undo() -> None:
            if harm.service in self.failing:
                raise ServiceError("no engine")
            self.said.append(f"undo {harm}")

        return undo


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    """Return notes of what is done instead of doing it."""
    notes = Notes()
    monkeypatch.setattr(harms_module, "begin", notes.begin)
    return notes


def harms() -> ChaosActions:
    """Return harms on a stack that nobody looks at."""
    return ChaosActions(lambda: Stack(None, "p"))


async def test_what_is_over_is_undone_and_no_more(notes: Notes) -> None:
    """Each step ends at its own time."""
    own = harms()
    await own.begin(Harm(Verb.PAUSE, "mosquitto"), ends=10)
    await own.begin(Harm(Verb.KILL, "emulator"), ends=20)
    assert await own.end(now=10) == ["mosquitto is as before"]
    assert await own.end(now=10) == []
    assert own.excuse(now=19)
    assert await own.end(now=20) == ["emulator is as before"]
    assert own.excuse(now=49)
    assert not own.excuse(now=50)
    done, undone = notes.said[:2], notes.said[2:]
    assert done == ["pause mosquitto", "kill emulator"]
    assert undone == ["undo pause mosquitto", "undo kill emulator"]


async def test_at_the_end_all_is_undone(notes: Notes) -> None:
    """One that cannot be undone is told, and does not keep the others from it."""
    own = harms()
    for service in ("mosquitto", "emulator"):
        await own.begin(Harm(Verb.PAUSE, service), ends=100)
    notes.failing = {"emulator"}
    with pytest.raises(ServiceError, match="no engine"):
        await own.undo()
    assert notes.said[-1] == "undo pause mosquitto"
    await own.undo()
    assert notes.said[-1] == "undo pause mosquitto"
