"""A scenario on a running stack: inject, watch, judge, as time goes by.

Faults go over MQTT, alerts are read from Prometheus and Alertmanager as they come. The
clock is the wall's: the twin must run at real time, for ``for`` and scrapes do.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from twin.bus import BrokerUrl
from twin.clients.http import HttpServer
from twin.clients.prometheus import Prometheus
from twin.compose.engine import PROJECT, Stack
from twin.errors import ConfigError, ServiceError, TwinError
from twin.grafana.push import connect
from twin.rules.chaos_actions import ChaosActions, harm_of
from twin.rules.engine import Episode
from twin.rules.result import Check, Panel, ScenarioResult, Struck
from twin.rules.signals import live_panels
from twin.rules.verdict import check_names, judge
from twin.scenario import ScenarioEvent, show_duration
from twin.scenario.loader import LoadedScenario
from twin.stack.command import send_command
from twin.wire import Clear, Inject

__all__ = ["StackServers", "run_live"]

_LOOK_SECONDS = 1.0
"""Between two looks at Prometheus and Alertmanager."""
_ANSWER_SECONDS = 10.0
_TAG = "twin"

_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StackServers:
    """Where the running stack is.

    Attributes:
        broker: the MQTT broker.
        site: name of its site; None when the broker carries only one.
        prometheus: its address.
        alertmanager: its address; None to leave it out.
        grafana: its address; None for no annotations.
        token: of a service account of Grafana; None for none.
        project: compose project whose services a scenario may harm.
    """

    broker: BrokerUrl
    prometheus: str
    site: str | None = None
    alertmanager: str | None = None
    grafana: str | None = None
    token: str | None = None
    project: str = PROJECT


@dataclass(slots=True)
class _AlertWatch:
    """What was seen so far, in seconds since the start."""

    open: dict[_Labels, Episode] = field(default_factory=dict)
    done: list[Episode] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)

    @property
    def episodes(self) -> list[Episode]:
        """All episodes that began after the start."""
        return [*self.done, *self.open.values()]


async def run_live(
    loaded: LoadedScenario,
    servers: StackServers,
    say: Callable[[float, str], None],
    clock: Callable[[], float] = time.monotonic,
    *,
    report: bool = False,
) -> ScenarioResult:
    """Run a scenario on a running stack and return what happened.

    Alerts that fire before the start are left out: they are not the scenario's.

    Args:
        loaded: the scenario.
        servers: the stack.
        say: called with the seconds since the start and a line, as things happen.
        clock: seconds that never run backwards.
        report: whether the signals behind the alerts are wanted.

    Raises:
        BusError: the broker or the emulator does not answer.
        ConfigError: the scenario cannot be run on this stack.
        ServiceError: Prometheus, Alertmanager or Grafana does not answer.
    """
    _refuse_disturbances(loaded)
    prometheus = Prometheus(servers.prometheus, _ANSWER_SECONDS)
    rules = await _rules(prometheus)
    known = [str(rule["name"]) for rule in rules]
    check_names(replace(loaded, shipped=False), known)
    run = _LiveRun(loaded, servers, prometheus, say, clock)
    try:
        await run.live()
    finally:
        await run.clear()
    watch = run.watch
    checks = judge(loaded, watch.episodes, known, watch.told if servers.alertmanager else None)
    episodes: dict[str, list[Episode]] = {}
    for episode in watch.episodes:
        episodes.setdefault(episode.labels["alertname"], []).append(episode)
    scenario = loaded.scenario
    return ScenarioResult(
        name=loaded.name,
        title=scenario.title,
        file=str(loaded.path),
        duration=scenario.duration,
        evaluate=_LOOK_SECONDS,
        struck=[
            Struck(event.kind, loaded.target(event), event.at, loaded.ends(event))
            for event in scenario.faults
        ],
        shows=scenario.shows,
        checks=checks,
        episodes=episodes,
        true=frozenset(episodes),
        errors={},
        panels=await _panels(run, rules, checks, say) if report else (),
        told=watch.told,
        seconds=scenario.duration,
    )


async def _panels(
    run: _LiveRun,
    rules: Sequence[Mapping[str, Any]],
    checks: Sequence[Check],
    say: Callable[[float, str], None],
) -> list[Panel]:
    """Return the signals behind the alerts that fired or should have."""
    shown = {own.labels["alertname"] for own in run.watch.episodes if own.firing is not None}
    shown |= {check.alert for check in checks}
    chosen = {str(own["name"]): str(own["query"]) for own in rules if own["name"] in shown}
    try:
        return await asyncio.to_thread(live_panels, run.prometheus, chosen, run.epoch, run.duration)
    except ServiceError as error:
        # The results are kept even if they cannot be drawn.
        say(run.duration, str(error))
        return []


def _refuse_disturbances(loaded: LoadedScenario) -> None:
    for index, event in enumerate(loaded.scenario.faults):
        if not event.is_fault and harm_of(event) is None:
            raise ConfigError(
                f"{loaded.place('faults', index)}: {event.kind} cannot be injected into a running "
                "twin; stop that part of it yourself, or use twin rules test"
            )


class _LiveRun:
    """One run under way."""

    def __init__(
        self,
        loaded: LoadedScenario,
        servers: StackServers,
        prometheus: Prometheus,
        say: Callable[[float, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._loaded = loaded
        self._servers = servers
        self.prometheus = prometheus
        self._alertmanager = (
            None
            if servers.alertmanager is None
            else HttpServer(servers.alertmanager, "Alertmanager", _ANSWER_SECONDS)
        )
        self._say = say
        self._clock = clock
        self._start = clock()
        self._epoch = time.time()
        self._pending = list(loaded.scenario.faults)
        self._struck: list[ScenarioEvent] = []
        self._before: set[_Labels] = set()
        self._harms = ChaosActions(lambda: Stack.connected(servers.project))
        self.watch = _AlertWatch()

    @property
    def epoch(self) -> float:
        """Unix time of the start."""
        return self._epoch

    @property
    def duration(self) -> float:
        """Seconds that the scenario takes."""
        return self._loaded.scenario.duration

    @property
    def _now(self) -> float:
        return self._clock() - self._start

    async def live(self) -> None:
        """Inject and watch until the scenario is over."""
        self._before = set(await self._alerts())
        if self._before:
            names = sorted({dict(labels)["alertname"] for labels in self._before})
            self._say(0.0, f"already there, and left out: {', '.join(names)}")
        self._start, self._epoch = self._clock(), time.time()
        while (now := self._now) < self._loaded.scenario.duration:
            while self._pending and self._pending[0].at <= now:
                await self._strike(self._pending.pop(0))
            for sentence in await self._harms.end(self._now):
                self._say(self._now, sentence)
            await self._poll_if_possible()
            await asyncio.sleep(max(0.0, _LOOK_SECONDS - (self._now - now)))

    async def _strike(self, event: ScenarioEvent) -> None:
        harm = harm_of(event)
        ends = self._loaded.ends(event)
        said = await (self._inject(event) if harm is None else self._harms.begin(harm, ends))
        self._struck.append(event)
        self._say(self._now, said)
        await self._annotate(f"{event.kind} {self._loaded.target(event)}", event.at, ends)

    async def _inject(self, event: ScenarioEvent) -> str:
        command = Inject(
            id=f"scenario-{uuid.uuid4().hex[:16]}",
            fault=event.kind,
            target=self._loaded.target(event),
            duration=self._loaded.ends(event) - event.at,
            parameters=event.parameters,
        )
        ack = await send_command(self._servers.broker, self._servers.site, command)
        if not ack.accepted:
            index = self._loaded.scenario.faults.index(event)
            raise ConfigError(f"{self._loaded.place('faults', index)}: {ack.detail}")
        return ack.detail

    async def clear(self) -> None:
        """End what this scenario did and is still in force."""
        try:
            await self._harms.undo()
        finally:
            await self._clear_faults()

    async def _clear_faults(self) -> None:
        for event in self._struck:
            if event.is_fault and self._loaded.ends(event) > self._now:
                command = Clear(
                    id=f"scenario-{uuid.uuid4().hex[:16]}",
                    fault=event.kind,
                    target=self._loaded.target(event),
                )
                with suppress(TwinError):
                    await send_command(self._servers.broker, self._servers.site, command)

    # -- what is seen ---------------------------------------------------------

    async def _poll_if_possible(self) -> None:
        try:
            await self._look()
        except ServiceError:
            # A harmed service, and one unreachable because of it, need not answer.
            if not self._harms.excuse(self._now):
                raise

    async def _look(self) -> None:
        states = await self._alerts()
        # Polling once a second resolves no more than a second.
        now, watch = float(round(self._now)), self.watch
        for labels in [own for own in watch.open if own not in states]:
            episode = replace(watch.open.pop(labels), ended=now)
            watch.done.append(episode)
            if episode.firing is not None:
                self._say(now, f"{_shown(labels)} clears")
        self._before &= states.keys()
        for labels in states.keys() - self._before:
            await self._take(labels, states[labels], now)
        await self._poll_alertmanager()

    async def _take(self, labels: _Labels, state: str, now: float) -> None:
        episode = self.watch.open.get(labels) or Episode(0, dict(labels), now, None, None)
        if state == "firing" and episode.firing is None:
            episode = replace(episode, firing=now)
            self._say(now, f"{_shown(labels)} fires{self._after(now, labels)}")
            await self._annotate(f"{_shown(labels)} fires", now, None)
        self.watch.open[labels] = episode

    def _after(self, now: float, labels: _Labels) -> str:
        """Say how long it took since the last fault of the alert's rack, else since the last."""
        if not self._struck:
            return ""
        rack = dict(labels).get("rack", "")
        target = self._loaded.target
        own = [event for event in self._struck if rack and target(event).startswith(rack)]
        last = (own or self._struck)[-1]
        return f", {show_duration(round(now - last.at))} after {last.kind}"

    async def _alerts(self) -> dict[_Labels, str]:
        data = await asyncio.to_thread(self.prometheus.get, "alerts")
        return {tuple(sorted(own["labels"].items())): str(own["state"]) for own in data["alerts"]}

    async def _poll_alertmanager(self) -> None:
        if self._alertmanager is None:
            return
        mine = {dict(own)["alertname"] for own in self.watch.open}
        for own in await asyncio.to_thread(self._alertmanager.json, "/api/v2/alerts"):
            name = own["labels"]["alertname"]
            if name in mine and name not in self.watch.told and own["status"]["state"] == "active":
                self.watch.told[name] = float(round(self._now))
                self._say(self._now, f"{name} has reached Alertmanager")

    async def _annotate(self, text: str, start: float, end: float | None) -> None:
        if self._servers.grafana is None:
            return
        grafana = connect(self._servers.grafana, self._servers.token)
        begin = round(1000 * (self._epoch + start))
        over = None if end is None else round(1000 * (self._epoch + end))
        tags = [_TAG, self._loaded.name]
        try:
            await asyncio.to_thread(
                grafana.annotations.add_annotation,
                time_from=begin, time_to=over, tags=tags, text=text,
            )  # fmt: skip
        except Exception as error:
            # grafana-client lets through whatever its HTTP library raises.
            raise ServiceError(
                f"Grafana at {self._servers.grafana} takes no annotation ({error}); "
                "are the address and the token right?"
            ) from error


def _shown(labels: _Labels) -> str:
    own = dict(labels)
    place = next((own[key] for key in ("device", "gpu", "pump", "megapack") if key in own), "")
    where = " ".join(filter(None, (own.get("rack", ""), own.get("instance", ""), place)))
    return f"{own['alertname']} {where}".strip()


async def _rules(prometheus: Prometheus) -> Sequence[Mapping[str, Any]]:
    data = await asyncio.to_thread(prometheus.get, "rules", type="alert")
    return [rule for group in data["groups"] for rule in group["rules"]]
