"""Heat paths of the servers: into coolant units, or into the air.

A site has racks that liquid cools, racks that air cools, or both. A coolant unit exists for the
former only, fans that matter for the latter only; what either knows is spread here over all
racks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.plant.air import AirStreams
from twin.plant.conditions import Conditions
from twin.plant.cooling import Cdus
from twin.plant.gpu import Gpus
from twin.plant.hall_facility_link import Feedback
from twin.plant.server import Servers
from twin.plant.units import Floats, Kept
from twin.plant.workload import Demand
from twin.site import Layout, Site

__all__ = ["HeatPaths", "PlateShares"]

_ROUNDS = 40
"""How often temperatures and fans of a site that has run for long are made to agree."""
_LEAST_RISE = 1e-3
_OF_UNITS = ("pump_available", "pump_head", "cdu_psu_ok", "filter_resistance", "exchanger_fouling",
             "coolant_leak", "valve_stuck_at", "coolant_supply_offset",
             "coolant_flow_ratio")  # fmt: skip
"""Conditions of coolant units."""


class HeatPaths:
    """Coolant units and fans of a site, and how they stand to its GPUs and servers.

    Args:
        layout: the site.
        units: source of the coolant units' randomness.
        fans: source of the fans' randomness.
    """

    def __init__(
        self, layout: Layout, units: np.random.Generator, fans: np.random.Generator
    ) -> None:
        site = layout.site
        self._racks = site.racks
        self._kept = Kept()
        self._servers = site.servers_per_rack
        self._shares = PlateShares.of(site)
        air = np.array(site.air_racks, dtype=np.bool_)
        self.air, self.liquid = np.flatnonzero(air), np.flatnonzero(~air)
        """Racks that air cools, and those that liquid does."""
        self.cdus = Cdus(layout, units)
        """Coolant units of the racks that have one."""
        self.streams = AirStreams(layout, self.air, fans) if site.has_air else None
        """Fans of the racks that air cools, None where there are none."""

    # -- what GPUs and servers see ----------------------------------------------------

    def at_gpus(self, gpus: Gpus, servers: Servers) -> tuple[Floats, Floats]:
        """Return temperature in °C and flow over nominal of what cools each GPU.

        Both are (racks, GPUs a rack), or (racks, 1) where the GPUs of a rack have the same.
        """
        supply, ratio = self.cdus.supply[:, None], self.cdus.flow_ratio
        flow = self._kept("flow", lambda: ratio[:, None], ratio)
        if self.streams is None:
            return supply, flow
        air = self.streams.at_gpus(servers.inlet[self.air], gpus.power[self.air])
        of_air = self.streams.flow_ratio
        if not self.liquid.size:
            return air, of_air
        return self._joined(supply, air), self._joined(flow, of_air)

    def _joined(self, liquid: Floats, air: Floats) -> Floats:
        joined = np.empty((self._racks, air.shape[1]))
        joined[self.liquid], joined[self.air] = liquid, air
        return joined

    @property
    def fan_power(self) -> Floats | float:
        """Power of the fans of each server in W, (racks, servers), or none at all."""
        if self.streams is None:
            return 0.0
        if not self.liquid.size:
            return self.streams.power
        return self._joined(np.zeros((self.liquid.size, 1)), self.streams.power)

    @property
    def unit_power(self) -> Floats:
        """Power of the coolant unit of each rack in W, (racks,)."""
        if self.streams is None:
            return self.cdus.power
        power = np.zeros(self._racks)
        power[self.liquid] = self.cdus.power
        return power

    @property
    def exhaust(self) -> float | None:
        """Air out of the air-cooled servers over that into them in K, None where there are none."""
        streams = self.streams
        if streams is None:
            return None
        moved = float(streams.flow.sum())
        return float((streams.flow * (streams.rise + streams.inlet_rise)).sum()) / max(moved, 1e-6)

    # -- time -------------------------------------------------------------------------

    def settle(
        self, demand: Demand, gpus: Gpus, servers: Servers, supply: float, water: float, dew: float
    ) -> None:
        """Let all have run for long.

        Args:
            demand: what the jobs ask.
            gpus: of the site.
            servers: of the site.
            supply: coolant in °C.
            water: facility water supply in °C.
            dew: dew point of the halls in °C.
        """
        if self.streams is None:
            gpus.settle(demand, supply)
            servers.step(gpus.power)
        for _ in range(_ROUNDS if self.streams is not None else 0):
            gpus.settle(demand, *self.at_gpus(gpus, servers))
            servers.step(gpus.power, self.fan_power)
            self._settle_streams(gpus, servers)
        servers.settle(self.unit_power)
        if self.liquid.size:
            self.cdus.settle(self._heat(servers), water, dew)

    def _settle_streams(self, gpus: Gpus, servers: Servers) -> None:
        if self.streams is not None:
            self.streams.settle(self._hottest(gpus), servers.power[self.air])
            self._warm(servers)

    def step(
        self, gpus: Gpus, servers: Servers, conditions: Conditions, feedback: Feedback, dt: float
    ) -> None:
        """Advance by ``dt`` seconds after GPUs and servers have.

        Args:
            gpus: of the site.
            servers: of the site.
            conditions: of the site.
            feedback: of the facility, on the step before.
            dt: step in s.
        """
        if self.streams is not None:
            power = servers.power[self.air]
            self.streams.step(self._hottest(gpus), power, conditions, servers.hosts, dt)
            self._warm(servers)
        if not self.liquid.size:
            return
        if self.streams is not None:
            own = {name: getattr(conditions, name)[self.liquid] for name in _OF_UNITS}
            conditions = conditions.but(**own)
        self.cdus.step(
            self._heat(servers), conditions, feedback.water, feedback.dew, dt, pumped=feedback.live
        )

    def _hottest(self, gpus: Gpus) -> Floats:
        """Return the temperature of the hottest GPU of each air-cooled server in °C."""
        dies = gpus.die[self.air].reshape(self.air.size, self._servers, -1)
        hottest: Floats = dies.max(axis=2)
        return hottest

    def _warm(self, servers: Servers) -> None:
        """Tell the servers what air goes into them, and what comes out."""
        streams = self.streams
        if streams is None:
            return
        rise = streams.inlet_rise
        if self.liquid.size:
            rise = self._joined(servers.usual_rise[self.liquid], rise)
        servers.inlet_rise = rise
        servers.outlet_rise = out = np.zeros((self._racks, self._servers))
        out[self.air] = np.maximum(streams.rise, _LEAST_RISE)

    def _heat(self, servers: Servers) -> Floats:
        """Return the heat that the coolant of each rack that has some takes up, in W."""
        gpus = servers.accelerated.sum(axis=1)
        heat = self._shares.taken(gpus, servers.rack_power)
        return heat if self.streams is None else heat[self.liquid]

    # -- telemetry --------------------------------------------------------------------

    def outputs(self) -> dict[str, dict[str, Floats]]:
        """Return every signal of coolant units and fans, NaN where a rack has none."""
        units = {
            "pump": self.cdus.pump_outputs(),
            "cdu": self.cdus.outputs(),
            "cdu_psu": self.cdus.psu_outputs(),
        }
        if self.streams is None:
            return units
        fans = {"fan": self.streams.outputs()}
        if not self.liquid.size:
            return fans
        return {
            device: {name: self._spread(values, racks) for name, values in group.items()}
            for groups, racks in ((units, self.liquid), (fans, self.air))
            for device, group in groups.items()
        }

    def _spread(self, values: Floats, racks: NDArray[np.intp]) -> Floats:
        spread = np.full((self._racks, values.shape[1]), np.nan)
        spread[racks] = values
        return spread


@dataclass(frozen=True, slots=True)
class PlateShares:
    """The shares of the heat that coolant takes, (racks,) each.

    At training power both together are the share that the site gives; the cold plates of the GPUs
    have the greater part of it.

    Attributes:
        gpus: of the heat of GPUs and their converters.
        hosts: of the heat of all else in the servers.
    """

    gpus: Floats
    hosts: Floats

    @classmethod
    def of(cls, site: Site) -> PlateShares:
        """Return the shares of a site's racks."""
        server, shares = site.server, []
        for block in site.all_blocks:
            total = server.ac_power_watts(block.gpu.power_training_watts)
            if site.shelves.count:
                total = site.rack_power_watts(block.gpu, air=False) / site.servers_per_rack
            gpus = server.accelerated_watts(block.gpu.power_training_watts)
            taken = site.cooling.liquid_ratio * total
            of_gpus = min(taken / gpus, 1.0)
            shares += [(of_gpus, (taken - of_gpus * gpus) / (total - gpus))] * block.racks
        of_gpus_by_rack, of_hosts_by_rack = np.array(shares).T
        return cls(of_gpus_by_rack, of_hosts_by_rack)

    def taken(self, gpus: Floats, total: Floats) -> Floats:
        """Return the heat that the coolant of each rack takes up in W, (racks,).

        Args:
            gpus: power of its GPUs and their converters in W.
            total: power of its servers in W.
        """
        heat: Floats = self.gpus * gpus + self.hosts * (total - gpus)
        return heat
