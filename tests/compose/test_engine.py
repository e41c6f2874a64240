"""What the engine says of a container, and what becomes of it."""

from __future__ import annotations

from typing import Any

import docker.errors
import pytest

from twin.compose.diagnosis import ServiceState
from twin.compose.engine import Stack, engine_errors
from twin.errors import ConfigError, ServiceError

ATTRIBUTES: dict[str, Any] = {
    "State": {
        "Status": "running",
        "ExitCode": 0,
        "OOMKilled": False,
        "StartedAt": "2026-11-27T12:00:00Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {"Status": "healthy", "Log": [{"Output": "old"}, {"Output": " new \n"}]},
    },
    "HostConfig": {"Memory": 2**30, "CpuQuota": 5000, "CpuPeriod": 100_000},
    "RestartCount": 2,
    "NetworkSettings": {"Networks": {"p_bus": {}, "none": {}}},
}


class Container:
    """A container as the SDK gives it."""

    name = "p-emulator-1"
    status = "running"

    def __init__(self, **state: object) -> None:
        self.attrs = {**ATTRIBUTES, "State": {**ATTRIBUTES["State"], **state}}
        self.labels = {
            "com.docker.compose.service": "emulator",
            "com.docker.compose.depends_on": "mosquitto:service_healthy:false,secrets:x:false",
        }

    def stats(self, **_: object) -> dict[str, Any]:
        """Return the memory in use, of which some is cache."""
        return {"memory_stats": {"usage": 100, "stats": {"inactive_file": 40}}}

    def logs(self, **_: object) -> bytes:
        """Return a log that ends in colour and an empty line."""
        return b"first\n\x1b[31mtwin: no\x1b[0m\n\n"


class Client:
    """An engine with these containers."""

    def __init__(self, *containers: Container) -> None:
        self._containers = list(containers)
        self.containers = self

    def list(self, **_: object) -> list[Container]:
        """Return them."""
        return self._containers


def test_a_running_container_is_read() -> None:
    """Health, limits, networks and needs are taken from where the engine has them."""
    (found,) = Stack(Client(Container()), "p").states()
    assert found == ServiceState(
        service="emulator",
        state="running",
        health="healthy",
        restarts=2,
        since="2026-11-27T12:00:00Z",
        said="new",
        networks=frozenset({"p_bus"}),
        needs=("mosquitto", "secrets"),
        memory_limit=2**30,
        memory_used=60,
        cpu_share=0.05,
    )


def test_of_an_ended_one_the_last_word_is_kept() -> None:
    """The last line of its log says why, without colours."""
    (found,) = Stack(Client(Container(Status="exited", ExitCode=2)), "p").states()
    assert (found.log, found.exit_code, found.memory_used) == ("twin: no", 2, None)


def test_an_unknown_service_is_told_with_those_that_are() -> None:
    """And a project without any container is told as such."""
    with pytest.raises(ConfigError, match="'x' does not exist; there are emulator"):
        Stack(Client(Container()), "p").container("x")
    with pytest.raises(ConfigError, match="no container of the compose project 'p' exists"):
        Stack(Client(), "p").container("x")


def test_what_the_sdk_raises_is_one_sentence() -> None:
    """The engine's own words, behind what it was asked for."""
    with (
        pytest.raises(ServiceError, match="the Docker Engine could not pause it: no such thing"),
        engine_errors("pause it"),
    ):
        raise docker.errors.APIError("409", explanation="no such thing")
