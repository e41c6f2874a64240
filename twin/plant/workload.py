"""What the training job asks of the hardware.

Three workloads: a synchronous training job (steps with an all-reduce at the boundary,
evaluations, checkpoints, start-up, stalls), the replay of a measured power trace, and
an idle site. All of them are told how the hardware is doing and answer with a
:class:`Demand`; time that a slow or missing GPU costs the job is lost for every GPU,
because the job is synchronous.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.errors import ConfigError
from twin.plant.trace import PowerTrace, load_trace, trace_names
from twin.plant.units import Floats
from twin.site import Site

__all__ = ["Demand", "Health", "IdleSite", "JobState", "Progress", "TraceReplay", "TrainingJob",
           "Workload", "workload_of"]  # fmt: skip


class JobState(IntEnum):
    """States of a job; the codes of the catalogue's ``training_job_state``."""

    IDLE = 0
    STARTING = 1
    TRAINING = 2
    EVALUATION = 3
    CHECKPOINT = 4
    STALLED = 5


@dataclass(frozen=True, slots=True)
class Health:
    """How the hardware that the job runs on is doing.

    Attributes:
        speed: the slowest GPU's clock over its full clock; a synchronous step takes
            as long as its slowest part.
        gpus_missing: GPUs that do not answer.
        links_down: NIC ports without link.
    """

    speed: float = 1.0
    gpus_missing: int = 0
    links_down: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of every GPU and NIC, as a mean over the step.

    Attributes:
        activity: (racks, servers) or (1, 1): dynamic power as a fraction of that on the
            plateau of a training step.
        wait: the activity of a GPU that waits for the others.
        busy: share of the time in which a kernel is resident (``GPU_UTIL``).
        compute: share of the time in which it computes rather than waits.
        network: mean use of the compute NICs as a fraction of line rate.
        congestion: mean excess of that use over the switches' marking threshold.
        storage: mean use of the storage NICs as a fraction of line rate.
        framebuffer: share of the framebuffer that is held.
        measured: True when ``activity`` is a measurement, which already has all noise.
    """

    activity: Floats
    wait: float
    busy: float
    compute: float
    network: float
    congestion: float
    storage: float
    framebuffer: float
    measured: bool = False


@dataclass(slots=True)
class Progress:
    """What the job says of itself; times in simulated seconds."""

    state: JobState = JobState.TRAINING
    steps: int = 0
    step_seconds: float = 0.0
    checkpoints: int = 0
    interruptions: int = 0
    stalled_seconds: float = 0.0
    kept_seconds: float = 0.0
    elapsed_seconds: float = 0.0

    @property
    def goodput(self) -> float:
        """Share of the time that went into steps which were kept."""
        return min(1.0, self.kept_seconds / self.elapsed_seconds) if self.elapsed_seconds else 1.0


class Workload(Protocol):
    """A workload: advanced by the plant, once a step."""

    progress: Progress

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the mean demand over them."""
        ...


class _Levels:
    """Activity of the named power states, from the GPU model's measured watts."""

    def __init__(self, site: Site) -> None:
        gpu = site.gpu
        span = gpu.power_training_watts - gpu.power_idle_watts
        self.wait = (gpu.power_wait_watts - gpu.power_idle_watts) / span
        self.context = (gpu.power_context_watts - gpu.power_idle_watts) / span
        self.span = span


_RAMP = 0.14
"""The plateau lasts from 0.14 to 0.86 of a step (MLPerf DC)."""
_BOUNDARY = 0.50
"""Activity at the step boundary, where all-reduce and optimizer run: about 4.4 kW a node."""
_MIDDLE = 0.86
"""Activity in the short dip halfway, which gives the 5.5 s line of the spectrum."""
_EVAL_ACTIVITY = 0.91
"""Activity during an evaluation: 402 kW against 434 kW an array (MLPerf DC)."""
_WAVE_X = (0.0, 0.03, _RAMP, 0.46, 0.5, 0.54, 1 - _RAMP, 0.97, 1.0)
_WAVE_Y = (_BOUNDARY, _BOUNDARY, 1.0, 1.0, _MIDDLE, 1.0, 1.0, _BOUNDARY, _BOUNDARY)
_QUIET_NETWORK = 0.08
"""Use of the compute NICs on the plateau; at the boundary it is 0.95."""
_BURST_NETWORK = 0.95
_BURST = 0.07
"""Half-width of the all-reduce burst around the boundary, as a fraction of a step."""
_SAMPLE_SECONDS = 0.1


class TrainingJob:
    """One synchronous training job over all GPUs of the site.

    Shape and levels follow the MLPerf v4.0 GPT-3 run on 512 H100; see
    :class:`twin.site.parameters.Training` for every number and its basis.
    """

    def __init__(self, site: Site, rng: np.random.Generator) -> None:
        self.progress = Progress()
        self._training = site.training
        self._levels = _Levels(site)
        self._threshold = site.network.mark_threshold_ratio
        self._rng = rng
        shape = (site.racks, site.servers_per_rack)
        # Nodes reach the boundary a little apart: pairwise correlation of node power is
        # 0.33 at 2 s in the measured run.
        self._offset = rng.normal(0.0, 0.012, shape).astype(np.float32)
        self._phase = float(rng.random())
        self._step_seconds = self._training.step_seconds
        self.progress.step_seconds = self._step_seconds
        self._since_checkpoint = 0.0
        self._until_eval = float(rng.uniform(0.2, 1.0)) * self._training.eval_every_seconds
        self._until_checkpoint = (
            float(rng.uniform(0.2, 1.0)) * self._training.checkpoint_every_seconds
        )
        self._remaining = 0.0
        self._lost = False

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the mean demand over them."""
        count = max(1, round(dt / _SAMPLE_SECONDS))
        h = dt / count
        phases: list[float] = []
        shares = dict.fromkeys(JobState, 0)
        network = congestion = 0.0
        for _ in range(count):
            state = self._advance(h, health)
            shares[state] += 1
            if state is JobState.TRAINING:
                phases.append(self._phase)
                use = self._network()
                network += use
                congestion += max(0.0, use - self._threshold) / (1 - self._threshold)
        self.progress.elapsed_seconds += dt
        return self._demand(count, phases, shares, network / count, congestion / count)

    # -- time -----------------------------------------------------------------

    def _advance(self, h: float, health: Health) -> JobState:
        """Advance by one sample and return the state that it was spent in."""
        progress = self.progress
        if self._blocked(h, health):
            return progress.state
        if progress.state in (JobState.IDLE, JobState.STARTING):
            self._launch(h)
        elif progress.state in (JobState.EVALUATION, JobState.CHECKPOINT):
            self._remaining -= h
            if self._remaining <= 0:
                progress.state = JobState.TRAINING
        else:
            progress.state = JobState.TRAINING
            self._train(h, health.speed)
        return progress.state

    def _blocked(self, h: float, health: Health) -> bool:
        """Stall while a device is missing; a lost GPU also costs the work since the checkpoint."""
        progress = self.progress
        if health.gpus_missing and not self._lost:
            self._lost = True
            progress.interruptions += 1
            progress.kept_seconds = max(0.0, progress.kept_seconds - self._since_checkpoint)
            self._since_checkpoint = 0.0
        running = progress.state not in (JobState.IDLE, JobState.STARTING)
        if health.gpus_missing or (health.links_down and running):
            progress.state = JobState.STALLED
            progress.stalled_seconds += h
            return True
        if self._lost:
            self._lost = False
            progress.state = JobState.IDLE
            self._remaining = self._training.restart_delay_seconds
        return False

    def _launch(self, h: float) -> None:
        self._remaining -= h
        if self._remaining > 0:
            return
        if self.progress.state is JobState.IDLE:
            self.progress.state = JobState.STARTING
            self._remaining = self._training.startup_seconds
        else:
            self.progress.state = JobState.TRAINING
            self._phase = 0.0

    def _train(self, h: float, speed: float) -> None:
        progress, training = self.progress, self._training
        self._phase += h * speed / self._step_seconds
        progress.kept_seconds += h
        self._since_checkpoint += h
        self._until_eval -= h
        self._until_checkpoint -= h
        if self._phase < 1.0:
            return
        # A step ends: only here do evaluations and checkpoints begin.
        self._phase -= 1.0
        progress.steps += 1
        progress.step_seconds = self._step_seconds / max(speed, 1e-3)
        jitter = float(self._rng.normal(0.0, training.step_jitter_seconds))
        self._step_seconds = max(0.5 * training.step_seconds, training.step_seconds + jitter)
        if self._until_checkpoint <= 0 and training.checkpoint_seconds > 0:
            self._until_checkpoint = training.checkpoint_every_seconds
            self._since_checkpoint = 0.0
            progress.checkpoints += 1
            progress.state, self._remaining = JobState.CHECKPOINT, training.checkpoint_seconds
        elif self._until_eval <= 0 and training.eval_seconds > 0:
            self._until_eval = training.eval_every_seconds
            progress.state, self._remaining = JobState.EVALUATION, training.eval_seconds

    # -- demand ---------------------------------------------------------------

    def _network(self) -> float:
        distance = min(self._phase, 1.0 - self._phase)
        return _BURST_NETWORK if distance < _BURST else _QUIET_NETWORK

    def _demand(
        self,
        count: int,
        phases: list[float],
        shares: dict[JobState, int],
        network: float,
        congestion: float,
    ) -> Demand:
        levels = self._levels
        flat = (
            shares[JobState.EVALUATION] * _EVAL_ACTIVITY
            + (shares[JobState.CHECKPOINT] + shares[JobState.STALLED]) * levels.wait
            + shares[JobState.STARTING] * levels.context
        )
        activity = np.full((1, 1), flat / count, dtype=np.float32)
        if phases:
            activity = activity + self._waveform(phases) * (len(phases) / count)
        computing = len(phases) + shares[JobState.EVALUATION]
        resident = count - shares[JobState.IDLE] - shares[JobState.STARTING]
        held = count - shares[JobState.IDLE]
        return Demand(
            activity=activity,
            wait=levels.wait,
            busy=resident / count,
            compute=computing / count,
            network=network,
            congestion=congestion,
            storage=(0.002 * computing + 0.5 * shares[JobState.CHECKPOINT]) / count,
            framebuffer=self._training.framebuffer_ratio * held / count,
        )

    def _waveform(self, phases: list[float]) -> Floats:
        """Return the mean activity of each server, (racks, servers)."""
        at = (np.asarray(phases, dtype=np.float32)[:, None, None] + self._offset) % 1.0
        mean: Floats = np.interp(at, _WAVE_X, _WAVE_Y).mean(axis=0)
        return mean


class TraceReplay:
    """Replays measured node power; node ``i`` of the trace is server ``i``, repeated as needed.

    The GPUs get what is left of a node's power after the server's base load, so that
    the servers' DC power is the trace's as long as nothing throttles.
    """

    def __init__(self, site: Site, trace: PowerTrace) -> None:
        self.progress = Progress(step_seconds=site.training.step_seconds)
        self._site = site
        self._trace = trace
        self._levels = _Levels(site)
        self._order = (np.arange(site.servers) % trace.nodes).reshape(
            site.racks, site.servers_per_rack
        )
        self._time = 0.0
        self._plateau = float(np.median(trace.watts))

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the measured demand at their end."""
        server, gpu = self._site.server, self._site.gpu
        self._time += dt
        watts = self._trace.at(self._time)
        share = (watts - server.base_power_watts) / (1 + server.base_power_per_gpu_watt)
        activity = (share / server.gpus - gpu.power_idle_watts) / self._levels.span
        dip = float(np.clip(1.4 * (1 - watts.mean() / self._plateau), 0.0, 1.0))
        network = _QUIET_NETWORK + (_BURST_NETWORK - _QUIET_NETWORK) * dip
        self._report(dt, health)
        return Demand(
            activity=activity[self._order].astype(np.float32),
            wait=self._levels.wait,
            busy=1.0,
            compute=1.0 - 0.5 * dip,
            network=network,
            congestion=0.2 * dip,
            storage=0.002,
            framebuffer=self._site.training.framebuffer_ratio,
            measured=True,
        )

    def _report(self, dt: float, health: Health) -> None:
        progress = self.progress
        progress.elapsed_seconds += dt
        progress.kept_seconds += dt * min(1.0, health.speed)
        progress.steps = int(progress.kept_seconds / progress.step_seconds)


class IdleSite:
    """A site without a job."""

    def __init__(self) -> None:
        self.progress = Progress(state=JobState.IDLE)

    def step(self, dt: float, health: Health) -> Demand:  # noqa: ARG002 - nothing to slow down
        """Return the demand of an idle site."""
        self.progress.elapsed_seconds += dt
        nothing: NDArray[np.float32] = np.zeros((1, 1), dtype=np.float32)
        return Demand(nothing, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def workload_of(spec: str, site: Site, rng: np.random.Generator) -> Workload:
    """Return the workload that ``spec`` names: ``training``, ``idle`` or ``trace:NAME``.

    Raises:
        ConfigError: there is no such workload or trace.
    """
    kind, _, name = spec.partition(":")
    if kind == "trace" and name:
        return TraceReplay(site, load_trace(name))
    if spec == "training":
        return TrainingJob(site, rng)
    if spec == "idle":
        return IdleSite()
    traces = ", ".join(f"trace:{known}" for known in trace_names())
    raise ConfigError(f"workload {spec!r} does not exist; choose training, idle or {traces}")
