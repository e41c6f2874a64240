"""Harm and its undoing, against an engine that only takes notes."""

from __future__ import annotations

from typing import Any

import pytest

from twin.compose.chaos import VERBS, Harm, Verb, begin
from twin.compose.engine import Stack
from twin.errors import ConfigError

Calls = list[tuple[Any, ...]]


class Container:
    """A container that notes what is done to it."""

    def __init__(self, calls: Calls, status: str = "running") -> None:
        self.calls = calls
        self.status = status
        self.name = "p-mosquitto-1"
        self.labels = {"com.docker.compose.service": "mosquitto"}
        networks = {
            "p_bus": {"Aliases": ["mosquitto", "0123456789ab"]},
            "p_monitoring": {"Aliases": None},
        }
        self.attrs: dict[str, Any] = {
            "NetworkSettings": {"Networks": networks},
            "HostConfig": {"CpuQuota": 0},
        }

    def __getattr__(self, name: str) -> Any:
        def note(*words: Any, **named: Any) -> None:
            self.calls.append((name, *words, *sorted(named.items())))
            if name == "pause":
                self.status = "paused"

        return note


class Network:
    """A network that notes who joins and leaves."""

    def __init__(self, calls: Calls, name: str) -> None:
        self.calls, self.name = calls, name

    def disconnect(self, container: Container) -> None:
        """Note that a container leaves."""
        self.calls.append(("disconnect", self.name))
        del container.attrs["NetworkSettings"]["Networks"][self.name]

    def connect(self, _: Container, aliases: list[str]) -> None:
        """Note that a container joins."""
        self.calls.append(("connect", self.name, *aliases))


class Client:
    """An engine with one container."""

    def __init__(self, calls: Calls, status: str = "running") -> None:
        self._calls = calls
        self._container = Container(calls, status)
        self.containers = self.networks = self

    def list(self, **_: object) -> list[Container]:
        """Return the containers."""
        return [self._container]

    def get(self, name: str) -> Network:
        """Return a network."""
        return Network(self._calls, name)


def stack(calls: Calls, status: str = "running") -> Stack:
    """Return a stack of one service on such an engine."""
    return Stack(Client(calls, status), "p")


@pytest.mark.parametrize(
    ("harm", "done", "undone"),
    [
        (Harm(Verb.STOP, "mosquitto"), [("stop", ("timeout", 10))], [("start",)]),
        (Harm(Verb.KILL, "mosquitto"), [("kill",)], [("start",)]),
        (Harm(Verb.PAUSE, "mosquitto"), [("pause",)], [("reload",), ("unpause",)]),
        (Harm(Verb.RESTART, "mosquitto"), [("restart", ("timeout", 10))], []),
        (
            Harm(Verb.SLOW, "mosquitto", share=0.05),
            [("update", ("cpu_period", 100_000), ("cpu_quota", 5000))],
            [("update", ("cpu_quota", -1))],
        ),
        (
            Harm(Verb.CUT, "mosquitto", "bus"),
            [("disconnect", "p_bus")],
            [("reload",), ("connect", "p_bus", "mosquitto")],
        ),
        (
            Harm(Verb.CUT, "mosquitto"),
            [("disconnect", "p_bus"), ("disconnect", "p_monitoring")],
            [
                ("reload",),
                ("connect", "p_bus", "mosquitto"),
                ("reload",),
                ("connect", "p_monitoring"),
            ],
        ),
    ],
)  # fmt: skip
def test_what_is_done_is_undone(harm: Harm, done: Calls, undone: Calls) -> None:
    """Every harm has the call that undoes it, and aliases by which others find the service."""
    calls: Calls = []
    undo = begin(stack(calls), harm)
    assert calls == done
    calls.clear()
    undo()
    assert calls == undone


def test_every_verb_is_explained() -> None:
    """A verb without a sentence could not be told to people."""
    assert set(VERBS) == set(Verb)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Harm(Verb.KILL, "nobody"), "'nobody' does not exist; there are mosquitto"),
        (Harm(Verb.CUT, "mosquitto", "moon"), "not in network 'moon'; its networks are: bus, mon"),
    ],
)
def test_the_unknown_is_refused(harm: Harm, words: str) -> None:
    """A service or network that is not there is named, with those that are."""
    with pytest.raises(ConfigError, match=words):
        begin(stack([]), harm)


def test_who_does_not_run_is_not_harmed() -> None:
    """Else the undoing would start what its owner had stopped."""
    calls: Calls = []
    with pytest.raises(ConfigError, match="mosquitto is exited"):
        begin(stack(calls, "exited"), Harm(Verb.STOP, "mosquitto"))
    assert calls == []


def test_an_impossible_harm_is_refused() -> None:
    """A share that the kernel cannot grant, and a network where none is cut."""
    with pytest.raises(ConfigError, match=r"share 0 of a core is not possible; take 0\.01 to 1"):
        Harm(Verb.SLOW, "mosquitto", share=0)
    with pytest.raises(ConfigError, match="stop is not about a network; leave 'bus' out"):
        Harm(Verb.STOP, "mosquitto", "bus")
