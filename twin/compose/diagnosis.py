"""Diagnosis of the stack in sentences, from the state of its containers.

No I/O: what the engine, Prometheus and the aggregator said is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ServiceState",
    "StackFinding",
    "diagnose",
    "read_alerts",
    "read_readiness",
    "read_targets",
]

_TIGHT = 0.9
"""Share of the memory limit from which on it is reported."""
_KILLED = 137
_RESTARTS = 3
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How a service's container is.

    Attributes:
        service: name of the service.
        state: running, paused, restarting, exited, created or dead.
        health: healthy, starting or unhealthy; None without a health check.
        exit_code: of the last end.
        out_of_memory: whether the kernel killed it for its memory.
        restarts: how often the engine has started it again.
        since: when it began or ended, as the engine writes it.
        said: what the last health check printed.
        log: last line of its log, when it does not run.
        networks: networks that it is in.
        networked: whether it is to be in any.
        needs: services that it depends on.
        memory_limit: bytes; None for none.
        memory_used: bytes; None when unknown.
        cpu_share: cores that it is held to; None for all.
    """

    service: str
    state: str
    health: str | None = None
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    since: str = ""
    said: str = ""
    log: str = ""
    networks: frozenset[str] = frozenset()
    networked: bool = True
    needs: tuple[str, ...] = ()
    memory_limit: int | None = None
    memory_used: int | None = None
    cpu_share: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether it did what it was there for: a service that runs once, and needs no network."""
        return self.state == "exited" and self.exit_code == 0 and not self.networked

    @property
    def is_well(self) -> bool:
        """Whether it runs and its health check agrees, or it is done."""
        return self.is_done or (self.state == "running" and self.health in (None, "healthy"))


@dataclass(frozen=True, slots=True)
class StackFinding:
    """Something that is wrong.

    Attributes:
        service: where.
        sentence: what, and what to do.
    """

    service: str
    sentence: str


def diagnose(states: Sequence[ServiceState]) -> list[StackFinding]:
    """Return what is wrong with the containers, causes before what follows from them."""
    known = {own.service: own for own in states}
    return [StackFinding(own.service, text) for own in states for text in _wrong(own, known)]


def _wrong(own: ServiceState, known: dict[str, ServiceState]) -> Iterator[str]:
    name = own.service
    if own.is_done:
        return
    if own.out_of_memory:
        yield (
            f"was killed because it needed more than its limit of {_size(own.memory_limit)}; "
            "raise its limit in .env, or expose less"
        )
    match own.state:
        case "running":
            yield from _unwell(own)
            yield from _cut_off(own, known)
        case "paused":
            yield f"is paused; go on with: docker compose unpause {name}"
        case "restarting":
            yield f"fails again and again, the last time with: {_short(own.log) or 'no word'}"
        case "created":
            waits = [need for need in own.needs if need in known and not known[need].is_well]
            yield (
                f"was never started; it waits for {', '.join(waits)}"
                if waits
                else f"was never started; start it with: docker compose up -d {name}"
            )
        case _ if not own.out_of_memory:
            yield f"{_ended(own)}; start it with: docker compose up -d {name}"
    for need in own.needs:
        if need not in known:
            yield f"needs {need}, which does not exist; start all with: docker compose up -d"


def _unwell(own: ServiceState) -> Iterator[str]:
    if own.health == "unhealthy":
        yield f"runs, but its health check says: {_short(own.said) or 'nothing'}"
    elif own.health == "starting":
        yield "is still starting"
    if own.restarts >= _RESTARTS:
        yield f"was started again {own.restarts} times; see: docker compose logs {own.service}"
    if own.cpu_share is not None and own.cpu_share < 1.0:  # the compose file gives whole ones
        yield (
            f"is held to {own.cpu_share:g} of a core; end that with: "
            f"docker compose up -d --force-recreate {own.service}"
        )
    if own.memory_used is not None and own.memory_limit is not None:
        share = own.memory_used / own.memory_limit
        if share >= _TIGHT:
            yield (
                f"uses {share:.0%} of its {_size(own.memory_limit)} of memory; raise its limit in "
                ".env before it is killed"
            )


def _cut_off(own: ServiceState, known: dict[str, ServiceState]) -> Iterator[str]:
    if not own.networked:
        return
    apart = [
        need
        for need in own.needs
        if need in known
        and known[need].state == "running"
        and not own.networks & known[need].networks
    ]
    if apart:
        yield (
            f"shares no network with {', '.join(apart)}; join them again with: "
            f"docker compose up -d --force-recreate {' '.join((own.service, *apart))}"
        )


def _ended(own: ServiceState) -> str:
    how = "was killed" if own.exit_code == _KILLED else f"ended with exit status {own.exit_code}"
    return how if own.exit_code in (0, _KILLED) or not own.log else f"{how}: {_short(own.log)}"


# -- what the services say of themselves ---------------------------------------------------------


def read_readiness(text: str | None) -> list[StackFinding]:
    """Return what the aggregator misses, by its ``/readyz``."""
    if text is None:
        return []
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [StackFinding("aggregator", f"says: {line}") for line in lines if line != "ready"]


def read_targets(text: str | None) -> list[StackFinding]:
    """Return the targets that Prometheus cannot scrape, by its ``/api/v1/targets``."""
    down = [
        (own["labels"].get("array") or own["labels"].get("job", "?"), own["lastError"])
        for own in _data(text, "activeTargets")
        if own["health"] == "down"
    ]
    if not down:
        return []
    name, error = down[0]
    more = f" and {len(down) - 1} more" if len(down) > 1 else ""
    return [StackFinding("prometheus", f"cannot scrape {name}{more}: {_short(error)}")]


def read_alerts(text: str | None) -> list[StackFinding]:
    """Return the alerts on the pipeline itself that fire, by Prometheus's ``/api/v1/alerts``."""
    return [
        StackFinding("prometheus", f"{own['labels']['alertname']} fires: "
                     f"{_short(own['annotations'].get('summary', ''))}")
        for own in _data(text, "alerts")
        if own["state"] == "firing" and own["labels"].get("domain") == "telemetry"
    ]  # fmt: skip


def _data(text: str | None, key: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(text or "{}")["data"][key]
    except (ValueError, KeyError, TypeError):
        return []
    return found


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SHOWN else f"{line[: _MOST_SHOWN - 1]}…"


def _size(count: int | None) -> str:
    return "memory" if count is None else f"{count / 2**20:.0f} MiB"
