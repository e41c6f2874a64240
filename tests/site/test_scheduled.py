"""Figures of a scheduler: what is foretold is about what one finds."""

from __future__ import annotations

import numpy as np
import pytest

from twin.plant.scheduler import Scheduler
from twin.site import Layout, ScheduledFigures, load_site, parse_site


def test_jobs_at_a_time_are_about_as_many_as_foretold() -> None:
    """Over a day the mean number of jobs that run is that of the arithmetic, within a quarter."""
    layout = Layout(load_site("cluster-slurm"))
    scheduler = Scheduler(layout, np.random.default_rng(3))
    running = []
    for _ in range(2880):
        scheduler.step(30.0)
        running.append(int(scheduler.holding.sum()))
    figures = ScheduledFigures.of(layout)
    assert np.mean(running) == pytest.approx(figures.running, rel=0.25)
    assert scheduler._arrivals.submitted / 24 == pytest.approx(figures.an_hour, rel=0.25)


def test_figures_of_one_kind_are_exact() -> None:
    """Jobs of 8 GPUs on 64 that are half busy: four at a time, of 600 s each."""
    site = """
name: one
racks: 1
scheduler: {kind: kubernetes, load_ratio: 0.5, keep_seconds: 300}
job_mix: [{name: a, share: 3, gpus: [8], seconds: 600, spread: 0}]
"""
    figures = ScheduledFigures.of(Layout(parse_site(site, "test")))
    assert figures.running == pytest.approx(4)
    assert figures.pods == pytest.approx(4)
    assert figures.an_hour == pytest.approx(24)
    assert figures.gpus_an_hour == pytest.approx(192)
    assert figures.known == pytest.approx(6)
