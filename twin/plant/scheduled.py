"""Scheduled jobs in the halls: the hardware's state for the scheduler, its load on the hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.plant.conditions import Conditions
from twin.plant.nic import Nics
from twin.plant.scheduler import (
    FOREIGN,
    BatchLoad,
    Deployments,
    NodeHealth,
    Scheduler,
    deployed_place,
)
from twin.plant.units import Floats
from twin.plant.workload import Demand, JobState, Level, ServedLoad
from twin.site import JobPlace, Layout

if TYPE_CHECKING:  # the halls have this as a part
    from twin.plant.halls import Halls

__all__ = ["ScheduledHalls", "StaticRun"]

_T = TypeVar("_T", bound=np.generic)


@dataclass(slots=True)
class StaticRun:
    """A job of the site file as the scheduler sees it: it has its racks whenever it runs.

    Attributes:
        running: whether its processes run.
        starting: whether they start up, before they load what they work on.
        start: time of their start.
        began: time at which they were started up.
        restarts: times they were started again.
    """

    running: bool = True
    starting: bool = False
    start: float = 0.0
    began: float = 0.0
    restarts: int = 0


class ScheduledHalls:
    """The scheduler of a site and what joins it to the halls.

    Args:
        layout: the site.
        rng: source of all randomness.

    Attributes:
        scheduler: of the site.
        static: a row for each job of the site file.
        deployments: the scheduler's jobs that serve, None where it has none.
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self.scheduler = Scheduler(layout, rng)
        self.static = [StaticRun() for _ in layout.site.jobs]
        self._load = BatchLoad(layout, self.scheduler)
        place = deployed_place(layout)
        self.deployments = (
            None if place is None else Deployments(layout, self.scheduler, place, rng.spawn(1)[0])
        )
        self._first = int((self.scheduler.owner[:, 0] == FOREIGN).sum())
        self._rack_servers = layout.site.servers_per_rack
        self._array_racks = layout.site.racks_per_array
        self._version = -1

    def settle(self, demand: Demand, nics: Nics) -> Demand:
        """Return the demand of the site's jobs and the scheduled ones at the start."""
        self._join(nics)
        return self._over(demand, 1e-3)

    def step(
        self, demand: Demand, speed: Level, dt: float, conditions: Conditions, halls: Halls
    ) -> tuple[Demand, Level]:
        """Advance by ``dt`` seconds and return demand and pace of all jobs together.

        Args:
            demand: of the site's own jobs.
            speed: their paces.
            dt: step in s.
            conditions: of the site.
            halls: whose hardware the jobs run on, as it was in the step before.
        """
        scheduler = self.scheduler
        health = self._health(halls)
        if not conditions.container_sound.all():
            scheduler.crash(~conditions.container_sound.reshape(-1))
        scheduler.step(dt, health, placing=bool(conditions.scheduler_running[0]))
        self._follow(halls)
        self._join(halls.nics)
        if health.pace is not None:
            speed = self._paces(speed, health.pace)
        return self._over(demand, dt), speed

    def _over(self, demand: Demand, dt: float) -> Demand:
        demand = self._load.over(demand, dt)
        return demand if self.deployments is None else self.deployments.over(demand, dt)

    @property
    def served(self) -> tuple[tuple[int, JobPlace], ...]:
        """Number and place of what the scheduler serves, after those of the site file."""
        own = self.deployments
        return () if own is None else ((len(self.static), own.place),)

    @property
    def served_loads(self) -> tuple[ServedLoad, ...]:
        """Requests to it."""
        return () if self.deployments is None else (self.deployments.served_load,)

    def _follow(self, halls: Halls) -> None:
        """Take note of starts and ends of the jobs of the site file."""
        for run, progress in zip(self.static, halls.jobs.progress, strict=True):
            running = progress.state is not JobState.CRASHED
            starting = progress.state is JobState.STARTING
            if starting is not run.starting:
                run.starting = starting
                if not starting:
                    run.began = self.scheduler.time
                self.scheduler.version += 1
            if running is not run.running:
                run.running = running
                self.scheduler.version += 1
                if running:
                    run.start = self.scheduler.time
                    run.restarts += 1

    def _join(self, nics: Nics) -> None:
        """Let the servers of each job send round."""
        if self._version != self.scheduler.version:
            self._version = self.scheduler.version
            nics.join(self._first, self.scheduler.owner[self._first :, 0])

    def _health(self, halls: Halls) -> NodeHealth:
        gpus, nics, fabric, hosts = halls.gpus, halls.nics, halls.fabric, halls.servers.hosts
        shape = self.scheduler.owner.shape
        lost, aborted, paces = gpus.lost, gpus.errors.aborted, gpus.paces
        unlinked = nics.unlinked
        if fabric.isolated:
            unlinked = unlinked | self._of_servers(fabric.isolated_arrays)
        flow = fabric.array_paces
        return NodeHealth(
            up=None if hosts is None else hosts.up.reshape(-1),
            lost=lost.reshape(shape) if lost.any() else None,
            aborted=None if aborted is None else aborted.reshape(shape),
            pace=None if paces is None else paces.reshape(shape),
            unlinked=unlinked if unlinked.any() else None,
            flow=self._of_servers(flow) if flow.min() < 1.0 else None,
        )

    def _of_servers(self, arrays: NDArray[_T]) -> NDArray[_T]:
        """Return values of arrays as values of servers, (servers,)."""
        racks = np.repeat(arrays, self._array_racks)
        return np.repeat(racks, self._rack_servers)[: self.scheduler.owner.shape[0]]

    def _paces(self, speed: Level, pace: Floats) -> Floats:
        """Return the pace of the slowest GPU of each GPU's job, (racks, GPUs a rack)."""
        owner = self.scheduler.owner
        slowest = np.append(self.scheduler.slowest(pace), 1.0)
        held = owner >= 0
        shape = (-1, self._rack_servers * owner.shape[1])
        own = slowest[np.where(held, owner, -1)].reshape(shape)
        return np.where(held.reshape(shape), own, speed).astype(np.float32)
