"""Power oscillation faster than a step: the site's power at 40 Hz.

Grid operators watch 0.1 to 20 Hz: below 1 Hz for oscillations between areas, up to 2.5 Hz
for those of generators nearby, from 7 Hz on for the shafts of turbines (arXiv 2508.14318).
The jobs tell how their power runs within a step, power smoothing takes its part of that, the rest
of the site goes evenly from one step's mean to the next's, and the Megapacks' inverters answer with
their lag: they take what is slow and let pass what is faster than they are.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.catalog import OSCILLATION_BANDS
from twin.plant.grid import Grid
from twin.plant.megapack import Megapacks
from twin.plant.power_smoothing import CourseSmoothing
from twin.plant.units import Floats, clamp, frozen, lag, mean_of
from twin.site import Layout

__all__ = ["PowerOscillation", "Spectrum"]

_BANDS = tuple(OSCILLATION_BANDS.values())
_POINTS_PER_SECOND = 40
_WINDOW_SECONDS = 60.0
_EXACT = 1e-6
_RECORDS = 128
"""Lengths of records whose window and bands are kept: one a second until there is a minute."""
_LEAST_SECONDS = 20.0
"""Shortest record that resolves 0.1 Hz."""


class Spectrum:
    """How much a power swings in each band, over the last minute."""

    def __init__(self) -> None:
        self._parts: deque[tuple[Floats, float]] = deque()
        self._seconds = 0.0

    def add(self, power: Floats, dt: float) -> None:
        """Take in what the power was, at points evenly spaced over ``dt`` seconds."""
        self._parts.append((power, dt))
        self._seconds += dt
        while self._seconds - self._parts[0][1] >= _WINDOW_SECONDS:
            self._seconds -= self._parts.popleft()[1]

    @property
    def seconds(self) -> Floats:
        """Means of what was added last, second by second."""
        power, dt = self._parts[-1]
        count = min(max(1, round(dt)), power.size)
        edges = np.linspace(0, power.size, count + 1).astype(np.intp)
        return np.add.reduceat(power, edges[:-1]) / np.diff(edges)

    @property
    def bands(self) -> Floats:
        """Root mean square of the swing in each of the catalogue's bands, in the power's unit.

        Zero until there is a record of 20 s. A Hann window keeps slow changes, which do not fit
        into the record, out of the bands. A minute resolves 1/60 Hz, so the first band has the
        0.094 Hz of a training step of 10.6 s in it.
        """
        if self._seconds < _LEAST_SECONDS:
            return np.zeros(len(_BANDS))
        power = np.concatenate([part for part, _ in self._parts])
        window, edges = _window_of(power.size), _edges_of(power.size, self._seconds)
        lines = np.abs(np.fft.rfft((power - power.mean()) * window)) ** 2
        lines *= 2.0 / (power.size * np.square(window).sum())
        return np.sqrt([lines[low:high].sum() for low, high in edges])


@lru_cache(maxsize=_RECORDS)
def _window_of(count: int) -> Floats:
    """Return the window of a record of so many points."""
    window = np.hanning(count)
    window.setflags(write=False)
    return window


@lru_cache(maxsize=_RECORDS)
def _edges_of(count: int, seconds: float) -> tuple[tuple[int, int], ...]:
    """Return the first and the last line, exclusive, of each band in a record's spectrum."""
    hertz = np.fft.rfftfreq(count, seconds / count)
    # Sums of steps are not exact, and a line on the edge of two bands belongs to the upper.
    edges = np.searchsorted(hertz * (1.0 + _EXACT), _BANDS)
    return tuple((int(low), int(high)) for low, high in edges)


def _even(before: float, after: float, count: int) -> Floats:
    """Return so many points evenly on the way from one value to another, the last of them there."""
    points = _numbers(count) * ((after - before) / count) + before
    points[-1] = after
    return points


@lru_cache(maxsize=_RECORDS)
def _numbers(count: int) -> Floats:
    """Return the numbers from 1 on, so many of them."""
    return frozen(np.arange(1.0, count + 1.0))


class PowerOscillation:
    """Follows the facility's power and the grid's import within the steps.

    Attributes:
        load: of the facility's power, before the Megapacks.
        grid: of the import of all feeds together.
    """

    def __init__(self, layout: Layout) -> None:
        site = layout.site
        server = site.server
        self._response = site.megapacks.response_seconds
        # From a watt in a GPU to the watts that it makes the facility draw.
        _, linear, square = server.psu_losses
        half_load = 1.0 + linear + square
        self._gain = (1.0 + server.base_power_per_gpu_watt) * half_load
        self._gain *= 1.0 + site.facility.loss_ratio
        self._smoothing = CourseSmoothing.of(site)
        self._base: float | None = None
        self._given = 0.0
        self.load, self.grid = Spectrum(), Spectrum()

    def step(
        self,
        load: float,
        course: Floats,
        grid: Grid,
        packs: Megapacks,
        gensets: float,
        dt: float,
        smoothed: NDArray[np.bool_] | None = None,
    ) -> None:
        """Follow the last ``dt`` seconds.

        Args:
            load: mean power of the facility in W.
            course: of the jobs' power within the step, see :class:`twin.plant.workload.Jobs`.
            grid: its feeds, after the step.
            packs: the Megapacks, after the step.
            gensets: power of all generators in W.
            dt: step in s.
            smoothed: servers whose power smoothing is as the site has it, None for all.
        """
        if self._smoothing is not None:
            share = float(smoothed.mean()) if smoothed is not None and smoothed.size else 1.0
            course = self._smoothing.step(course, share, dt)
        count = course.size if course.size > 1 else max(1, round(dt * _POINTS_PER_SECOND))
        jobs = self._gain * course
        base = load - mean_of(jobs)
        before = base if self._base is None else self._base
        self._base = base
        power = jobs + _even(before, base, count)
        self.load.add(power, dt)
        given = self._answer(power - load, packs, dt)
        closed = float(grid.connected)
        self.grid.add(closed * (power - given - gensets), dt)

    def _answer(self, apart: Floats, packs: Megapacks, dt: float) -> Floats:
        """Return what all Megapacks together give, point by point, in W.

        Args:
            apart: the load, less its mean over the step, for which they were asked, in W.
            packs: the Megapacks.
            dt: step in s.
        """
        give, take = packs.bounds
        share = lag(dt / apart.size, self._response)
        given, answers = self._given, []
        for asked in clamp(packs.asked + apart, -take, give).tolist():
            given += (asked - given) * share
            answers.append(given)
        self._given = given
        return np.array(answers)
