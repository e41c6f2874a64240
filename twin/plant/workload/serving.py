"""Inference serving: replicas that answer requests, more by day than by night.

Each server has its share of the requests. A replica that decodes reads all of its weights for
however few requests, so its power falls less than the load does; without any request it holds
its context and its memory and draws little more than at idle.
"""

from __future__ import annotations

from math import cos, exp, pi

import numpy as np

from twin.parameters import WorkloadParameters
from twin.plant.inference import replica_cost
from twin.plant.units import Floats, clamp
from twin.plant.workload.demand import Demand, Health, JobProgress, JobState, Progress
from twin.plant.workload.levels import Levels
from twin.plant.workload.power_waveform import NO_COURSE
from twin.plant.workload.quantiles import Fluctuation
from twin.site import Site

__all__ = ["Serving"]

_DAY_HOURS = 24.0
_NORMAL = tuple((share, place) for share, place in (
    (0.001, -3.09), (0.023, -2.0), (0.159, -1.0), (0.5, 0.0), (0.841, 1.0), (0.977, 2.0),
    (0.999, 3.09),
))  # fmt: skip
"""Quantiles of the normal distribution."""
_FRONT_BYTES = 6.0
"""Bytes on the storage NIC for a token of a request or an answer, est.: JSON and TLS."""
_STORAGE_QUIET = 5e-4
_LEAST_RATE = 1e-3


class Serving:
    """Replicas on all servers of the job's racks.

    A GPU that is lost takes its server's share to the others; no request is retried for ever, so
    nothing crashes with it.

    Args:
        site: as the job sees it.
        rng: source of all randomness.
        profile: of the workload.

    Attributes:
        sound: whether its processes run.
        wanted: (racks, servers): requests over what the replicas of a server can serve.
    """

    def __init__(self, site: Site, rng: np.random.Generator, profile: WorkloadParameters) -> None:
        serving = profile.serving
        self.progress = Progress(state=JobState.IDLE)
        self.course: Floats = NO_COURSE
        self._serving = serving
        self._gpus = site.gpus
        self._levels = Levels(site)
        shape = (site.racks, site.servers_per_rack)
        self._full = Fluctuation(
            shape, profile.activity, profile.memory_seconds, profile.together_ratio, rng
        )
        self._swing = Fluctuation(shape, _NORMAL, serving.swing_seconds, 0.0, rng)
        cost = replica_cost(site.gpu, serving)
        self._batch = cost.batch
        tokens = cost.requests_per_second * (serving.prompt_tokens + serving.output_tokens)
        replicas = max(1.0, site.server.gpus / serving.tensor_parallel)
        self._front = _FRONT_BYTES * tokens * replicas / site.network.bytes_per_second
        self._time = 0.0
        self.sound = True
        self.wanted: Floats = np.full(shape, self.load)

    @property
    def load(self) -> float:
        """Requests of now over what all replicas can serve."""
        serving = self._serving
        hour = serving.begin_hour + self._time / 3600.0
        swing = (1.0 - serving.night_ratio) / 2.0
        day = 1.0 - swing * (1.0 - cos(2.0 * pi * (hour - serving.peak_hour) / _DAY_HOURS))
        return serving.load_ratio * day

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the demand at their end."""
        serving, levels = self._serving, self._levels
        self._time += dt
        self._full.advance(dt)
        self._swing.advance(dt)
        self.progress.elapsed_seconds += dt
        up = 0.0 if health.crashing else 1.0
        left = 1.0 - min(1.0, health.gpus_missing / self._gpus)
        self.sound = not health.crashing
        swing: Floats = 1.0 + serving.swing_ratio * self._swing.level
        self.wanted = np.maximum(self.load * health.request_ratio * swing, 0.0)
        served = max(left * min(health.speed, health.network_speed), _LEAST_RATE)
        rate = clamp(self.wanted / served, 0.0, 1.0)
        # A batch has a Poisson number of requests; without any, no kernel runs.
        busy = 1.0 - np.exp(-rate * self._batch)
        full = self._full.level
        decoding = serving.decode_ratio + (1.0 - serving.decode_ratio) * rate
        context = levels.context
        activity = context + busy * (full * decoding - context)
        mean = float(rate.mean())
        return Demand(
            activity=(up * activity).astype(np.float32),
            wait=context,
            busy=up * (1.0 - exp(-mean * self._batch)),
            compute=up * mean,
            network=0.0,
            congestion=0.0,
            storage=up * (_STORAGE_QUIET + min(1.0, self._front * mean)),
            framebuffer=up * serving.framebuffer_ratio,
            present=up,
            fluctuates=True,
        )

    @property
    def standing(self) -> JobProgress:
        """What time of the day it is, in s since the begin."""
        return {"time": self._time}

    def follow(self, standing: JobProgress) -> None:
        """Go to the same time of the day.

        Raises:
            KeyError: it is missing in ``standing``.
        """
        self._time = standing["time"]
