"""Shard messages: the halls' load, and the facility's feedback.

Both are sent once a tick. They carry ``LoadReport`` and ``Feedback``, so
that shards exchange over the bus what the plant of a whole site exchanges in one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from twin.errors import FrameError
from twin.plant.hall_facility_link import Feedback, Flows, LoadReport
from twin.plant.ledger import Report
from twin.plant.units import Floats
from twin.plant.workload import Health
from twin.site import Layout, ranges
from twin.wire.messages import Few, Many, Message, Strict

__all__ = ["FacilityFeedback", "JobHealth", "ShardDraw"]

_Count = Annotated[int, Field(ge=0)]
_Positive = Annotated[float, Field(ge=0)]
_Ranges = Many[tuple[_Count, _Count]]
_MOST_PARTS = 4000
"""Steps of a second in a tick: more than an hour is no interval."""


class JobHealth(Strict):
    """How the hardware of a job is doing."""

    speed: _Positive
    """Clock of the slowest GPU over its full clock."""
    gpus_missing: _Count
    """GPUs that do not answer."""
    links_down: _Count
    """Ports without link."""
    network_speed: _Positive
    """Throughput of the slowest flow over that of a healthy fabric."""
    storage_speed: _Positive
    """Throughput of the storage over what the job would get of a healthy one by itself."""
    crashing: bool
    """Whether an error has just ended the application on one of its GPUs."""

    @classmethod
    def of(cls, health: Health) -> JobHealth:
        """Return the message for a job's health."""
        return cls.model_construct(**{name: getattr(health, name) for name in cls.model_fields})

    @property
    def health(self) -> Health:
        """The health that the message tells of."""
        return Health(**self.model_dump())


class ShardDraw(Message):
    """What the halls of a shard ask of the facility after a tick."""

    ts: _Positive
    """Simulated time at the end of the tick, unix seconds."""
    arrays: _Ranges
    """Arrays that the shard steps, counted from 0, as ranges with their first and last."""
    owned: _Ranges
    """Those of them that it speaks for."""
    flows: Annotated[
        Many[tuple[float, float, float, float, float, float, float, float]],
        Field(min_length=1, max_length=_MOST_PARTS),
    ]
    """For each step that the tick was cut into: power of servers, coolant units and leaf switches
    in W, heat absorbed and rejected by the coolant units in W, their facility water in L/min,
    what is written to and read from the storage in B/s."""
    racks: Many[_Positive]
    """Power of each rack at its PDUs in W."""
    spines: _Ranges
    """Spines of each plane with which its leaves exchanged anything."""
    into_spines: Many[_Positive]
    """Bytes that leaves sent to each of them in the tick, plane by plane."""
    from_spines: Many[_Positive]
    """Bytes that each of them sent to leaves."""
    jobs: Many[JobHealth]
    """How the hardware of each job of the site is doing, as far as it is the shard's."""
    storage_ports: Many[_Count]
    """Ports of each job that reach the storage."""

    @classmethod
    def of(cls, report: Report, ts: float) -> ShardDraw:
        """Return the message for a shard's report."""
        draw = report.draw
        used = np.nonzero((draw.into_spines + draw.from_spines).any(axis=0))[0]
        return cls.model_construct(
            ts=round(ts, 3),
            arrays=ranges(report.arrays),
            owned=ranges(report.owned),
            flows=tuple(flows.values for flows in report.flows),
            racks=tuple(np.round(draw.racks, 1).tolist()),
            spines=ranges(used.tolist()),
            into_spines=tuple(np.round(draw.into_spines[:, used]).ravel().tolist()),
            from_spines=tuple(np.round(draw.from_spines[:, used]).ravel().tolist()),
            jobs=tuple(JobHealth.of(health) for health in draw.healths),
            storage_ports=draw.storage_ports,
        )

    def report(self, layout: Layout) -> Report:
        """Return the report that the message holds.

        Args:
            layout: the whole site.

        Raises:
            FrameError: with the reason ``shape``, when it does not fit the site.
        """
        arrays = _numbers(self.arrays, layout.site.arrays, "arrays")
        owned = _numbers(self.owned, layout.site.arrays, "owned")
        shape = layout.fabric.planes, layout.fabric.spines
        used = _numbers(self.spines, shape[1], "spines")
        racks = sum(len(layout.racks_of(array)) for array in arrays)
        jobs = len(layout.jobs)
        _fit(self.racks, racks, "racks")
        _fit(self.jobs, jobs, "jobs")
        _fit(self.storage_ports, jobs, "storage_ports")
        if not set(owned) <= set(arrays):
            raise FrameError("shape", "owned: has arrays that are not among arrays")
        return Report(
            arrays=arrays,
            owned=owned,
            flows=tuple(Flows(*values) for values in self.flows),
            draw=LoadReport(
                flows=Flows(*self.flows[-1]),
                racks=np.array(self.racks),
                into_spines=_spread(self.into_spines, used, shape, "into_spines"),
                from_spines=_spread(self.from_spines, used, shape, "from_spines"),
                healths=tuple(job.health for job in self.jobs),
                storage_ports=self.storage_ports,
            ),
        )


class FacilityFeedback(Message):
    """What the facility gives to the shards of the halls after a tick."""

    ts: _Positive
    """Simulated time at the end of the tick, unix seconds."""
    voltage_ratio: _Positive
    """Voltage of the site's bus over nominal."""
    frequency: _Positive
    """Frequency of that bus in Hz."""
    shed: _Ranges
    """Racks that the energy management does not feed, counted from 0."""
    water: float
    """Facility water supply in °C."""
    dew: float
    """Dew point of the halls in °C."""
    air: float
    """Air that the handlers supply in °C."""
    storage: tuple[_Positive, _Positive]
    """What all storage servers together can write and read, in B/s."""
    storage_levels: tuple[_Positive | None, _Positive | None]
    """The most that one port gets of that, None where there is enough for all."""
    jobs: Many[JobHealth]
    """How the hardware of each job is doing, wherever it stands."""
    standings: Many[Few[float]]
    """Where each job stands."""

    @classmethod
    def of(cls, feedback: Feedback, ts: float) -> FacilityFeedback:
        """Return the message for the facility's feedback."""
        levels = feedback.storage_levels or (np.inf, np.inf)
        write, read = (float(level) if np.isfinite(level) else None for level in levels)
        return cls.model_construct(
            ts=round(ts, 3),
            voltage_ratio=feedback.voltage_ratio,
            frequency=feedback.frequency,
            shed=ranges(np.nonzero(~feedback.powered)[0].tolist()),
            water=float(feedback.water),
            dew=float(feedback.dew),
            air=float(feedback.air),
            storage=feedback.storage,
            storage_levels=(write, read),
            jobs=tuple(JobHealth.of(health) for health in feedback.healths),
            standings=tuple(dict(standing) for standing in feedback.standings or ()),
        )

    def feedback(self, layout: Layout) -> Feedback:
        """Return the feedback that the message holds.

        Args:
            layout: the whole site.

        Raises:
            FrameError: with the reason ``shape``, when it does not fit the site.
        """
        _fit(self.jobs, len(layout.jobs), "jobs")
        _fit(self.standings, len(layout.jobs), "standings")
        powered = np.ones(layout.site.racks, dtype=np.bool_)
        powered[list(_numbers(self.shed, layout.site.racks, "shed"))] = False
        write, read = (np.inf if level is None else level for level in self.storage_levels)
        return Feedback(
            voltage_ratio=self.voltage_ratio,
            frequency=self.frequency,
            powered=powered,
            water=self.water,
            dew=self.dew,
            air=self.air,
            storage=self.storage,
            healths=tuple(job.health for job in self.jobs),
            storage_levels=(write, read),
            standings=self.standings,
        )


def _numbers(spans: Iterable[tuple[int, int]], count: int, what: str) -> tuple[int, ...]:
    """Return the numbers of some ranges, of which there are ``count``."""
    found: list[int] = []
    for first, last in spans:
        if not (found[-1] if found else -1) < first <= last < count:
            raise FrameError("shape", f"{what}: {first} to {last} is no range of {count}")
        found += range(first, last + 1)
    return tuple(found)


def _fit(values: Sequence[object], count: int, what: str) -> None:
    if len(values) != count:
        raise FrameError("shape", f"{what}: has {len(values)} values, not {count}")


def _spread(
    values: Sequence[float], used: Sequence[int], shape: tuple[int, int], what: str
) -> Floats:
    _fit(values, shape[0] * len(used), what)
    spines: Floats = np.zeros(shape)
    spines[:, list(used)] = np.array(values).reshape(shape[0], len(used))
    return spines
