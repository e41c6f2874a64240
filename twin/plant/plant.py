"""The plant: halls and facility of a whole site, and the order in which they act.

One step goes workload → GPUs → NICs → servers → cooling → facility → Megapacks →
grid. What flows back (a throttled GPU slows the job, lost coolant heats the GPUs)
takes effect in the next step, which is at most a second later. The plant is pure:
no clock, no I/O; simulated time is the sum of its steps and the same seed gives the
same bytes.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from twin.plant.conditions import Conditions
from twin.plant.device_model import MODELS
from twin.plant.facility import Facility
from twin.plant.halls import Halls
from twin.plant.units import FINE_STEP, Floats
from twin.site import Layout

__all__ = ["LONGEST_STEP", "Plant", "parts_of"]

_MODEL_STREAM = 1000
LONGEST_STEP = FINE_STEP
"""Seconds above which steps are cut: throttling acts within seconds."""


def parts_of(dt: float, longest: float = LONGEST_STEP) -> int:
    """Return into how many steps of at most ``longest`` so many seconds are cut."""
    return max(1, ceil(dt / longest - 1e-9))


class Plant:
    """The whole site as arrays.

    Args:
        layout: the site.
        seed: of every random number of the plant.
        workload: what the training jobs run: ``training``, ``idle`` or ``trace:NAME``.
        epoch: unix time of the start, of which the time of day counts for the weather.
        longest: longer steps are cut, in s; more than a second is for a plant without faults.

    Raises:
        ConfigError: there is no such workload.
    """

    def __init__(
        self,
        layout: Layout,
        seed: int = 0,
        workload: str = "training",
        epoch: float = 0.0,
        longest: float = LONGEST_STEP,
    ) -> None:
        self._epoch = epoch
        self.longest = longest
        """Seconds above which a step is cut."""
        self.time = 0.0
        """Simulated seconds since the start."""
        self.halls = halls = Halls(layout, seed, workload)
        self.facility = facility = Facility(layout, seed, epoch)
        self.jobs, self.gpus, self.neuron = halls.jobs, halls.gpus, halls.neuron
        self.nics, self.fabric, self.servers = halls.nics, halls.fabric, halls.servers
        self.cdus, self.sensors = halls.cdus, halls.sensors
        self.spines, self.storage = facility.spines, facility.storage
        self.water, self.room = facility.water, facility.room
        self.megapacks, self.gensets = facility.megapacks, facility.gensets
        self.grid, self.supply, self.meters = facility.grid, facility.supply, facility.meters
        self.ripple = facility.ripple
        facility.settle(halls.settle(self.water.supply, self.water.room_dew))
        self._models = [
            make(layout, np.random.default_rng([seed, _MODEL_STREAM, number]))
            for number, make in enumerate(MODELS)
        ]

    def step(self, dt: float, conditions: Conditions) -> None:
        """Advance by ``dt`` simulated seconds under ``conditions``."""
        parts = parts_of(dt, self.longest)
        for _ in range(parts):
            self._advance(dt / parts, conditions)
        self.halls.take(self.room.air, self.supply.voltage_ratio)
        self.sensors.sense(conditions)
        self.time += dt

    def resume(self, epoch: float) -> None:
        """Go on after a pause: the start, by the clock of the weather, was at ``epoch``."""
        self._epoch = epoch

    def _advance(self, dt: float, conditions: Conditions) -> None:
        facility = self.facility
        facility.condition(conditions)
        draw = self.halls.step(dt, facility.feedback(), conditions)
        facility.step(dt, draw, conditions, self._epoch + self.time, self.jobs.course)
        for model in self._models:
            model.step(dt, self.halls, facility, conditions)

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of the catalogue: class, then signal, to (units, devices).

        The arrays may be the plant's own: they are valid until the next step and must
        not be written to.
        """
        outputs = {**self.halls.outputs(), **self.facility.outputs(), "job": self.jobs.outputs()}
        for model in self._models:
            outputs.update({device: dict(own) for device, own in model.outputs().items()})
        return outputs
