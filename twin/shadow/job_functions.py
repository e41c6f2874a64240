"""Functions of the relations of training jobs: the time of a step from the clocks of its GPUs.

A synchronous step takes as long as its slowest part, so a job is held back by one GPU: then the
clock of the slowest explains what that of most does not. Where neither does, it is something else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import JOB_STATES, UnitKind
from twin.plant.performance import job_seconds
from twin.plant.units import Floats
from twin.shadow.functions import Expected, Memory
from twin.shadow.readings import LONGEST_GAP, Moment
from twin.site import Layout, job_places

__all__ = ["SLOWEST", "step_of_most", "step_of_slowest"]

SLOWEST = "slowest"
"""In the memory of a relation: index of the slowest GPU of each job, over all GPUs of the racks."""
_CODES = {name: code for code, name in JOB_STATES.items()}
_TRAINING = float(_CODES["training"])
_CLOCK_SECONDS = 60.0
"""Time constant over which clocks are averaged: they change within a step."""
_LEAST_TOLD = 0.95
"""Share of a job's GPUs whose clocks have to be known."""


def step_of_slowest(m: Moment, state: Memory) -> Expected:
    """Time of a step from the clock of the job's slowest GPU."""
    return _step(m, state, slowest=True)


def step_of_most(m: Moment, state: Memory) -> Expected:
    """Time of a step from the clock that the job's GPUs have in the middle."""
    return _step(m, state, slowest=False)


def _step(m: Moment, state: Memory, *, slowest: bool) -> Expected:
    layout = m.model.layout
    training = (m["job.state"] == _TRAINING)[:, 0]
    jobs = [m.model.jobs.of_job(name) for name in _names(layout)]
    clocks = _averaged(m, state, jobs, training)
    paces = np.full((len(jobs), 1), np.nan)
    index = np.zeros((len(jobs), 1))
    for job, servers in enumerate(jobs):
        own = np.flatnonzero(np.repeat(servers, layout.site.server.gpus, axis=1))
        values = clocks.reshape(-1)[own]
        there = np.isfinite(values)
        if own.size and there.mean() >= _LEAST_TOLD:
            index[job] = own[int(np.nanargmin(values))]
            paces[job] = values[there].min() if slowest else np.median(values[there])
    state[SLOWEST] = index
    nominal = state.get("nominal")
    if nominal is None:
        nominal = state["nominal"] = _nominal(layout)
    return Expected(0.0, nominal / np.maximum(paces, 1e-3), holds=training[:, None])


def _names(layout: Layout) -> list[str]:
    kind = UnitKind.JOB
    return [layout.unit_name(kind, unit) for unit in range(layout.units(kind))]


def _nominal(layout: Layout) -> Floats:
    """Return the time of a step of each job at full clock, by the site file, (jobs, 1)."""
    known = {place.name: job_seconds(place.site) for place in job_places(layout.site)}
    usual = job_seconds(layout.site)
    return np.array([[known.get(name, usual)] for name in _names(layout)])


def _averaged(
    m: Moment, state: Memory, jobs: list[NDArray[np.bool_]], training: NDArray[np.bool_]
) -> Floats:
    """Return the clocks of the GPUs over their greatest, averaged while their job trains."""
    ratio = m["gpu.sm_clock"] / m.model.gpu.sm_clock_max_mhz
    before = state.get("clock", np.full(ratio.shape, np.nan))
    site = m.model.layout.site
    works = np.zeros((site.racks, site.servers_per_rack), dtype=np.bool_)
    for servers, trains in zip(jobs, training, strict=True):
        works |= servers & trains
    takes = np.repeat(works, site.server.gpus, axis=1) & np.isfinite(ratio)
    # Jobs tell of themselves together; one that is silent does not move the others' time.
    passed = float(np.nanmedian(m.dt)) if np.isfinite(m.dt).any() else np.inf
    share = 1.0 if passed > LONGEST_GAP else -np.expm1(-passed / _CLOCK_SECONDS)
    moved = np.where(np.isnan(before), ratio, before + share * (ratio - before))
    clocks: Floats = np.where(takes, moved, before)
    state["clock"] = clocks
    return clocks
