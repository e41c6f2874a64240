"""The containers of a compose project, by the Docker SDK.

The SDK is a separate extra (``docker``), because access to the Docker socket is root access
to the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twin.compose.diagnosis import ServiceState
from twin.errors import ConfigError, ServiceError, not_installed

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["PROJECT", "Stack", "engine_errors"]

PROJECT = "datacenter-twin"
"""Name of the project in docker-compose.yml."""

_LABEL = "com.docker.compose"
_ANSWER_SECONDS = 60
"""Longer than it takes to stop a container that does not want to."""


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn what the SDK raises into one sentence.

    Raises:
        ServiceError: the engine cannot be reached or did not do ``what``.
    """
    import docker.errors  # noqa: PLC0415 - the extra is loaded by who uses it
    import requests.exceptions  # noqa: PLC0415 - as above

    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        explanation = getattr(error, "explanation", None) or error
        raise ServiceError(f"the Docker Engine could not {what}: {explanation}") from error


class Stack:
    """The containers of one compose project.

    Args:
        client: of the engine.
        project: name of the project.
    """

    def __init__(self, client: DockerClient, project: str = PROJECT) -> None:
        self.client = client
        self.project = project

    @classmethod
    def connected(cls, project: str = PROJECT) -> Stack:
        """Return the stack on the engine that ``$DOCKER_HOST`` or the usual socket leads to.

        Raises:
            ConfigError: the Docker SDK is not installed.
            ServiceError: there is no engine, or we may not use it.
        """
        try:
            import docker  # noqa: PLC0415 - the extra is loaded by who uses it
        except ImportError as error:
            raise not_installed("this", "docker>=7.1,<8") from error
        with engine_errors("be reached (is it running, and may you use its socket?)"):
            client = docker.from_env(timeout=_ANSWER_SECONDS)
            client.ping()
        return cls(client, project)

    def containers(self) -> dict[str, Container]:
        """Return the container of every service, running or not.

        Raises:
            ServiceError: the engine does not answer.
        """
        labels = [f"{_LABEL}.project={self.project}", f"{_LABEL}.oneoff=False"]
        with engine_errors("list the containers"):
            found = self.client.containers.list(all=True, filters={"label": labels})
        return {
            own.labels[f"{_LABEL}.service"]: own for own in sorted(found, key=lambda own: own.name)
        }

    def container(self, service: str) -> Container:
        """Return the container of a service.

        Raises:
            ConfigError: the stack has no such service.
            ServiceError: the engine does not answer.
        """
        found = self.containers()
        if not found:
            raise ConfigError(
                f"no container of the compose project {self.project!r} exists; "
                "start it with docker compose up, or name yours with --project"
            )
        if service not in found:
            raise ConfigError(f"service {service!r} does not exist; there are {', '.join(found)}")
        return found[service]

    def states(self, *, memory: bool = True) -> list[ServiceState]:
        """Return how every service is.

        Args:
            memory: whether to ask for the memory in use, which takes a second or two each.

        Raises:
            ServiceError: the engine does not answer.
        """
        return [
            _state(name, container, memory=memory) for name, container in self.containers().items()
        ]

    def ask(self, service: str, *command: str) -> str | None:
        """Return what a command prints in a service's container, None when it fails."""
        container = self.containers().get(service)
        if container is None or container.status != "running":
            return None
        with engine_errors(f"run a command in {service}"):
            done = container.exec_run(list(command))
        return done.output.decode(errors="replace") if done.exit_code == 0 else None


def _state(service: str, container: Container, *, memory: bool) -> ServiceState:
    attributes: dict[str, Any] = container.attrs
    state, host = attributes["State"], attributes["HostConfig"]
    health = state.get("Health") or {}
    log = health.get("Log") or []
    needs = container.labels.get(f"{_LABEL}.depends_on", "")
    running = state["Status"] == "running"
    return ServiceState(
        service=service,
        state=state["Status"],
        health=health.get("Status"),
        exit_code=state["ExitCode"],
        out_of_memory=bool(state["OOMKilled"]),
        restarts=attributes["RestartCount"],
        since=state["StartedAt"] if running else state["FinishedAt"],
        said=log[-1]["Output"].strip() if log else "",
        log="" if running else _last_line(container),
        networks=frozenset(attributes["NetworkSettings"]["Networks"]) - {"none"},
        networked=host.get("NetworkMode") != "none",
        needs=tuple(part.partition(":")[0] for part in needs.split(",") if part),
        memory_limit=host.get("Memory") or None,
        memory_used=_memory(container) if memory and running else None,
        cpu_share=_cpu_share(host),
    )


def _cpu_share(host: dict[str, Any]) -> float | None:
    quota = host.get("CpuQuota") or 0
    return quota / (host.get("CpuPeriod") or 100_000) if quota > 0 else None


def _memory(container: Container) -> int | None:
    with engine_errors(f"measure {container.name}"):
        stats = container.stats(stream=False, one_shot=True)
    used = stats.get("memory_stats", {})
    # As `docker stats`: what the page cache could give back is not in use.
    cache = used.get("stats", {}).get("inactive_file", 0)
    return max(0, used["usage"] - cache) if "usage" in used else None


def _last_line(container: Container) -> str:
    with engine_errors(f"read the log of {container.name}"):
        text = container.logs(tail=5).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"\x1b\[[0-9;]*m", "", lines[-1]) if lines else ""
