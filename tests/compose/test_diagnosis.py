"""What is wrong, in a sentence: containers, targets, alerts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from twin.compose.diagnosis import (
    ServiceState,
    StackFinding,
    diagnose,
    read_alerts,
    read_readiness,
    read_targets,
)

BUS = frozenset({"bus"})
WELL = ServiceState("mosquitto", "running", "healthy", networks=BUS, memory_limit=512 * 2**20)
EMULATOR = ServiceState("emulator", "running", "healthy", networks=BUS, needs=("mosquitto",))


def sentences(*states: ServiceState) -> list[str]:
    """Return what is found, each with its service."""
    return [f"{own.service} {own.sentence}" for own in diagnose(states)]


def test_nothing_is_wrong_with_what_is_well() -> None:
    """A healthy stack, and a service that did its work and ended, are no finding."""
    once = ServiceState("secrets", "exited", exit_code=0, networked=False)
    assert sentences(WELL, EMULATOR, once) == []
    assert once.is_well


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (replace(WELL, state="paused"), "is paused; go on with: docker compose unpause mosquitto"),
        (replace(WELL, state="exited", exit_code=137), "was killed; start it with: docker compose"),
        (
            replace(WELL, state="exited", exit_code=2, log="twin: no such site"),
            "ended with exit status 2: twin: no such site; start it with",
        ),
        (replace(WELL, state="exited", exit_code=0), "ended with exit status 0; start it with"),
        (
            replace(WELL, state="restarting", log="Address in use"),
            "fails again and again, the last time with: Address in use",
        ),
        (
            replace(WELL, state="exited", exit_code=137, out_of_memory=True),
            "was killed because it needed more than its limit of 512 MiB; raise its limit",
        ),
        (replace(WELL, health="unhealthy", said="refused"), "its health check says: refused"),
        (replace(WELL, health="starting"), "is still starting"),
        (replace(WELL, restarts=7), "was started again 7 times; see: docker compose logs mosq"),
        (replace(WELL, cpu_share=0.05), "is held to 0.05 of a core; end that with"),
        (replace(WELL, memory_used=500 * 2**20), "uses 98% of its 512 MiB of memory"),
        (replace(WELL, state="created"), "was never started; start it with: docker compose up"),
    ],
)
def test_one_thing_is_one_sentence(state: ServiceState, words: str) -> None:
    """Each way of being wrong is told once, with what to do."""
    found = sentences(state)
    assert len(found) == 1
    assert words in found[0]
    assert not state.is_well or state.health == "healthy"


def test_who_waits_says_for_whom() -> None:
    """A service that was never started names what it waits for, not itself."""
    broken = replace(WELL, health="unhealthy", said="no")
    waiting = replace(EMULATOR, state="created", health=None)
    assert sentences(broken, waiting)[1] == "emulator was never started; it waits for mosquitto"


def test_a_cut_network_is_seen() -> None:
    """Two that need each other and share no network are told with both names."""
    cut = replace(WELL, networks=frozenset())
    found = sentences(cut, EMULATOR)
    assert len(found) == 1
    assert found[0].startswith("emulator shares no network with mosquitto; join them again with")
    assert found[0].endswith("docker compose up -d --force-recreate emulator mosquitto")


def test_who_needs_no_network_is_not_missed_in_one() -> None:
    """The service of the profile chaos has the Docker socket and nothing else."""
    assert sentences(WELL, replace(EMULATOR, networks=frozenset(), networked=False)) == []


def test_a_service_that_is_gone_is_missed() -> None:
    """A container that was removed is known by who needs it."""
    assert sentences(EMULATOR) == [
        "emulator needs mosquitto, which does not exist; start all with: docker compose up -d"
    ]


def test_targets_that_are_down_are_told_once() -> None:
    """However many targets are down, it is one sentence with the first error."""
    target = {"labels": {"job": "twin-array", "array": "a001"}, "health": "down", "lastError": "no"}
    well = {**target, "health": "up", "lastError": ""}
    text = json.dumps({"data": {"activeTargets": [well, target, target]}})
    assert read_targets(text) == [StackFinding("prometheus", "cannot scrape a001 and 1 more: no")]
    assert read_targets(json.dumps({"data": {"activeTargets": [well]}})) == []


def test_only_alerts_on_the_pipeline_are_the_stacks() -> None:
    """A hot GPU is not the stack's fault; a silent rack may be."""
    text = json.dumps(
        {
            "data": {
                "alerts": [
                    {
                        "state": state,
                        "labels": {"alertname": name, "domain": domain},
                        "annotations": {"summary": "so"},
                    }
                    for state, name, domain in (
                        ("firing", "GpuTooHot", "gpu"),
                        ("pending", "RackSilent", "telemetry"),
                        ("firing", "EmulatorLost", "telemetry"),
                    )
                ]
            }
        }
    )
    assert read_alerts(text) == [StackFinding("prometheus", "EmulatorLost fires: so")]


@pytest.mark.parametrize("text", [None, "", "no JSON", "{}", '{"data": null}'])
def test_a_service_that_does_not_answer_says_nothing(text: str | None) -> None:
    """Who cannot be asked is told of by its container, not by a second sentence."""
    assert read_targets(text) == []
    assert read_alerts(text) == []


def test_readiness_is_the_aggregators_own_words() -> None:
    """Each sentence of ``/readyz`` is a finding; ready is none."""
    assert read_readiness("ready\n") == []
    assert read_readiness(None) == []
    assert read_readiness("The broker is not connected.\n") == [
        StackFinding("aggregator", "says: The broker is not connected.")
    ]
