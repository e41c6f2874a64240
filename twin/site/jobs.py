"""Placement of jobs on racks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from twin.parameters import JobParameters, WorkloadParameters
from twin.parameters.site import Site
from twin.site.profiles import profile_of

__all__ = ["JobPlace", "job_of", "job_places"]


@dataclass(frozen=True, slots=True)
class JobPlace:
    """A job, and the racks that it holds.

    Attributes:
        name: of the job.
        workload: ``training``, ``idle``, or that of ``profile``.
        racks: its racks, by their index on the site.
        priority: of its racks when power is short; the lowest goes without first.
        site: the site as the job sees it: its racks only, with the training parameters
            that are its own and the GPU model of its first rack.
        profile: of its workload, None for one that needs none.
    """

    name: str
    workload: str
    racks: range
    priority: int
    site: Site
    profile: WorkloadParameters | None = None

    @property
    def trains(self) -> bool:
        """Whether its GPUs take steps together."""
        kind = self.workload if self.profile is None else self.profile.kind
        return kind == "training"

    @property
    def arrays(self) -> range:
        """Arrays in which the job has a rack, by their index on the site."""
        size = self.site.racks_per_array
        return range(self.racks.start // size, (self.racks.stop - 1) // size + 1)

    @property
    def gpus(self) -> int:
        """GPUs of its racks."""
        return self.site.gpus


def job_of(site: Site, rack: int) -> str | None:
    """Return the name of the job that holds a rack, None where the rack is idle."""
    if not site.jobs:
        return next(iter(site.job_names), None)
    ends = accumulate(job.racks for job in site.jobs)
    return next((job.name for job, end in zip(site.jobs, ends, strict=True) if rack < end), None)


def job_places(site: Site, training: str = "training") -> tuple[JobPlace, ...]:
    """Return the jobs of a site in order of their racks.

    Args:
        site: whose jobs.
        training: what those run whose workload is ``training``.
    """
    if not site.jobs and site.scheduled:
        return ()  # all racks are the scheduler's
    if not site.jobs:
        alone, profile = site, profile_of(site, training)
        if profile is not None:
            alone = site.model_copy(update={"training": profile.training})
        name = site.job_names[0]
        return (JobPlace(name, training, range(site.racks), 0, alone, profile),)
    ends = accumulate(job.racks for job in site.jobs)
    return tuple(
        _placed(site, job, range(end - job.racks, end), training)
        for job, end in zip(site.jobs, ends, strict=True)
    )


def _placed(site: Site, job: JobParameters, racks: range, training: str) -> JobPlace:
    workload = training if job.workload == "training" else job.workload
    profile = profile_of(site, workload)
    usual = site.training if profile is None else profile.training
    own = {name: getattr(job.training, name) for name in job.training.model_fields_set}
    seen = {
        "racks": len(racks),
        "gpu": site.gpu_model(racks.start),
        "blocks": (),
        "jobs": (),
        "training": usual.model_copy(update=own),
    }
    seen_site = site.model_copy(update=seen)
    return JobPlace(job.name, workload, racks, job.priority, seen_site, profile)
