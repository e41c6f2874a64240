"""Summary of a run: energy, lost GPU hours, ride-through."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from twin.plant import Plant
from twin.site import Layout, job_places

__all__ = ["RunSummary", "RunTally"]

_JOULES_PER_KWH = 3.6e6
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Figures of a whole run; every one is an integral over its steps, not over its samples.

    Attributes:
        seconds: simulated time.
        energy_kwh: of the facility.
        it_energy_kwh: of the IT equipment, at its inlets.
        grid_energy_kwh: taken from the grid.
        pue: the facility's energy over that of the IT equipment.
        lost_gpu_hours: of the jobs of the site file: time that did not go into steps which were
            kept, times their GPUs.
        lost_gpu_hours_by_cause: the same by cause, as ``training_job_lost_seconds_total`` has them.
        outage_seconds: time without any feed of the grid.
        ride_through_seconds: from the first loss of the grid until load was unserved or a rack
            was shed; infinite where neither came, None where the grid was never lost.
        unserved_kwh: demand that no source could carry.
        most_shed_racks: greatest number of racks that were off for lack of power.
        hottest_gpu_celsius: highest temperature of a GPU's die.
    """

    seconds: float
    energy_kwh: float
    it_energy_kwh: float
    grid_energy_kwh: float
    pue: float
    lost_gpu_hours: float
    lost_gpu_hours_by_cause: Mapping[str, float]
    outage_seconds: float
    ride_through_seconds: float | None
    unserved_kwh: float
    most_shed_racks: int
    hottest_gpu_celsius: float

    def figures(self) -> dict[str, float | None]:
        """Return the figures as a flat row: those by cause as ``lost_gpu_hours_stall``."""
        row = asdict(self)
        causes = row.pop("lost_gpu_hours_by_cause")
        return row | {f"lost_gpu_hours_{cause}": hours for cause, hours in causes.items()}


class RunTally:
    """The sums of a run, step by step.

    Args:
        layout: the site.
        plant: before the first step.
    """

    def __init__(self, layout: Layout, plant: Plant) -> None:
        self._gpus = np.array([[float(place.gpus)] for place in job_places(layout.site)])
        self._lost = self._lost_hours(plant)
        self._grid_joules = float(plant.grid.energy.sum())
        self._joules = self._it_joules = self._unserved = 0.0
        self._outage = self.seconds = 0.0
        self._lost_at: float | None = None
        self._failed_at: float | None = None
        self._shed = 0
        self._hottest = -math.inf

    def add(self, plant: Plant, dt: float) -> None:
        """Add a step."""
        supply, meters = plant.supply, plant.meters
        self.seconds += dt
        self._joules += meters.total * dt
        self._it_joules += meters.it * dt
        self._unserved += supply.unserved * dt
        self._shed = max(self._shed, supply.shed)
        self._hottest = max(self._hottest, float(np.max(plant.gpus.die)))
        if not supply.on_grid:
            self._outage += dt
            self._lost_at = self.seconds - dt if self._lost_at is None else self._lost_at
        if self._failed_at is None and self._lost_at is not None:
            failed = supply.unserved > 0.0 or supply.shed > 0
            self._failed_at = self.seconds if failed else None

    def summary(self, plant: Plant) -> RunSummary:
        """Return the figures up to now."""
        now = self._lost_hours(plant)
        causes = {cause: now[cause] - self._lost[cause] for cause in now}
        ride = None
        if self._lost_at is not None:
            ride = math.inf if self._failed_at is None else self._failed_at - self._lost_at
        return RunSummary(
            seconds=self.seconds,
            energy_kwh=self._joules / _JOULES_PER_KWH,
            it_energy_kwh=self._it_joules / _JOULES_PER_KWH,
            grid_energy_kwh=(float(plant.grid.energy.sum()) - self._grid_joules) / _JOULES_PER_KWH,
            pue=self._joules / self._it_joules if self._it_joules > 0 else 1.0,
            lost_gpu_hours=sum(causes.values()),
            lost_gpu_hours_by_cause=causes,
            outage_seconds=self._outage,
            ride_through_seconds=ride,
            unserved_kwh=self._unserved / _JOULES_PER_KWH,
            most_shed_racks=self._shed,
            hottest_gpu_celsius=self._hottest,
        )

    def _lost_hours(self, plant: Plant) -> dict[str, float]:
        """Return the GPU hours that the jobs have lost since they began, by cause."""
        return {
            name.removeprefix("lost_"): float((values * self._gpus).sum()) / _SECONDS_PER_HOUR
            for name, values in plant.jobs.outputs().items()
            if name.startswith("lost_")
        }
