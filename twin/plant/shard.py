"""The plant in shards: the halls of some arrays, and the facility that serves them all.

They are the same halls and the same facility as those of :class:`twin.plant.Plant`, which
has both. Here they exchange a report and a feedback once a tick. All run the jobs, which
are the same everywhere; where one stands otherwise than the facility's, for example
because its shard has just begun, it falls in with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from twin.plant.chiller import WaterPlant
from twin.plant.conditions import Conditions
from twin.plant.facility import Facility
from twin.plant.hall_facility_link import Feedback, Flows, LoadReport
from twin.plant.halls import JOBS_STREAM, Halls, with_software
from twin.plant.ledger import Ledger, Report
from twin.plant.plant import parts_of
from twin.plant.sharing import Share, storage_wanted
from twin.plant.units import Floats
from twin.plant.workload import Health, Jobs
from twin.site import Layout, PartLayout

__all__ = ["FacilityPlant", "HallsPlant"]

_UNLIMITED = (np.inf, np.inf)


class HallsPlant:
    """The halls of some arrays of a site.

    Until it hears of the facility, and from the last that it heard when that falls silent, it
    goes on by itself.

    Args:
        layout: the whole site.
        arrays: those that it has, by their index on the site.
        seed: of every random number, the same for all shards.
        workload: what the training jobs run.
        epoch: unix time of the start.

    Attributes:
        layout: of its part of the site.
        time: simulated seconds since the start.
    """

    def __init__(
        self, layout: Layout, arrays: Sequence[int], seed: int, workload: str, epoch: float
    ) -> None:
        self.layout = PartLayout.of(layout, arrays)
        self.time = 0.0
        self.halls = Halls(self.layout, seed, workload)
        water = WaterPlant(layout)
        water.weather(epoch, 0.0)
        draw = self.halls.settle(water.supply, water.room_dew)
        self._feedback = Feedback(
            voltage_ratio=1.0,
            frequency=layout.site.grid.frequency_hertz,
            powered=np.ones(layout.site.racks, dtype=np.bool_),
            water=water.supply,
            dew=water.room_dew,
            air=layout.site.facility.air_celsius,
            storage=_UNLIMITED,
            healths=(Health(),) * len(layout.jobs),
            storage_levels=_UNLIMITED,
        )
        self._flows: tuple[Flows, ...] = (draw.flows,)
        self._draw = draw

    def take(self, feedback: Feedback) -> None:
        """Take over what the facility says of its last step.

        Raises:
            KeyError: it says too little of where a job stands.
            ValueError: what it says of that cannot be; nothing is taken over.
        """
        if feedback.standings is not None:
            self.halls.jobs.follow(feedback.standings)
        self._feedback = feedback
        self.halls.take(feedback)

    def step(self, dt: float, conditions: Conditions) -> None:
        """Advance by ``dt`` simulated seconds.

        Args:
            dt: in s.
            conditions: of these halls, see :meth:`own`.
        """
        parts = parts_of(dt)
        draws = [self.halls.step(dt / parts, self._feedback, conditions) for _ in range(parts)]
        self._flows = tuple(draw.flows for draw in draws)
        self._draw = replace(
            draws[-1],
            into_spines=np.sum([draw.into_spines for draw in draws], axis=0),
            from_spines=np.sum([draw.from_spines for draw in draws], axis=0),
            healths=tuple(
                replace(last, crashing=any(draw.healths[job].crashing for draw in draws))
                for job, last in enumerate(draws[-1].healths)
            ),
        )
        self.halls.sensors.sense(conditions)
        self.time += dt

    def own(self, conditions: Conditions) -> Conditions:
        """Return the conditions of a site as far as they are those of these halls."""
        return self.halls.own(conditions)

    def resume(self, epoch: float) -> None:
        """Go on after a pause; nothing here depends on the time of day."""

    def report(self, owned: Sequence[int]) -> Report:
        """Return what the facility has to know of the last tick.

        Args:
            owned: arrays that the shard speaks for, by their index on the site.
        """
        return Report(self.layout.numbers, tuple(owned), self._flows, self._draw)

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of its devices: class, then signal, to (units, devices)."""
        return self.halls.outputs()


class FacilityPlant:
    """What serves all arrays of a site, which others step.

    Args:
        layout: the whole site.
        seed: of every random number, the same for all shards.
        workload: what the training jobs run.
        epoch: unix time of the start.

    Attributes:
        layout: of what it has: no arrays.
        time: simulated seconds since the start.
    """

    def __init__(self, layout: Layout, seed: int, workload: str, epoch: float) -> None:
        self.layout = PartLayout.of(layout, (), facility=True)
        self._whole = layout
        self._epoch = epoch
        self.time = 0.0
        self.facility = facility = Facility(layout, seed, epoch)
        self.jobs = Jobs(workload, layout, np.random.default_rng([seed, JOBS_STREAM]))
        self._demand = self.jobs.step(1e-3, [Health()] * len(self.jobs.rows))
        part = PartLayout.of(layout, (0,))
        sample = Halls(part, seed, workload).settle(facility.water.supply, facility.water.room_dew)
        nothing = np.zeros((layout.fabric.planes, layout.fabric.spines))
        ports = tuple(job.gpus // layout.site.server.gpus for job in layout.jobs)
        self.ledger = Ledger(
            layout,
            replace(
                sample,
                into_spines=nothing,
                from_spines=nothing,
                healths=(Health(),) * len(layout.jobs),
                storage_ports=ports,
            ),
            part.rack_numbers,
        )
        self.settle(0)
        self._settled = False
        self._ports = ports

    def hear(self, source: str, report: Report, tick: int) -> None:
        """Take over what a shard reports of a tick."""
        self.ledger.hear(source, report, tick, self.facility.supply.powered)

    def settle(self, tick: int) -> None:
        """Let the facility have served for long what was reported of a tick."""
        self._settled = True
        self.facility.settle(self.ledger.draws(tick, 1, self.facility.supply.powered)[0])

    def step(self, dt: float, conditions: Conditions, tick: int) -> None:
        """Advance by ``dt`` simulated seconds.

        Args:
            dt: in s.
            conditions: of the site.
            tick: number of the tick, of which the reports are added up.
        """
        facility, parts = self.facility, parts_of(dt)
        # What is shed now was fed while the tick lasted that was reported.
        draws = self.ledger.draws(tick, parts, facility.supply.powered)
        if not self._settled and self.ledger.assumed < self._whole.site.racks:
            # Reports are better than the sample to begin with.
            self.settle(tick)
        facility.condition(conditions)
        healths = with_software(facility.feedback().healths, conditions)
        for draw in draws:
            self._demand = self.jobs.step(dt / parts, healths)
            shared = self._shared(draw)
            now, course = self._epoch + self.time, self.jobs.course
            facility.step(dt / parts, shared, conditions, now, course)
        self._ports = draws[-1].storage_ports
        self.time += dt

    def _shared(self, draw: LoadReport) -> LoadReport:
        """Return the draw with the pace at which each job gets at the storage."""
        write, _ = self._shares(draw.storage_ports)
        healths = tuple(
            replace(health, storage_speed=write.pace(slice(job, job + 1)))
            for job, health in enumerate(draw.healths)
        )
        return replace(draw, healths=healths)

    def _shares(self, ports: Sequence[int]) -> tuple[Share, Share]:
        """Return how the ports of all jobs share the storage, for writing and reading."""
        limits = self.facility.storage.limits
        wanted = storage_wanted(self._demand, self._whole.site.network)
        each = np.array(ports, dtype=float)[:, None]
        if not isinstance(self._demand.storage, np.ndarray):
            write, read = (
                Share.of(own, sum(ports), limit) for own, limit in zip(wanted, limits, strict=True)
            )
            return write, read
        first = [rows.racks.start for rows in self.jobs.rows]
        write, read = (
            Share.of(np.asarray(own)[first], each, limit)
            for own, limit in zip(wanted, limits, strict=True)
        )
        return write, read

    def own(self, conditions: Conditions) -> Conditions:
        """Return the conditions as they are: those of what stands in no array are whole."""
        return conditions

    def resume(self, epoch: float) -> None:
        """Go on after a pause: the start, by the clock of the weather, was at ``epoch``."""
        self._epoch = epoch

    def feedback(self) -> Feedback:
        """Return what the shards of the halls go by in their next tick."""
        write, read = self._shares(self._ports)
        return replace(
            self.facility.feedback(),
            storage_levels=(write.level, read.level),
            standings=self.jobs.standings,
        )

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of its devices: class, then signal, to (units, devices)."""
        return {**self.facility.outputs(), "job": self.jobs.outputs()}
