"""The replay of a measured power trace."""

from __future__ import annotations

import numpy as np

from twin.plant.performance import LINE_RATE, job_seconds, site_cost
from twin.plant.trace import PowerTrace
from twin.plant.units import Floats
from twin.plant.workload.demand import Demand, Health, JobProgress, Progress
from twin.plant.workload.levels import Levels
from twin.plant.workload.power_waveform import NO_COURSE
from twin.plant.workload.traffic import StepTraffic
from twin.site import Site

__all__ = ["TraceReplay"]


class TraceReplay:
    """Replays measured node power; node ``i`` is the job's server ``i``, repeated as needed.

    The GPUs get what is left of a node's power after the server's base load, so that
    the servers' DC power is the trace's as long as nothing throttles.
    """

    def __init__(self, site: Site, trace: PowerTrace) -> None:
        seconds = job_seconds(site)
        cost = site_cost(site)
        self.progress = Progress(step_seconds=seconds)
        self.course: Floats = NO_COURSE
        self._server, self._idle = site.server, site.gpu.power_idle_watts
        self._framebuffer = site.training.framebuffer_ratio
        self._trace = trace
        self._levels = Levels(site)
        self._order = (np.arange(site.servers) % trace.nodes).reshape(
            site.racks, site.servers_per_rack
        )
        self._time = 0.0
        self._plateau = float(np.median(trace.watts))
        # What is exchanged goes with the dips, so that a mean step sends what a step sends.
        traffic = StepTraffic(site, cost, seconds)
        mean = float(np.mean(self._dip(trace.watts.mean(axis=1))))
        exchanged = 2.0 * traffic.half * (LINE_RATE - traffic.quiet)
        self._quiet, self._exchanged = traffic.quiet, exchanged / max(mean, 1e-6)

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the measured demand at their end."""
        server = self._server
        self._time += dt
        watts = self._trace.at(self._time)
        share = (watts - server.base_power_watts) / (1 + server.base_power_per_gpu_watt)
        activity = (share / server.gpus - self._idle) / self._levels.span
        dip = float(self._dip(watts.mean()))
        network = min(LINE_RATE, self._quiet + self._exchanged * dip)
        self._report(dt, health)
        return Demand(
            activity=activity[self._order].astype(np.float32),
            wait=self._levels.wait,
            busy=1.0,
            compute=1.0 - 0.5 * dip,
            network=network,
            congestion=0.2 * dip,
            storage=0.002,
            framebuffer=self._framebuffer,
            present=1.0,
            measured=True,
        )

    def _dip(self, watts: Floats) -> Floats:
        """Return how deep in the dip at a step's boundary nodes are that draw this on average."""
        dip: Floats = np.clip(1.4 * (1 - watts / self._plateau), 0.0, 1.0)
        return dip

    @property
    def standing(self) -> JobProgress:
        """How much of the trace was replayed, in s."""
        return {"time": self._time}

    def follow(self, standing: JobProgress) -> None:
        """Go to the same place of the trace."""
        self._time = standing.get("time", self._time)

    def _report(self, dt: float, health: Health) -> None:
        progress = self.progress
        progress.elapsed_seconds += dt
        progress.pace = min(1.0, health.speed)
        progress.kept_seconds += dt * progress.pace
        progress.steps = int(progress.kept_seconds / progress.step_seconds)
