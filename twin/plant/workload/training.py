"""The synchronous training job: its states, its time and its demand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twin.parameters import WorkloadParameters
from twin.plant.performance import LINE_RATE, job_seconds, site_cost
from twin.plant.units import Floats
from twin.plant.workload.demand import (
    LOSS_OF,
    Demand,
    Health,
    JobProgress,
    JobState,
    Loss,
    Progress,
)
from twin.plant.workload.held_memory import HeldMemory
from twin.plant.workload.levels import STORAGE_BURST, STORAGE_QUIET, Levels
from twin.plant.workload.power_waveform import (
    NO_COURSE,
    POINTS,
    Stretch,
    power_waveform_of,
    samples_together,
)
from twin.plant.workload.reaction import Reaction
from twin.plant.workload.steady import wave_of
from twin.plant.workload.step_activity import (
    Computing,
    StepActivity,
    TrainedStretches,
    state_activities,
    step_activity,
)
from twin.plant.workload.throughput import Throughput
from twin.plant.workload.traffic import Passage, StepTraffic
from twin.site import Site

__all__ = ["TrainingJob"]

_SAMPLE_SECONDS = 0.2
_LEAST_PACE = 1e-3
_HALF = 0.5
_COMPUTING = (JobState.TRAINING, JobState.EVALUATION)
_RUNNING = (JobState.TRAINING, JobState.EVALUATION, JobState.CHECKPOINT, JobState.STALLED)
_STANDING = ("phase", "begun", "step_seconds", "since_checkpoint", "until_eval",
             "until_checkpoint", "remaining", "doomed", "waited", "excluded")  # fmt: skip
"""What of a job, beside its state, decides what it does next."""


@dataclass(slots=True)
class _Tally:
    """What a plant step was spent on.

    Attributes:
        trained: parts of the job's steps.
        shares: samples in each state.
        network: sum of the use of the compute NICs.
        congestion: sum of its excess over the marking threshold.
        framebuffer: sum of the share of the framebuffer that is held.
        course: what was done when.
    """

    trained: TrainedStretches = field(default_factory=TrainedStretches)
    shares: dict[JobState, int] = field(default_factory=lambda: dict.fromkeys(JobState, 0))
    network: float = 0.0
    congestion: float = 0.0
    framebuffer: float = 0.0
    course: list[Stretch] = field(default_factory=list)


class TrainingJob:
    """One synchronous training job over all GPUs of its racks.

    A device that is lost leaves all other ranks waiting in a collective (stalled) until
    the collective times out; then the job crashes, waits for the device or goes on
    without its server, starts, loads its last checkpoint and does the work since then
    again. A link that comes back before the time-out costs only the wait.

    Shape and levels follow the MLPerf v4.0 GPT-3 run on 512 H100; see
    :class:`twin.parameters.Training` for every number and its basis.
    """

    def __init__(
        self, site: Site, rng: np.random.Generator, profile: WorkloadParameters | None = None
    ) -> None:
        training = site.training
        self._training = training
        self._gpus = site.gpus
        self._levels = Levels(site)
        self._threshold = site.network.mark_threshold_ratio
        self._rng = rng
        shape = (site.racks, site.servers_per_rack)
        # A stream of its own: all other draws stay what they are.
        self._reaction = Reaction(shape, rng.spawn(1)[0])
        self._wave = wave_of(shape, profile, rng, job_seconds(site))
        self._phase = float(rng.random())
        self._begun = self._phase
        cost = site_cost(site)
        self._nominal = self._step_seconds = job_seconds(site)
        self._traffic = StepTraffic(site, cost, self._nominal)
        self._memory = HeldMemory(site, cost)
        storage = site.server.gpus * cost.saved_bytes / site.network.bytes_per_second
        self._reading = min(1.0, storage / max(training.reload_seconds, 1.0))
        self.progress = Progress(step_seconds=self._nominal)
        self._throughput = Throughput(cost, profile, self._gpus, self.progress)
        self._since_checkpoint = self._remaining = self._waited = 0.0
        self._until_eval = float(rng.uniform(0.2, 1.0)) * training.eval_every_seconds
        self._until_checkpoint = float(rng.uniform(0.2, 1.0)) * training.checkpoint_every_seconds
        self._carried = 0.0
        self._together = 1
        self._resume = JobState.TRAINING
        self._doomed = False
        self._excluded = 0
        self._tally = _Tally()
        self._passage = Passage(self._phase, 0.0, 0.0)
        self._moved = self._worked = 0.0
        self._flow = 1.0
        """Pace of the communication, over that on a healthy fabric."""
        self.course: Floats = NO_COURSE

    def step(self, dt: float, health: Health) -> Demand:
        """Advance by ``dt`` simulated seconds and return the mean demand over them."""
        each = self._together = samples_together(dt, _SAMPLE_SECONDS, self._nominal)
        count = max(1, round(dt / _SAMPLE_SECONDS)) // each
        h = dt / count
        self._flow = min(1.0, max(_LEAST_PACE, health.network_speed))
        tally = self._tally = _Tally()
        self._begun = self._phase
        self._wave.advance(dt)
        pace = self.progress.pace = max(_LEAST_PACE, min(health.speed, health.input_ratio))
        for _ in range(count):
            dips, phase = self._wave.dips, self._phase
            state = self._advance(h, pace, health)
            moved = self._moved if state is JobState.TRAINING else 0.0
            tally.course.append((state, dips, phase, moved))
            tally.shares[state] += 1
            tally.framebuffer += self._memory.in_state(state, self._remaining)
            self._account(state, h)
            self._communicate(state, h)
        self._close(self._phase)
        self.progress.elapsed_seconds += dt
        fed = min(1.0, health.input_ratio)
        self._reaction.begin(works=self.progress.state in _COMPUTING)
        shares = {state: number / count for state, number in tally.shares.items()}
        training, evaluation = shares[JobState.TRAINING], shares[JobState.EVALUATION]
        means = tally.trained.means(self._wave.plateau, self._levels.wait, training, dt)
        computing = Computing(training, evaluation, fed, *means)
        speed = min(1.0, health.speed)
        level, depth = state_activities(computing, self._levels, self._wave, speed)
        course = power_waveform_of(tally.course, level, depth, each * POINTS)
        self.course = self._reaction.course(course, dt)
        return self._demand(count, dt, shares, computing)

    # -- elsewhere ------------------------------------------------------------

    @property
    def standing(self) -> JobProgress:
        """Its state, and all times and counts that decide when the next one comes."""
        return {
            "state": float(self.progress.state),
            "resume": float(self._resume),
            **self._wave.common,
            **{name: float(getattr(self, f"_{name}")) for name in _STANDING},
        }

    def follow(self, standing: JobProgress) -> None:
        """Take over where the job stands elsewhere; what was drawn at random stays its own.

        Raises:
            KeyError: something is missing in ``standing``.
            ValueError: a value in it is impossible; the state stays unchanged.
        """
        state, resume = JobState(int(standing["state"])), JobState(int(standing["resume"]))
        kinds = {name: type(getattr(self, f"_{name}")) for name in _STANDING}
        values = {name: kind(standing[name]) for name, kind in kinds.items()}
        self._wave.follow(standing)
        self.progress.state, self._resume = state, resume
        for name, value in values.items():
            setattr(self, f"_{name}", value)

    # -- states ---------------------------------------------------------------

    def _advance(self, h: float, pace: float, health: Health) -> JobState:
        """Advance by one sample and return the state that it was spent in."""
        state = self.progress.state
        missing = health.gpus_missing + health.links_down
        self._excluded = min(self._excluded, missing)
        # GPUs that are back work again, as elastic launchers take them in.
        progress = self.progress
        progress.gpus_excluded = min(progress.gpus_excluded, health.gpus_missing)
        if state not in _RUNNING:
            self._return(h, health, missing)
            return state
        if health.crashing:
            self._crash()
            return JobState.CRASHED
        if self._blocked(h, health, missing):
            return JobState.STALLED
        state = self.progress.state
        self._until_eval -= h
        self._until_checkpoint = min(self._until_checkpoint, health.checkpoint_every) - h
        if state is JobState.TRAINING:
            self._train(h, pace, full=health.storage_full)
        else:
            saving = state is JobState.CHECKPOINT
            self._remaining -= h * (health.storage_speed if saving else 1.0)
            if self._remaining <= 0:
                self.progress.state = JobState.TRAINING
                # Samples of a second end late: the next pause is that much shorter.
                self._carried = self._remaining if self._together > 1 else 0.0
        return state

    def _blocked(self, h: float, health: Health, missing: int) -> bool:
        """Wait while a rank does not answer; crash when the collective times out."""
        progress = self.progress
        # A GPU that was gone has lost the job's memory, and a hang never ends by itself.
        lost = health.gpus_missing > 0 and missing > self._excluded
        if (lost or health.hanging) and not self._doomed:
            self._doomed = True
            progress.interruptions += 1
        if not self._doomed and missing <= self._excluded:
            if progress.state is JobState.STALLED:
                progress.state, self._waited = self._resume, 0.0
            return False
        if progress.state is not JobState.STALLED:
            self._resume, progress.state, self._waited = progress.state, JobState.STALLED, 0.0
        progress.stalled_seconds += h
        self._waited += h
        if self._waited >= self._training.detect_seconds:
            self._crash()
        return True

    def _crash(self) -> None:
        """End the job's processes; the work since the last checkpoint is lost."""
        progress = self.progress
        progress.interruptions += 0 if self._doomed else 1
        progress.kept_seconds -= self._since_checkpoint
        progress.lost[Loss.REWORK] += self._since_checkpoint
        self._since_checkpoint = 0.0
        self._doomed = False
        self._waited = 0.0
        self._to(JobState.CRASHED, self._training.restart_delay_seconds)

    def _return(self, h: float, health: Health, missing: int) -> None:
        """Go on from the crash through start-up and loading to training."""
        progress, training = self.progress, self._training
        loading = progress.state is JobState.LOADING
        self._remaining -= h * (health.storage_speed if loading else 1.0)
        self._waited += h
        if progress.state in (JobState.STARTING, JobState.LOADING):
            if missing > self._excluded or health.hanging:
                self._waited = 0.0
                self._to(JobState.CRASHED, training.restart_delay_seconds)
            elif self._remaining <= 0 and progress.state is JobState.STARTING:
                self._to(JobState.LOADING, training.reload_seconds)
            elif self._remaining <= 0:
                self._phase = self._begun = 0.0
                self._to(JobState.TRAINING, 0.0)
        elif self._remaining <= 0 and (missing == 0 or self._can_do_without(health)):
            self._excluded = missing
            progress.gpus_excluded = health.gpus_missing
            self._to(JobState.STARTING, training.startup_seconds)

    def _can_do_without(self, health: Health) -> bool:
        """Whether the job has waited long enough for what is missing, and has any GPU left."""
        waited = self._waited >= self._training.replace_seconds
        return waited and health.gpus_missing < self._gpus

    def _pause(self, state: JobState, seconds: float) -> None:
        left, self._carried = seconds + self._carried, 0.0
        if left > 0.0:
            self._to(state, left)
        else:
            self._carried = left

    def _to(self, state: JobState, seconds: float) -> None:
        self.progress.state, self._remaining = state, seconds

    def _train(self, h: float, pace: float, *, full: bool) -> None:
        progress, training = self.progress, self._training
        before = self._phase
        passage = self._passage = self._traffic.passage(
            before, h, pace / self._step_seconds, self._flow
        )
        self._phase = passage.phase
        self._moved = passage.phase - before
        # Where no fabric delays it, without the rounding of places in a step.
        undelayed = h * min(1.0, pace)
        moved = self._moved * self._step_seconds
        self._worked = undelayed if self._flow >= 1.0 else min(undelayed, moved)
        if before < _HALF <= self._phase:  # far from both boundaries
            self._close(_HALF)
            self._wave.draw()
        if self._phase < 1.0:
            return
        # A step ends: only here do evaluations and checkpoints begin.
        self._close(1.0)
        self._begun = 0.0
        progress.steps += 1
        progress.step_seconds = self._step_seconds / pace * (1 + self._traffic.slowdown(self._flow))
        self._throughput.count(progress)
        jitter = float(self._rng.normal(0.0, training.step_jitter_seconds))
        self._phase -= 1.0
        self._step_seconds = max(_HALF * self._nominal, self._nominal + jitter)
        if self._until_checkpoint <= 0 and training.checkpoint_seconds > 0:
            self._until_checkpoint = training.checkpoint_every_seconds
            if full:
                self._crash()  # as torch.save does without space
                return
            self._since_checkpoint = 0.0
            progress.checkpoints += 1
            self._pause(JobState.CHECKPOINT, training.checkpoint_seconds)
        elif self._until_eval <= 0.5 * self._nominal and training.eval_seconds > 0:
            # From this one on, so that every so many whole steps are evaluated, as trainers do.
            self._until_eval = max(training.eval_every_seconds, self._nominal)
            self._pause(JobState.EVALUATION, training.eval_seconds)

    def _account(self, state: JobState, h: float) -> None:
        """Book the sample: kept, or lost and why."""
        progress = self.progress
        if state is JobState.TRAINING:
            done = self._worked
            progress.kept_seconds += done
            self._since_checkpoint += done
            progress.lost[Loss.SLOW] += h - done
        else:
            progress.lost[LOSS_OF[state]] += h

    # -- demand ---------------------------------------------------------------

    def _close(self, end: float) -> None:
        """Add the stretch of a step that ends at this place."""
        start, end = self._begun, min(end, 1.0)
        self._begun = end
        if end <= start:
            return
        if start >= _HALF:
            # The second half belongs to the boundary ahead.
            start, end = start - 1.0, end - 1.0
        part = self._wave.over(start, end, self._levels.wait)
        self._tally.trained.add(part, end - start, self._step_seconds / self.progress.pace)

    def _communicate(self, state: JobState, h: float) -> None:
        """Book what the NICs send in a sample."""
        tally, traffic, flow = self._tally, self._traffic, self._flow
        if state is JobState.TRAINING:
            passage = self._passage
            tally.network += min(passage.use, 1.0)
            excess = max(0.0, LINE_RATE - self._threshold) / (1 - self._threshold)
            tally.congestion += excess / flow * passage.burst
            if flow < 1.0:
                # What the fabric delays the GPUs spend waiting.
                tally.trained.delay(max(0.0, h - self._worked / self.progress.pace))
        elif state is JobState.EVALUATION:
            tally.network += min(traffic.evaluating, LINE_RATE * flow)
        elif state is JobState.LOADING:
            tally.network += min(traffic.loading, LINE_RATE * flow)

    def _demand(
        self, count: int, dt: float, shares: dict[JobState, float], computing: Computing
    ) -> Demand:
        tally, fed = self._tally, computing.fed
        training, evaluation = computing.training, computing.evaluation
        saving, loading = shares[JobState.CHECKPOINT], shares[JobState.LOADING]
        at_work = fed * (training + evaluation)
        away = tally.shares[JobState.IDLE] + tally.shares[JobState.CRASHED]
        held = (count - away) / count
        starting = tally.shares[JobState.STARTING] + tally.shares[JobState.LOADING]
        activity = self._activity(shares, computing)
        return Demand(
            activity=self._reaction.activity(activity.whole, dt),
            wait=self._levels.wait,
            # Without input no kernel runs at all; a rank that waits for others spins in one.
            busy=(count - away - starting) / count - (1 - fed) * (training + evaluation),
            compute=at_work,
            network=tally.network / count,
            congestion=tally.congestion / count,
            storage=STORAGE_QUIET * at_work + STORAGE_BURST * saving,
            framebuffer=tally.framebuffer / count,
            saving=saving,
            loading=self._reading * loading,
            present=held,
            fluctuates=True,
            flicker=activity.flicker,
        )

    def _activity(self, shares: dict[JobState, float], computing: Computing) -> StepActivity:
        """Return the mean activity of each server."""
        levels, unfed = self._levels, 1 - computing.fed
        flat = (
            (shares[JobState.CHECKPOINT] + shares[JobState.STALLED]) * levels.wait
            + (shares[JobState.STARTING] + shares[JobState.LOADING]) * levels.context
            + unfed * (computing.training + computing.evaluation) * levels.context
        )
        return step_activity(flat, computing, self._wave)
