"""Link between halls and facility: the values exchanged once a step.

The halls are all that stands in an array: GPUs, NICs, leaf switches, servers, PDUs, coolant
units. The facility is all that serves them together: spines, storage, water, air, Megapacks,
generators and the grid. In one process they hand these two to each other; shards send them
over the bus. A step of the halls goes by the feedback on the step before, as a controller's
answer always comes after what it measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats
from twin.plant.workload import Health

__all__ = ["Feedback", "Flows", "LoadReport", "worst"]


@dataclass(frozen=True, slots=True)
class Flows:
    """What the halls took and gave in one step, as sums over their arrays.

    Attributes:
        it: power of the servers at their inlets in W.
        cdus: power of the coolant units in W.
        leaves: power of the leaf switches in W.
        absorbed: heat that the servers give to the coolant in W.
        rejected: heat that the coolant units give to the facility water in W.
        water: facility water through the coolant units in L/min.
        stored: what is written to the storage in B/s.
        loaded: what is read from it in B/s.
    """

    it: float
    cdus: float
    leaves: float
    absorbed: float
    rejected: float
    water: float
    stored: float
    loaded: float

    @property
    def values(self) -> tuple[float, ...]:
        """All of them, in the order of the attributes."""
        return (self.it, self.cdus, self.leaves, self.absorbed, self.rejected, self.water,
                self.stored, self.loaded)  # fmt: skip

    @classmethod
    def total(cls, parts: Sequence[tuple[Flows, float]]) -> Flows:
        """Return the sum of some flows, each of which counts so many times."""
        columns = zip(*(part.values for part, _ in parts), strict=True)
        weights = [weight for _, weight in parts]
        return cls(
            *(sum(v * w for v, w in zip(column, weights, strict=True)) for column in columns)
        )


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What the halls ask of the facility after a step.

    Attributes:
        flows: what they took and gave.
        racks: power of each rack at its PDUs, (racks,) in W.
        into_spines: bytes that leaves sent to spines in the step, (planes, spines a plane).
        from_spines: bytes that spines sent to leaves, likewise.
        healths: how the hardware of each job is doing as far as it stands in these halls.
        storage_ports: ports of each job that reach the storage, from these halls.
    """

    flows: Flows
    racks: Floats
    into_spines: Floats
    from_spines: Floats
    healths: tuple[Health, ...]
    storage_ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the facility gives to the halls for their next step.

    Attributes:
        voltage_ratio: voltage of the site's bus over nominal.
        frequency: of that bus in Hz.
        powered: racks that the energy management feeds, (racks,).
        water: facility water supply in °C.
        dew: dew point of the halls in °C.
        air: air that the handlers supply in °C.
        storage: what all storage servers together can write and read, in B/s.
        storage_levels: the most that one port gets of that; None where the halls are whole
            and share it themselves.
        healths: how the hardware of each job is doing, wherever it stands.
        standings: where each job stands; None where the halls run the jobs themselves.
    """

    voltage_ratio: float
    frequency: float
    powered: NDArray[np.bool_]
    water: float
    dew: float
    air: float
    storage: tuple[float, float]
    healths: tuple[Health, ...]
    storage_levels: tuple[float, float] | None = None
    standings: tuple[Mapping[str, float], ...] | None = None

    def without_standings(self) -> Feedback:
        """Return all of it but where the jobs stand."""
        return replace(self, standings=None)

    @property
    def live(self) -> bool:
        """Whether there is voltage."""
        return self.voltage_ratio > 0.0


def worst(healths: Sequence[Health]) -> Health:
    """Return the health of a job whose hardware stands in several halls."""
    if not healths:
        return Health()
    first = healths[0]
    return replace(
        first,
        speed=min(health.speed for health in healths),
        gpus_missing=sum(health.gpus_missing for health in healths),
        links_down=sum(health.links_down for health in healths),
        network_speed=min(health.network_speed for health in healths),
        storage_speed=min(health.storage_speed for health in healths),
        crashing=any(health.crashing for health in healths),
    )
