"""Link between halls and facility: the values exchanged once a step.

The halls are all that stands in an array: GPUs, NICs, leaf switches, servers, PDUs, coolant
units. The facility is all that serves them together: spines, storage, water, air, Megapacks,
generators and the grid. A step of the halls goes by the feedback on the step before, as a
controller's answer always comes after what it measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats
from twin.plant.workload import Health

__all__ = ["Feedback", "Flows", "LoadReport"]


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
        exhaust: air out of the air-cooled servers over that of the handlers in K, None where there
            are none.
        stored: what is written to the storage in B/s.
        loaded: what is read from it in B/s.
    """

    it: float
    cdus: float
    leaves: float
    absorbed: float
    rejected: float
    water: float
    exhaust: float | None
    stored: float
    loaded: float


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What the halls ask of the facility after a step.

    Attributes:
        flows: what they took and gave.
        racks: power of each rack at its PDUs, (racks,) in W.
        into_spines: bytes that leaves sent to spines in the step, (planes, spines a plane).
        from_spines: bytes that spines sent to leaves, likewise.
        healths: how the hardware of each job is doing.
    """

    flows: Flows
    racks: Floats
    into_spines: Floats
    from_spines: Floats
    healths: tuple[Health, ...]


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
        healths: how the hardware of each job is doing.
    """

    voltage_ratio: float
    frequency: float
    powered: NDArray[np.bool_]
    water: float
    dew: float
    air: float
    storage: tuple[float, float]
    healths: tuple[Health, ...]

    @property
    def live(self) -> bool:
        """Whether there is voltage."""
        return self.voltage_ratio > 0.0
