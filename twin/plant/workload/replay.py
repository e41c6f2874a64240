"""The replay of a measured power trace."""

from __future__ import annotations

import numpy as np

from twin.plant.trace import PowerTrace
from twin.plant.units import Floats
from twin.plant.workload.demand import Demand, Health, JobProgress, Progress
from twin.plant.workload.levels import BURST_NETWORK, QUIET_NETWORK, Levels
from twin.plant.workload.power_waveform import NO_COURSE
from twin.site import Site

__all__ = ["TraceReplay"]


class TraceReplay:
    """Replays measured node power; node ``i`` is the job's server ``i``, repeated as needed.

    The GPUs get what is left of a node's power after the server's base load, so that
    the servers' DC power is the trace's as long as nothing throttles.
    """

    def __init__(self, site: Site, trace: PowerTrace) -> None:
        self.progress = Progress(step_seconds=site.training.step_seconds)
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

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the measured demand at their end."""
        server = self._server
        self._time += dt
        watts = self._trace.at(self._time)
        share = (watts - server.base_power_watts) / (1 + server.base_power_per_gpu_watt)
        activity = (share / server.gpus - self._idle) / self._levels.span
        dip = float(np.clip(1.4 * (1 - watts.mean() / self._plateau), 0.0, 1.0))
        network = QUIET_NETWORK + (BURST_NETWORK - QUIET_NETWORK) * dip
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
            measured=True,
        )

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
