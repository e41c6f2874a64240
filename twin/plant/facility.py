"""The facility: the equipment that all arrays share.

One step goes spines → storage → water → air → Megapacks and grid, after the halls'. The
halls go by its feedback in their next step.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twin.plant.chiller import WaterPlant
from twin.plant.conditions import Conditions
from twin.plant.genset import Gensets
from twin.plant.grid import Grid, Meters
from twin.plant.hall_facility_link import Feedback, LoadReport
from twin.plant.halls import FABRIC_STREAM
from twin.plant.megapack import Megapacks
from twin.plant.power_oscillation import PowerOscillation
from twin.plant.room import Room
from twin.plant.storage import Storage
from twin.plant.supply import Supply
from twin.plant.switch import Spines
from twin.plant.units import FINE_STEP, Floats
from twin.plant.workload import Health
from twin.site import Layout

__all__ = ["Facility"]

_MEGAPACK_STREAM, _GRID_STREAM, _STORAGE_STREAM, _SYSTEM_STREAM = 5, 6, 21, 24


class Facility:
    """What serves all arrays of a site.

    Args:
        layout: the whole site.
        seed: of every random number.
        epoch: unix time of the start, of which the time of day counts for the weather.
    """

    def __init__(self, layout: Layout, seed: int, epoch: float) -> None:
        self._layout = layout
        self.spines = Spines(layout, np.random.default_rng([seed, FABRIC_STREAM]))
        self.storage = Storage(
            layout,
            np.random.default_rng([seed, _STORAGE_STREAM]),
            np.random.default_rng([seed, _SYSTEM_STREAM]),
        )
        self.water = WaterPlant(layout)
        self.water.weather(epoch, 0.0)
        self.room = Room(layout)
        self.megapacks = Megapacks(layout, np.random.default_rng([seed, _MEGAPACK_STREAM]))
        self.grid = Grid(layout, rng := np.random.default_rng([seed, _GRID_STREAM]))
        self.gensets = Gensets(layout, rng)
        self.supply = Supply(layout, self.grid, self.megapacks, self.gensets)
        self.meters = Meters(layout)
        self.ripple = PowerOscillation(layout)
        self._healths: tuple[Health, ...] = ()
        self._exhaust: float | None = None

    def settle(self, draw: LoadReport) -> None:
        """Start from halls that have drawn this for long."""
        network = self._network_power(draw)
        self.water.settle(*self._warmth(draw, _air_heat(draw, network)))
        self.supply.settle(self._meter(draw, network))
        self._healths = draw.healths
        self._exhaust = draw.flows.exhaust

    def condition(self, conditions: Conditions) -> None:
        """Take over how the storage is doing in the step to come."""
        live = self.supply.voltage_ratio > 0.0
        self.storage.condition(
            conditions.storage_speed,
            conditions.service_available & live,
            conditions.storage_filling,
        )

    def step(
        self, dt: float, draw: LoadReport, conditions: Conditions, now: float, course: Floats
    ) -> None:
        """Serve the halls for ``dt`` seconds.

        Args:
            dt: step in s.
            draw: of all halls of the site together.
            conditions: of the site.
            now: unix time.
            course: of the jobs' power within the step, see :class:`twin.plant.workload.Jobs`.
        """
        # A job's pace at the storage is of the step before, like all the rest of its health.
        speed, full = self.storage.speed, self.storage.full
        self._healths = draw.healths
        if full or speed != 1.0:
            self._healths = tuple(
                replace(health, storage_speed=speed * health.storage_speed, storage_full=full)
                for health in draw.healths
            )
        supply, flows = self.supply, draw.flows
        self._exhaust = flows.exhaust
        volts = supply.voltage_ratio
        live = volts > 0.0
        self.spines.step(draw.into_spines, draw.from_spines, conditions.spine_available & live, dt)
        self.storage.step(flows.stored, flows.loaded, dt)
        cooled = self._layout.site.water
        fed = volts >= cooled.dropout_voltage_ratio and (supply.on_grid or cooled.backed_up)
        network = self._network_power(draw)
        air = _air_heat(draw, network)
        self.water.step(*self._warmth(draw, air), conditions, now, dt, powered=fed and live)
        self.room.step(air, self.water.supply, dt, live=live)
        load = self._meter(draw, network)
        supply.step(load, draw.racks, conditions, dt)
        gensets = self.gensets.total
        smoothed = conditions.smoothing_enabled
        self.ripple.step(load, course, self.grid, self.megapacks, gensets, dt, smoothed)
        if dt <= FINE_STEP:
            self.meters.swing.add(load, dt)
            return
        for watts in self.ripple.load.seconds.tolist():
            self.meters.swing.add(watts, FINE_STEP)
        self.grid.swung(self.ripple.grid.seconds)

    def feedback(self) -> Feedback:
        """Return what the halls go by in their next step."""
        supply, storage = self.supply, self.storage
        return Feedback(
            voltage_ratio=supply.voltage_ratio,
            frequency=supply.frequency,
            powered=supply.powered,
            water=self.water.supply,
            dew=self.water.room_dew,
            air=self.room.air,
            storage=storage.limits,
            healths=self._healths,
        )

    def _network_power(self, draw: LoadReport) -> float:
        """Return the power of switches and service racks in W: IT beside the GPU racks."""
        return draw.flows.leaves + self.spines.power + self.storage.power

    def _warmth(self, draw: LoadReport, air: float) -> tuple[float, float]:
        """Return the heat into the facility water in W and its flow in L/min."""
        return draw.flows.rejected + air, draw.flows.water + self.room.flow

    def _meter(self, draw: LoadReport, network: float) -> float:
        it = draw.flows.it + network
        return self.meters.read(it, self.water.power, draw.flows.cdus)

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of what stands in no array but the jobs': class, then signal."""
        supply = self.supply
        return {
            "spine": self.spines.outputs(),
            "storage": self.storage.outputs(),
            "cpu": self.storage.cpu_outputs(),
            "megapack": self.megapacks.outputs(supply.voltage_ratio, supply.frequency),
            "genset": self.gensets.outputs(),
            "grid": self.grid.outputs(self.ripple.grid.bands),
            "facility": self.meters.outputs(
                self.water.supply, supply.unserved, supply.shed, self.ripple.load.bands
            ),
            "chiller": self.water.chiller_outputs(),
            "water": self.water.outputs(self.room.air, self._exhaust),
        }


def _air_heat(draw: LoadReport, network: float) -> float:
    """Return what the coolant leaves to the air, in W."""
    return draw.flows.it + draw.flows.cdus + network - draw.flows.absorbed
