"""Cooling of servers by air: fans, airflow, and the air at each GPU.

Fans obey the affinity laws: air goes with speed, power with its cube. The board's controller
drives all fans of a server by its hottest GPU, and to full speed once one has failed, through
which air then comes back. Of two GPUs in one stream the second breathes what the
first has warmed. All heat leaves with the air, of which some comes round to the inlets again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.parameters import FanParameters
from twin.plant.conditions import Conditions
from twin.plant.host import HostStates
from twin.plant.room import AIR_JOULES_PER_KILOGRAM_KELVIN
from twin.plant.units import Floats, clamp, lag
from twin.site import Layout

__all__ = ["AirStreams", "air_at_gpus", "air_ratio", "air_rise", "air_share", "fan_power"]

_NOMINAL, _CRITICAL = 0.0, 2.0
_COAST_SECONDS = 2.0
"""A fan without drive or power coasts down within a few seconds, est."""
_STILL = 0.02
"""Air that moves by itself, over that at nominal speed, est."""
_HOTTEST_KELVIN = 60.0
"""Air does not get hotter by more than this: it leaves by other ways, est."""
_TACHOMETER_RPM = 60.0
"""Resolution of a fan's tachometer as board controllers show it."""
_SPREAD = 0.01
"""Standard deviation of the speed between fans of one setting, est."""


class AirStreams:
    """Fans and air of the servers that air cools; arrays are (racks, servers a rack).

    Args:
        layout: the site.
        racks: which of its racks air cools.
        rng: of what differs between fans.
    """

    def __init__(self, layout: Layout, racks: NDArray[np.intp], rng: np.random.Generator) -> None:
        site = layout.site
        self._p = site.fans
        self._racks = racks
        self._shape = (racks.size, site.servers_per_rack)
        self._gpus = site.server.gpus
        each = (*self._shape, self._p.per_server)
        self._tolerance = np.minimum(1.0 + _SPREAD * rng.standard_normal(each), 1.0 + 3.0 * _SPREAD)
        self.command: Floats = np.full(self._shape, self._p.nominal_ratio)
        """Speed that the controller asks for, over the rated one."""
        self._speeds: Floats | None = None
        self._well: NDArray[np.bool_] | None = None
        self.flow: Floats = self._p.air_kilograms_per_second * self.command
        """Air through each server in kg/s."""
        self.rise: Floats = np.zeros(self._shape)
        """What the air of each server is warmed by in K."""
        self._recirculated: Floats | float = self._p.recirculation_ratio

    @property
    def power(self) -> Floats:
        """Electrical power of each server's fans in W."""
        rated = self._p.power_watts
        if self._speeds is None or self._well is None:
            power: Floats = self._p.per_server * rated * self.command**3
            return power
        return fan_power(np.where(self._well, self._speeds, 0.0), self._p)

    @property
    def inlet_rise(self) -> Floats:
        """What hot air warms that into each server by, in K."""
        share = np.minimum(self._recirculated, 0.9)
        rise: Floats = self.rise * (share / (1.0 - share))
        return rise

    @property
    def flow_ratio(self) -> Floats:
        """Air at each GPU over the nominal, (racks, GPUs a rack)."""
        return np.repeat(air_ratio(self.flow, self._p), self._gpus, axis=1).astype(np.float32)

    def at_gpus(self, inlet: Floats, gpu_power: Floats) -> Floats:
        """Return the air into the heat sink of each GPU in °C, (racks, GPUs a rack).

        Args:
            inlet: air into each server in °C.
            gpu_power: in W, (racks, GPUs a rack).
        """
        return air_at_gpus(inlet, gpu_power, self.flow, self._p, self._gpus)

    def settle(self, hottest: Floats, server_power: Floats) -> None:
        """Come half the way to what the controller asks for at these temperatures and powers."""
        self.command = 0.5 * (self.command + self._wanted(hottest))
        self._move(1.0)
        self._warm(server_power)

    def step(
        self,
        hottest: Floats,
        server_power: Floats,
        conditions: Conditions,
        hosts: HostStates | None,
        dt: float,
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            hottest: temperature of the hottest GPU of each server in °C.
            server_power: AC power of each server in W, all of which ends in its air.
            conditions: of the site.
            hosts: state of all servers of the site, None while all are well.
            dt: step in s.
        """
        p, racks = self._p, self._racks
        well = conditions.fan_available[racks].reshape(*self._shape, -1)
        if hosts is not None:
            well = well & hosts.powered[racks][:, :, None]
        whole = well.all(axis=2)
        wanted = self._wanted(hottest)
        if not whole.all():
            wanted = np.where(whole, wanted, 1.0)
        limit = p.slew_per_second * dt
        error = wanted - self.command
        share = np.where(error > 0.0, lag(dt, p.control_seconds), lag(dt, p.falling_seconds))
        change = error * share
        self.command = self.command + clamp(change, -limit, limit)
        self._turn(well, dt, whole=bool(whole.all()))
        blocked = conditions.air_resistance[racks]
        added = p.filter_ratio * (blocked - 1.0)
        self._move(1.0 / np.sqrt(1.0 + added) if (blocked != 1.0).any() else 1.0)
        around = conditions.hot_air_recirculated[racks]
        self._recirculated = p.recirculation_ratio
        if around.any():
            self._recirculated = (p.recirculation_ratio + around)[:, None]
        self._warm(server_power)

    def _wanted(self, hottest: Floats) -> Floats:
        p = self._p
        share = (hottest - p.cool_celsius) / (p.hot_celsius - p.cool_celsius)
        wanted: Floats = p.least_ratio + (1.0 - p.least_ratio) * clamp(share, 0.0, 1.0)
        return wanted

    def _turn(self, well: NDArray[np.bool_], dt: float, *, whole: bool) -> None:
        """Let each fan follow the command, or coast down; all are at it while all are well."""
        if whole and self._speeds is None:
            return
        asked = np.broadcast_to(self.command[:, :, None], well.shape)
        old = asked if self._speeds is None else self._speeds
        caught = np.minimum(old + self._p.slew_per_second * 10.0 * dt, asked)
        self._speeds = np.where(well, caught, old * np.exp(-dt / _COAST_SECONDS))
        self._well = well
        if whole and np.array_equal(self._speeds, asked):
            self._speeds = self._well = None

    def _move(self, opening: Floats | float) -> None:
        """Set the air through each server.

        Args:
            opening: share of the air that its filters leave.
        """
        p = self._p
        moved = self.command
        if self._speeds is not None and self._well is not None:
            moved = air_share(self._speeds, self._well, p)
        self.flow = p.air_kilograms_per_second * moved * opening

    def _warm(self, server_power: Floats) -> None:
        self.rise = air_rise(server_power, self.flow)

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's fan class, (racks, fans a rack)."""
        speeds = self.command[:, :, None] if self._speeds is None else self._speeds
        ratio = np.minimum(speeds * self._tolerance, 1.0 + 3.0 * _SPREAD)
        racks = self._shape[0]
        rpm = np.round(ratio * (self._p.rated_rpm / _TACHOMETER_RPM)) * _TACHOMETER_RPM
        state = np.full(ratio.shape, _NOMINAL)
        if self._well is not None:
            state = np.where(self._well, _NOMINAL, _CRITICAL)
        return {
            "speed": rpm.reshape(racks, -1),
            "speed_ratio": (rpm / self._p.rated_rpm).reshape(racks, -1),
            "state": state.reshape(racks, -1),
        }


def fan_power(driven: Floats, fans: FanParameters) -> Floats:
    """Return the electrical power of each server's fans in W: with the cube of the speed.

    Args:
        driven: speeds over the rated one, 0 of a fan without drive, (racks, servers, fans).
        fans: of the site.
    """
    total: Floats = fans.power_watts * (driven**3).sum(axis=2)
    return total


def air_share(speeds: Floats, well: NDArray[np.bool_], fans: FanParameters) -> Floats:
    """Return the air through each server over that of all its fans at rated speed.

    Args:
        speeds: over the rated one, (racks, servers, fans).
        well: fans that are driven; air comes back through the others.
        fans: of the site.
    """
    standing = 1.0 - well.mean(axis=2)
    share: Floats = np.maximum(speeds.mean(axis=2) * (1.0 - fans.backflow_ratio * standing), 0.0)
    return share


def air_ratio(flow: Floats, fans: FanParameters) -> Floats:
    """Return the air through servers, in kg/s, over the nominal; a little moves by itself."""
    ratio: Floats = np.maximum(flow / fans.nominal_kilograms_per_second, _STILL)
    return ratio


def air_rise(server_power: Floats, flow: Floats) -> Floats:
    """Return what the air of servers is warmed by in K.

    Args:
        server_power: AC power in W, all of which ends in the air.
        flow: air in kg/s, same shape.
    """
    rate = np.maximum(flow, 1e-3) * AIR_JOULES_PER_KILOGRAM_KELVIN
    rise: Floats = np.minimum(server_power / rate, _HOTTEST_KELVIN)
    return rise


def air_at_gpus(
    inlet: Floats, gpu_power: Floats, flow: Floats, fans: FanParameters, gpus: int
) -> Floats:
    """Return the air into the heat sink of each GPU in °C, (racks, GPUs a rack).

    Args:
        inlet: air into each server in °C, (racks, servers a rack).
        gpu_power: in W, (racks, GPUs a rack).
        flow: air through each server in kg/s, (racks, servers a rack).
        fans: of the site.
        gpus: a server; two share a stream.
    """
    stream = flow * (fans.gpu_air_ratio / -(-gpus // 2))
    rate = np.maximum(stream, 1e-4) * AIR_JOULES_PER_KILOGRAM_KELVIN
    power = gpu_power.reshape(*inlet.shape, gpus)
    air = np.repeat(inlet[:, :, None], gpus, axis=2)
    first = power[:, :, 0 : gpus - 1 : 2] / rate[:, :, None]
    air[:, :, 1::2] += np.minimum(first, _HOTTEST_KELVIN)
    return air.reshape(gpu_power.shape)
