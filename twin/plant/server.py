"""Servers, their power supplies and the rack's PDUs.

The supplies of a server hang on the rack's PDUs in turn and share its load. When one
is lost the others carry its part; when they cannot, the server lowers the power limit
of its GPUs, and without any it is off. A server that comes back has to boot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import PDU, PSU
from twin.plant.breaker import Breakers
from twin.plant.conditions import Conditions
from twin.plant.host import HostStates
from twin.plant.pdu_shares import carried_by_pdus, sum_by_pdu
from twin.plant.units import Floats, all_of, any_of, clamp, silenced, sum_of
from twin.site import Layout, Site

__all__ = ["PHASES", "Servers", "largest_pdu_share", "phase_amperes"]

_POWER_FACTOR_IDLE, _POWER_FACTOR_LOADED = 0.968, 0.986
"""Measured at a DGX H100's inlet: 2.57 kW and 5.71 kW (MLPerf inference v4.0, spl.txt)."""
_PHASE_VOLTS = 239.6
"""Phase voltage of a 415 V supply."""
PHASES = 3
_SOURCE_OHMS = 0.0028
"""Drop at the PDU's phases, est."""
_INLET_RISE_KELVIN_PER_WATT = 0.0002
_CLOSED, _TRIPPED, _OFF = 0.0, 1.0, 2.0
"""States of a PDU's breaker (catalogue)."""
_NOMINAL, _WARNING, _CRITICAL = 0.0, 1.0, 2.0
"""States of a sensor (ipmi_exporter)."""
_INLET_WARNING_CELSIUS, _INLET_CRITICAL_CELSIUS = 40.0, 45.0
"""Upper thresholds of the inlet's sensor, est."""


def phase_amperes(watts: float) -> float:
    """Return the current of each phase of a PDU that carries so many W, in A."""
    return watts / PHASES / (_PHASE_VOLTS * _POWER_FACTOR_LOADED)


def largest_pdu_share(site: Site) -> float:
    """Return the largest part of a rack's servers that hangs on one of its PDUs."""
    count = site.shelves.count or site.server.psus
    supplies = np.bincount(np.arange(count) % site.pdus_per_rack)
    return float(supplies.max()) / count


class Servers:
    """Power of all servers; arrays are (racks, servers a rack)."""

    powering = ("psu_available", "pdu_breaker", "server_available", "server_cap")
    """Conditions by which a server has its power."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._server, self._up = site.server, f"up_{site.gpu.exporter}"
        self.air = site.facility.air_celsius
        """Air that the handlers supply in °C."""
        self._shape = (site.racks, site.servers_per_rack)
        self._pdus = site.pdus_per_rack
        self._psu_shape, self._pdu_of_psu = self._hung(layout)
        racks, phases = layout.shape(PDU)
        # Loads are never spread evenly over the phases.
        self._phase_load = 1.0 + rng.normal(0.0, 0.02, (racks, phases))
        self._phase_share = self._shares(self._phase_load)
        self._phase_energy = rng.uniform(1e12, 3e12, (racks, phases)) / phases
        # All PDUs have their part of the CDU.
        self._even = np.bincount(self._pdu_of_psu, minlength=self._pdus) / self._psu_shape[1]
        self.breakers = Breakers(layout, self._full_amperes(layout))
        self._boot: Floats = np.zeros(self._shape)
        self._supplied: NDArray[np.bool_] | None = None
        self.live: NDArray[np.bool_] | None = None
        """PDUs that are live, (racks, PDUs), None while all are."""
        self._fed: NDArray[np.bool_] = np.ones(racks, dtype=np.bool_)
        self._weights: Floats | None = None
        self.hosts: HostStates | None = None
        """State of the servers, None while all are well."""
        self.bmc: NDArray[np.bool_] | None = None
        """Servers whose board controller answers as far as it has power, None while all do."""
        self.rack_powered: NDArray[np.bool_] = np.ones(racks, dtype=np.bool_)
        """Racks of which at least one PDU is live, (racks,)."""
        self.inlet_rise: Floats | None = None
        """What the air into each server is warmer by than the room's in K, None to go by power."""
        self.outlet_rise: Floats | None = None
        """What the air out of each server is warmer by than into it in K, None where it cools none;
        0 where liquid cools the server, which does not show it."""
        self.fans: Floats | float = 0.0
        """What the fans of each server took in the last step in W."""
        self.output: Floats = np.zeros(self._shape)
        self._loss: Floats = np.zeros(self._shape)
        self._power: Floats = np.zeros(self._shape)
        self._rack_power: Floats = np.zeros(racks)
        self.rack_load: Floats = np.zeros(racks)
        """Power that each rack draws at its PDUs, (racks,) in W."""
        self._pdu_power: Floats = np.zeros((racks, self._pdus))

    def _hung(self, layout: Layout) -> tuple[tuple[int, int], NDArray[np.intp]]:
        """Return the shape of arrays of supplies, and the PDU on which each hangs.

        Supply j of a server hangs on PDU j, in turn.
        """
        shape = layout.shape(PSU)
        return shape, np.arange(shape[1]) % self._server.psus % self._pdus

    @property
    def power(self) -> Floats:
        """AC power of each server in W, (racks, servers)."""
        return self._power

    @property
    def rack_power(self) -> Floats:
        """Power of all servers of each rack in W, (racks,)."""
        return self._rack_power

    @property
    def total(self) -> float:
        """Power of all servers of the site in W."""
        return sum_of(self.power)

    @property
    def bmc_answers(self) -> NDArray[np.bool_]:
        """Servers whose board controller answers, (racks, servers)."""
        powered = np.ones(self._shape, np.bool_) if self.hosts is None else self.hosts.powered
        return powered if self.bmc is None else powered & self.bmc

    @property
    def accelerated(self) -> Floats:
        """Power of the GPUs of each server and their converters in W, (racks, servers)."""
        rest = self._server.base_power_watts + self.fans
        taken: Floats = np.maximum(self.output - rest, 0.0)
        return taken

    @property
    def inlet(self) -> Floats:
        """Air into each server in °C, (racks, servers)."""
        rise = self.usual_rise if self.inlet_rise is None else self.inlet_rise
        warmed: Floats = self.air + rise
        return warmed

    @property
    def usual_rise(self) -> Floats:
        """What a liquid-cooled server's air is warmer by than the room's in K."""
        rise: Floats = _INLET_RISE_KELVIN_PER_WATT * self.power
        return rise

    @property
    def _count(self) -> Floats | int:
        """Supplies of each server that deliver: one number for all, or (racks, servers)."""
        if self._supplied is None:
            return self._server.psus
        count: Floats = self._supplied.reshape(*self._shape, -1).sum(axis=2).astype(np.float64)
        return count

    def _full_amperes(self, layout: Layout) -> float:
        """Return the current of a phase when all that hangs on a PDU draws all that it can."""
        cooling = layout.site.cooling
        power = self._most_supplied()
        if layout.site.has_liquid:
            power += cooling.pumps * cooling.pump_power_watts + cooling.control_power_watts
        return phase_amperes(float(power))

    def _most_supplied(self) -> float:
        """Return what the supplies on one PDU draw when all give all that they can, in W."""
        server, supplies = self._server, np.bincount(self._pdu_of_psu).max()
        watts = server.psu_rating_watts
        return float(supplies * (watts + server.supply_loss(watts)))

    # -- state -----------------------------------------------------------------

    def sense(self, conditions: Conditions, fed: NDArray[np.bool_], dt: float) -> None:
        """Find out which servers run, for the next ``dt`` seconds.

        Args:
            conditions: of supplies, PDUs and servers.
            fed: racks that the energy management feeds, (racks,).
            dt: step in s.
        """
        self._fed = fed
        self._weights = conditions.ailing("pdu_phase_load")
        self.bmc = conditions.ailing("bmc_answers")
        if (
            all_of(fed)
            and not any(map(conditions.faulty, self.powering))
            and self.breakers.all_closed
            and not any_of(self._boot)
        ):
            if self.hosts is not None:
                self.hosts = self._supplied = self.live = None
                self.rack_powered = np.ones(self._shape[0], dtype=np.bool_)
            return
        self.live = conditions.pdu_breaker & self.breakers.closed & fed[:, None]
        self.rack_powered = self.live.max(axis=1)
        powered = self._supply(conditions, self.live)
        left = np.maximum(self._boot - dt, 0.0)
        self._boot = np.where(powered, left, self._server.boot_seconds)
        up = powered & (self._boot <= 0.0)
        self.hosts = HostStates(powered, up, self._gpu_limit(conditions.server_cap))

    def _supply(self, conditions: Conditions, closed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Find out which supplies deliver, and return which servers have power.

        Args:
            conditions: of supplies and servers.
            closed: PDUs that are live, (racks, PDUs).
        """
        supplied = conditions.psu_available & closed[:, self._pdu_of_psu]
        off = ~np.repeat(conditions.server_available, self._server.psus, axis=1)
        self._supplied = supplied & ~off
        powered: NDArray[np.bool_] = self._supplied.reshape(*self._shape, -1).max(axis=2)
        return powered

    def _gpu_limit(self, cap: Floats) -> Floats | None:
        """Return the power that each GPU of a server may draw, (racks, servers) in W."""
        server = self._server
        count = np.maximum(self._count, 1.0)
        loss = server.supply_loss(np.minimum(cap / count, server.psu_rating_watts))
        output = np.minimum(count * server.psu_rating_watts, cap - count * loss)
        room = (output - server.base_power_watts - self.fans) / (
            1.0 + server.base_power_per_gpu_watt
        )
        limit: Floats = np.maximum(room / server.gpus, 1.0)
        return limit

    def step(self, gpu_power: Floats, fan_power: Floats | float = 0.0) -> None:
        """Take over what the GPUs, (racks, GPUs a rack), and a server's fans draw, in W."""
        server = self._server
        gpus = gpu_power.reshape(*self._shape, server.gpus).sum(axis=2, dtype=np.float64)
        self.fans, self.output = fan_power, server.output_for(gpus, fan_power)
        if self.hosts is not None:
            self.output = np.where(self.hosts.powered, self.output, 0.0)
        self._loss = server.supply_loss(self._shared)
        self._power = self.output + self._count * self._loss
        self._rack_power = self._power.sum(axis=1)

    def settle(self, cdu_power: Floats) -> None:
        """Let the PDUs have carried the servers and this, (racks,) in W, for long."""
        self._take(cdu_power, None)
        self.breakers.settle(self._electric(self._phase_power, 1.0)[1])

    def meter(self, cdu_power: Floats, bus_ratio: float, conditions: Conditions, dt: float) -> None:
        """Advance the PDUs' meters and breakers by ``dt`` seconds.

        Args:
            cdu_power: in W, (racks,); it hangs on the rack's PDUs too.
            bus_ratio: the voltage of the site's bus over nominal.
            conditions: of the PDUs and of the coolant units' supplies.
            dt: step in s.
        """
        self._take(cdu_power, conditions.ailing("cdu_psu_ok"))
        power = self._phase_power
        self._phase_energy += power * dt
        self.breakers.step(self._electric(power, bus_ratio)[1], conditions, dt)

    def _take(self, cdu_power: Floats, delivering: NDArray[np.bool_] | None) -> None:
        self.rack_load = self.rack_power + cdu_power
        self._pdu_power = self._over_pdus(cdu_power, delivering)

    def _over_pdus(self, cdu_power: Floats, delivering: NDArray[np.bool_] | None) -> Floats:
        """Return the power that each PDU delivers, (racks, PDUs) in W."""
        if self._supplied is None or self.live is None:
            if delivering is None:
                even: Floats = self.rack_load[:, None] * self._even
                return even
            servers: Floats = (self.rack_load - cdu_power)[:, None] * self._even
        else:
            servers = sum_by_pdu(self._psu_input(), self._pdu_of_psu, self._pdus)
        return servers + carried_by_pdus(cdu_power, delivering, self._pdus)

    @property
    def _shared(self) -> Floats:
        """What each supply of a server gives in W: those that deliver share alike."""
        return self.output / np.maximum(self._count, 1)

    def _psu_output(self) -> Floats:
        share: Floats = np.repeat(self._shared, self._server.psus, axis=1)
        return share if self._supplied is None else np.where(self._supplied, share, 0.0)

    def _psu_input(self) -> Floats:
        loss: Floats = np.repeat(self._loss, self._server.psus, axis=1)
        total: Floats = self._psu_output() + loss
        return total if self._supplied is None else np.where(self._supplied, total, 0.0)

    @property
    def _phase_power(self) -> Floats:
        share = self._phase_share
        if self._weights is not None:
            share = self._shares(self._phase_load * self._weights)
        power: Floats = (share * self._pdu_power[:, :, None]).reshape(self._phase_load.shape)
        return power

    @property
    def _phase_rating(self) -> float:
        """Power of a phase over which its power factor goes, in W."""
        return self._server.psu_rating_watts * self._shape[1]

    def _electric(self, power: Floats, bus_ratio: float) -> tuple[Floats, Floats]:
        """Return voltage in V and current in A of phases that deliver ``power`` W."""
        if bus_ratio <= 0.0:
            return np.zeros_like(power), np.zeros_like(power)
        loaded = clamp((power / self._phase_rating - 0.2) / 0.4, 0.0, 1.0)
        factor = _POWER_FACTOR_IDLE + (_POWER_FACTOR_LOADED - _POWER_FACTOR_IDLE) * loaded
        nominal = _PHASE_VOLTS * max(bus_ratio, 1e-3)
        current = power / (nominal * factor)
        volts = np.maximum(nominal - _SOURCE_OHMS * current, 1e-3)
        return volts, power / (volts * factor)

    def _shares(self, load: Floats) -> Floats:
        """Return the part of each phase in its PDU's power, (racks, PDUs, phases)."""
        parts = load.reshape(-1, self._pdus, PHASES)
        share: Floats = parts / parts.sum(axis=2, keepdims=True)
        return share

    # -- telemetry -------------------------------------------------------------

    def outputs(self, exporter_up: NDArray[np.bool_]) -> dict[str, Floats]:
        """Return all signals of the catalogue's server class.

        Args:
            exporter_up: (racks, servers): dcgm-exporter answers.
        """
        up = np.ones(self._shape)
        power = self.power
        inlet = self.inlet
        warm = np.where(inlet >= _INLET_WARNING_CELSIUS, _WARNING, _NOMINAL)
        values = {
            "power": power,
            "inlet_temperature": inlet,
            "inlet_state": np.where(inlet >= _INLET_CRITICAL_CELSIUS, _CRITICAL, warm),
            self._up: exporter_up.astype(np.float64),
            "up_node": up,
            "up_ipmi": up,
        }
        rise, outlet = self.outlet_rise, {}
        if rise is not None:
            outlet["outlet_temperature"] = np.where(rise > 0.0, inlet + rise, np.nan)
        values.update(outlet)
        if self.hosts is None and self.bmc is None:
            return values
        # The board's controller answers as soon as there is power, the exporters after the boot.
        for name in ("power", "inlet_temperature", "inlet_state", *outlet):
            values[name] = np.where(self.bmc_answers, values[name], np.nan)
        if self.hosts is not None:
            for name in (self._up, "up_node"):
                values[name] = np.where(self.hosts.up, values[name], 0.0)
        values["up_ipmi"] = self.bmc_answers.astype(np.float64)
        return values

    def psu_outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's PSU class."""
        values = {
            "input_power": self._psu_input(),
            "output_power": self._psu_output(),
            "state": np.full(self._psu_shape, _NOMINAL),
        }
        if self.hosts is None and self.bmc is None:
            return values
        if self._supplied is not None:
            values["state"] = np.where(self._supplied, _NOMINAL, _CRITICAL)
        return silenced(values, np.repeat(self.bmc_answers, self._server.psus, axis=1))

    def pdu_outputs(self, bus_ratio: float) -> dict[str, Floats]:
        """Return all signals of the catalogue's PDU class.

        Args:
            bus_ratio: the voltage of the site's bus over nominal.
        """
        power = self._phase_power
        volts, current = self._electric(power, bus_ratio)
        if self.live is not None:
            live = np.repeat(self.live, PHASES, axis=1)
            volts = np.where(live, volts, 0.0)
        return {
            "current": current,
            "voltage": volts,
            "power": power,
            "energy": self._phase_energy,
        }

    def breaker_outputs(self, bus_ratio: float) -> dict[str, Floats]:
        """Return all signals of the catalogue's PDU breaker class, (racks, PDUs).

        Args:
            bus_ratio: the voltage of the site's bus over nominal.
        """
        current = self._electric(self._phase_power, bus_ratio)[1]
        phases = current.reshape(-1, self._pdus, PHASES)
        mean = phases.mean(axis=2)
        apart = np.abs(phases - mean[:, :, None]).max(axis=2)
        state = np.full(mean.shape, _CLOSED)
        if self.live is not None:
            state = np.where(self._fed[:, None], np.where(self.live, _CLOSED, _TRIPPED), _OFF)
        return {
            "state": state,
            "load": phases.max(axis=2) / self.breakers.rated,
            "imbalance": apart / np.maximum(mean, 1e-9),
        }
