"""Deployments: scheduled jobs that serve a model, and what their replicas ask of the hardware.

A job of such a kind holds whole servers, each with the replicas of its GPUs. While it runs, its
servers answer their share of the requests, more by day than by night, as a job of the site file
that serves does; it has no steps, exchanges nothing between servers and writes no checkpoints.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin.plant.scheduler.scheduler import Scheduler
from twin.plant.scheduler.table import BatchState
from twin.plant.units import Floats
from twin.plant.workload import Demand, Health, ServedLoad
from twin.plant.workload.serving import Serving
from twin.site import JobPlace, Layout, profile_of

__all__ = ["Deployments", "deployed_place"]


def deployed_place(layout: Layout) -> JobPlace | None:
    """Return where a site's scheduler can place what it serves; None where no kind serves.

    The place is that of one job which serves on all of the scheduler's racks.
    """
    site = layout.site
    name = next((kind.workload for kind in site.mix if kind.workload is not None), None)
    first = sum(job.racks for job in site.jobs)
    if not site.scheduled or name is None or first == site.racks:
        return None
    profile = profile_of(site, name)
    seen = site.model_copy(update={"racks": site.racks - first, "blocks": (), "jobs": ()})
    return JobPlace(name, name, range(first, site.racks), 0, seen, profile)


class Deployments:
    """The jobs of a scheduler that serve.

    Args:
        layout: the site.
        scheduler: whose jobs they are.
        place: see :func:`deployed_place`.
        rng: source of all randomness.
    """

    def __init__(
        self, layout: Layout, scheduler: Scheduler, place: JobPlace, rng: np.random.Generator
    ) -> None:
        site = layout.site
        profile = place.profile
        if profile is None:
            raise ValueError(f"workload {place.workload} has no profile")
        self.place = place
        self._scheduler = scheduler
        self._kinds = np.array([kind.workload is not None for kind in site.mix])
        self._startup = profile.serving.startup_seconds
        self._first = place.racks.start
        self._serving = Serving(place.site, rng, profile)
        self._shape = (site.racks, site.servers_per_rack)
        self._number = len(site.jobs)

    def over(self, demand: Demand, dt: float) -> Demand:
        """Return the demand of all jobs with that of those that serve in its place.

        Args:
            demand: of all jobs, as if all trained; levels have a number a GPU, a server or a rack.
            dt: step in s.
        """
        own = self._serving.step(dt, Health())
        held, ready = self.held
        if not held.any():
            return demand
        per_server = self._scheduler.owner.shape[1]
        idle, full = np.asarray(own.wait), self._whole(own.activity)
        gpus = np.repeat(held, per_server, axis=1)

        def at_gpus(level: Floats | float, before: object) -> Floats:
            values = np.broadcast_to(np.asarray(level, np.float32), self._shape)
            there = np.repeat(values * ready, per_server, axis=1)
            return np.where(gpus, there, np.asarray(before, np.float32))

        activity = np.where(ready, full, idle)
        return replace(
            demand,
            activity=np.where(gpus, np.repeat(activity, per_server, axis=1), demand.activity),
            wait=np.where(gpus, idle, demand.wait).astype(np.float32),
            busy=at_gpus(own.busy, demand.busy),
            compute=at_gpus(own.compute, demand.compute),
            framebuffer=np.where(gpus, own.framebuffer, demand.framebuffer).astype(np.float32),
            network=np.where(held, 0.0, demand.network).astype(np.float32),
            congestion=np.where(held, 0.0, demand.congestion).astype(np.float32),
            storage=demand.storage
            + (np.asarray(own.storage) * held).mean(axis=1, keepdims=True).astype(np.float32),
        )

    @property
    def held(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Servers that such a job runs on, and those of them that answer, (racks, servers)."""
        table, owner = self._scheduler.table, self._scheduler.owner[:, 0]
        serving = self._kinds[table.kind] & table.among(BatchState.RUNNING, BatchState.STALLED)
        held = np.append(serving, False)[np.maximum(owner, -1)] & (owner >= 0)
        started = np.append(table.done >= self._startup, False)[np.maximum(owner, -1)]
        return held.reshape(self._shape), (held & started).reshape(self._shape)

    @property
    def served_load(self) -> ServedLoad:
        """Requests to the servers of these jobs, as of one job on all of the scheduler's racks."""
        held = self.held[0][self._first :]
        return ServedLoad(self._number, self._serving.wanted * held, sound=True, held=held)

    def _whole(self, level: object) -> Floats:
        """Return a level of the scheduler's servers as one of all servers of the site."""
        values = np.zeros(self._shape, np.float32)
        values[self._first :] = np.asarray(level, np.float32)
        return values
