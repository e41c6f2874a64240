"""The jobs that share a site: each on racks of its own, all on one fabric and one storage.

Every job is told how *its* hardware is doing and asks for something of *its* racks; what
all of them ask for together is one :class:`Demand`. A job that has the whole site asks
with plain numbers; where there are several, or idle racks beside them, each number
becomes one a rack, (racks, 1), which broadcasts over whatever the rack holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from twin.catalog import served_by
from twin.catalog.job import OF_TOKENS
from twin.plant.units import Floats
from twin.plant.workload.choice import workload_of
from twin.plant.workload.demand import Demand, Health, JobProgress, Level, Progress, Workload
from twin.plant.workload.levels import Levels
from twin.plant.workload.serving import Serving
from twin.site import Layout, job_places
from twin.site.jobs import JobPlace

__all__ = ["JobRows", "Jobs", "ServedLoad"]


@dataclass(frozen=True, slots=True)
class JobRows:
    """Where a job stands in the plant's arrays.

    Attributes:
        racks: its rows in arrays of racks.
        arrays: rows of leaf switches that it hangs on, others perhaps too.
    """

    racks: slice
    arrays: slice

    @classmethod
    def of(cls, place: JobPlace) -> JobRows:
        """Return the rows of a job's racks and arrays."""
        return cls(
            slice(place.racks.start, place.racks.stop), slice(place.arrays.start, place.arrays.stop)
        )


@dataclass(frozen=True, slots=True)
class ServedLoad:
    """Requests to a job that serves.

    Attributes:
        job: its number.
        ratio: (racks, servers): requests over what the replicas of a server can serve.
        sound: whether the job's processes run.
        held: (racks, servers): where the job is now; None for everywhere.
    """

    job: int
    ratio: Floats
    sound: bool
    held: NDArray[np.bool_] | None = None


class Jobs:
    """All jobs of a site.

    Args:
        spec: what the training jobs run, see :func:`twin.plant.workload.workload_of`.
        layout: the site.
        rng: source of all randomness; with several jobs each has a stream of its own, so that
            an event in one does not affect the others.

    Attributes:
        rows: where each job stands.

    Raises:
        ConfigError: there is no such workload or trace.
    """

    def __init__(self, spec: str, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        places = job_places(site, spec)
        streams = [rng] if len(places) == 1 else rng.spawn(len(places))
        self._jobs: tuple[Workload, ...] = tuple(
            workload_of(place, own) for place, own in zip(places, streams, strict=True)
        )
        self.rows = tuple(JobRows.of(place) for place in places)
        self._site, self._places = site, places
        self._spans = [place.gpus * Levels(place.site).span for place in places]
        self._gpus = np.array([[place.gpus] for place in places], dtype=np.float64)
        self._shape = (site.racks, site.servers_per_rack)
        self._alone = [place.racks for place in places] == [range(site.racks)]

    @property
    def progress(self) -> tuple[Progress, ...]:
        """Report of each job."""
        return tuple(job.progress for job in self._jobs)

    @property
    def served(self) -> tuple[tuple[int, JobPlace], ...]:
        """Number and place of each job whose engines the site shows: those of the site file."""
        site = self._site
        return tuple(
            (number, place)
            for number, place in enumerate(self._places)
            if served_by(site, place.name) is not None
        )

    @property
    def served_loads(self) -> tuple[ServedLoad, ...]:
        """Requests to each of them."""
        return tuple(
            ServedLoad(number, job.wanted, job.sound)
            for number, _ in self.served
            for job in [self._jobs[number]]
            if isinstance(job, Serving)
        )

    @property
    def course(self) -> Floats:
        """Power of all jobs' GPUs above idle within the last step in W, at points evenly spaced.

        It is that of GPUs whose power is as the job asks: what heat, limits and noise make of
        it is in the mean over the step alone.
        """
        course: Floats = np.zeros(1)
        for job, span in zip(self._jobs, self._spans, strict=True):
            course = course + span * job.course
        return course

    def step(self, dt: float, healths: Sequence[Health]) -> Demand:
        """Advance all jobs by ``dt`` simulated seconds and return what they ask for together.

        Args:
            dt: step in s.
            healths: how the hardware of each job is doing.
        """
        demands = [job.step(dt, health) for job, health in zip(self._jobs, healths, strict=True)]
        return demands[0] if self._alone else self._together(demands)

    @property
    def standings(self) -> tuple[JobProgress, ...]:
        """Where each job stands, for other shards to follow."""
        return tuple(job.standing for job in self._jobs)

    def follow(self, standings: Sequence[JobProgress]) -> None:
        """Put each job where another shard says that it stands.

        Raises:
            KeyError: a standing is not complete.
            ValueError: they are of other jobs, or what one says cannot be.
        """
        for job, standing in zip(self._jobs, standings, strict=True):
            job.follow(standing)

    def over_racks(self, values: Sequence[Level], elsewhere: float = 0.0) -> Level:
        """Return a value of each job as a value of each rack, (racks, 1).

        Args:
            values: of the jobs; the only one is returned as it is when its job has the site.
            elsewhere: value of the racks that no job holds.
        """
        if self._alone:
            return values[0]
        level = np.full((self._shape[0], 1), elsewhere, dtype=np.float32)
        for rows, value in zip(self.rows, values, strict=True):
            level[rows.racks] = value
        return level

    def _together(self, demands: Sequence[Demand]) -> Demand:
        over = self.over_racks
        activity = np.zeros(self._shape, dtype=np.float32)
        flicker = np.zeros(self._shape, dtype=np.float32)
        saving = np.zeros((self._shape[0], 1), dtype=np.float32)
        for rows, demand in zip(self.rows, demands, strict=True):
            activity[rows.racks] = demand.activity
            flicker[rows.racks] = demand.flicker
            saving[rows.racks.start] = demand.saving
        return Demand(
            activity=activity,
            wait=over([demand.wait for demand in demands]),
            busy=over([demand.busy for demand in demands]),
            compute=over([demand.compute for demand in demands]),
            network=over([demand.network for demand in demands]),
            congestion=over([demand.congestion for demand in demands]),
            storage=over([demand.storage for demand in demands]),
            framebuffer=over([demand.framebuffer for demand in demands]),
            saving=saving,
            loading=over([demand.loading for demand in demands]),
            present=over([demand.present for demand in demands]),
            # Where no job is, activity is 0, and noise goes with activity.
            measured=any(demand.measured for demand in demands),
            fluctuates=any(demand.fluctuates for demand in demands),
            flicker=flicker,
        )

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's job class, (jobs, 1)."""
        rows = [_report(progress) for progress in self.progress]
        values = {
            name: np.array([[row[name]] for row in rows]).reshape(-1, 1)
            for name in _report(Progress())
        }
        values["gpus"] = self._gpus.reshape(-1, 1) - values["gpus"]
        return values


def _report(progress: Progress) -> dict[str, float]:
    """Return the signals of one job; as ``gpus`` those that it goes on without."""
    return {
        "state": float(progress.state),
        "steps": float(progress.steps),
        "step_seconds": progress.step_seconds,
        "goodput": progress.goodput,
        "checkpoints": float(progress.checkpoints),
        "interruptions": float(progress.interruptions),
        "stalled_seconds": progress.stalled_seconds,
        "gpus": float(progress.gpus_excluded),
        "pace": progress.pace,
        **{name: getattr(progress, name) if progress.has_tokens else nan for name in OF_TOKENS},
        **{f"lost_{cause}": seconds for cause, seconds in progress.lost.items()},
    }
