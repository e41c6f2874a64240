"""Past of a fleet as readings: the values of every device at every step of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import device_class
from twin.clients.gridding import ScrapeGrid, on_grid, scrape_interval
from twin.clients.moments import shown_moment
from twin.clients.ranges import PastReader, TooManySamplesError
from twin.errors import ConfigError
from twin.fleet.columns import FleetColumns
from twin.fleet.identity import FleetNames
from twin.plant.units import Floats
from twin.shadow.readings import Moment, SiteModel, split
from twin.site import Layout

__all__ = ["FleetPast", "read_past"]

_TOGETHER = 10
"""Metrics that are asked for in one query."""
_LEAST_STEPS = 60


@dataclass(frozen=True, slots=True)
class FleetPast:
    """What a fleet measured.

    Attributes:
        start: unix seconds of the step before the first.
        step: seconds.
        values: of each reading, (steps, racks, devices), NaN where there is none.
        samples: that were read.
        unknown: hosts with GPUs that the site file does not have.
        warnings: what the server said beside its answers.
    """

    start: float
    step: float
    values: Mapping[str, Floats]
    samples: int = 0
    unknown: tuple[str, ...] = ()
    warnings: Sequence[str] = ()

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(next(iter(self.values.values())))

    def between(self, first: int, after: int) -> FleetPast:
        """Return the steps from ``first`` on, up to and without ``after``."""
        part = {name: values[first:after] for name, values in self.values.items()}
        return FleetPast(self.start + first * self.step, self.step, part)

    def moments(self, model: SiteModel) -> Iterator[Moment]:
        """Yield the readings of each step, as the relations take them."""
        racks = model.layout.site.racks
        known: dict[str, NDArray[np.bool_]] = {
            name: np.isfinite(values).any(axis=(0, 2)).reshape(-1, 1)
            for name, values in self.values.items()
        }
        for index in range(self.steps):
            dt = np.full((racks, 1), self.step if index else np.nan)
            yield Moment(model, {k: v[index] for k, v in self.values.items()}, known, dt)


def read_past(
    reader: PastReader,
    layout: Layout,
    readings: Sequence[str],
    start: float,
    end: float,
    step: float | None,
    most: int,
) -> FleetPast:
    """Return what the measured racks of a site measured.

    Args:
        reader: of their Prometheus.
        layout: the site.
        readings: that are wanted, such as ``gpu.power_usage``.
        start: unix seconds.
        end: unix seconds.
        step: seconds; None for the scrape interval.
        most: samples that memory is to hold.

    Raises:
        ConfigError: there is nothing of them, or too much.
        ServiceError: the server does not answer, or refuses.
    """
    columns = FleetColumns(layout, FleetNames(layout))
    metrics = columns.metrics_of({split(name) for name in readings})
    batches = [metrics[at : at + _TOGETHER] for at in range(0, len(metrics), _TOGETHER)]
    try:
        raw = reader.read([f'{{__name__=~"{"|".join(own)}"}}' for own in batches], start, end, most)
    except TooManySamplesError:
        raise ConfigError(
            f"the past has more than {most:,} samples of what is fitted; take a shorter one, or "
            "raise --most-samples"
        ) from None
    step = step or scrape_interval(raw)
    span = f"between {shown_moment(start)} and {shown_moment(end)} UTC"
    if step is None:
        raise ConfigError(
            f"Prometheus has nothing of the site's hosts {span}; are the server, the site file and "
            "--from the right ones?"
        )
    grid = ScrapeGrid.between(start, end, step)
    if grid.scrapes < _LEAST_STEPS:
        raise ConfigError(
            f"there are {grid.scrapes} samples of a series {span}, and a calibration needs "
            f"{_LEAST_STEPS}; take a longer past"
        )
    size = sum(int(np.prod(layout.shape(device_class(split(own)[0])))) for own in readings)
    if size * grid.scrapes > most:
        raise ConfigError(
            f"{size:,} values at {grid.scrapes:,} steps are more than {most:,} samples; take a "
            "shorter past or a longer --step, or raise --most-samples"
        )
    values, offsets = _empty(columns, layout, readings, grid)
    low, high = columns.bounds
    for own in raw:
        found = columns.find(own.labels)
        place = offsets[found.column] if found.column >= 0 else None
        if place is None or not np.isnan(found.code):
            continue
        name, index = place
        row = on_grid(own, grid) * found.factor
        row[(row < low[found.column]) | (row > high[found.column])] = np.nan
        flat = values[name].reshape(grid.scrapes, -1)
        flat[:, index] = np.where(np.isnan(row), flat[:, index], row)
    if not any(np.isfinite(own).any() for own in values.values()):
        raise ConfigError(
            f"none of the series {span} is of a host in the site file; capture the site again"
        )
    return FleetPast(
        start, step, values, reader.samples, tuple(sorted(columns.unknown)), reader.warnings
    )


def _empty(
    columns: FleetColumns, layout: Layout, readings: Sequence[str], grid: ScrapeGrid
) -> tuple[dict[str, Floats], list[tuple[str, int] | None]]:
    """Return values without any, and by its column the reading and place of each value."""
    values: dict[str, Floats] = {}
    offsets: list[tuple[str, int] | None] = [None] * columns.size
    for name in readings:
        device, signal = split(name)
        shape = layout.shape(device_class(device))
        values[name] = np.full((grid.scrapes, *shape), np.nan)
        part = columns.part(device, signal)
        for index, column in enumerate(range(part.start, part.stop)):
            offsets[column] = (name, index)
    return values, offsets
