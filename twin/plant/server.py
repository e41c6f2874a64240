"""Servers, their power supplies and the rack's PDUs."""

from __future__ import annotations

import numpy as np

from twin.catalog import PDU, PSU
from twin.plant.units import Floats
from twin.site import Layout
from twin.site.parameters import Server

__all__ = ["Servers", "supply_loss"]

_POWER_FACTOR_IDLE, _POWER_FACTOR_LOADED = 0.968, 0.986
"""Measured at a DGX H100's inlet: 2.57 kW and 5.71 kW (MLPerf inference v4.0, spl.txt)."""
_PHASE_VOLTS = 239.6
"""Phase voltage of a 415 V supply."""
_SOURCE_OHMS = 0.0028
"""Drop at the PDU's phases, est."""
_INLET_RISE_KELVIN_PER_WATT = 0.0002


def supply_loss(output: Floats, server: Server) -> Floats:
    """Return the loss of one power supply in W.

    Args:
        output: DC output in W, any shape.
        server: whose supplies; see its parameters for the fit.
    """
    square = server.psu_loss_quadratic * output**2 / server.psu_rating_watts
    return server.psu_loss_idle_watts + server.psu_loss_ratio * output + square


class Servers:
    """Power of all servers; arrays are (racks, servers a rack)."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._server = site.server
        self._air = site.facility.air_celsius
        self._shape = (site.racks, site.servers_per_rack)
        self._psu_shape = layout.shape(PSU)
        racks, phases = layout.shape(PDU)
        # Loads are never spread evenly over the phases.
        share = 1.0 + rng.normal(0.0, 0.02, (racks, phases))
        self._phase_share = share / share.sum(axis=1, keepdims=True)
        self._phase_energy = rng.uniform(1e12, 3e12, (racks, phases)) / phases
        self.output: Floats = np.zeros(self._shape)
        self._loss: Floats = np.zeros(self._shape)
        self._rack_power: Floats = np.zeros(racks)

    @property
    def power(self) -> Floats:
        """AC power of each server in W, (racks, servers)."""
        total: Floats = self.output + self._server.psus * self._loss
        return total

    def step(self, gpu_power: Floats, cdu_power: Floats, dt: float) -> None:
        """Take over the GPUs' power and advance the PDUs' meters by ``dt`` seconds.

        Args:
            gpu_power: in W, (racks, GPUs a rack).
            cdu_power: in W, (racks,); it hangs on the rack's PDUs too.
            dt: step in s; 0 only takes over.
        """
        server = self._server
        gpus = gpu_power.reshape(*self._shape, server.gpus).sum(axis=2, dtype=np.float64)
        self.output = server.base_power_watts + (1.0 + server.base_power_per_gpu_watt) * gpus
        self._loss = supply_loss(self.output / server.psus, server)
        self._rack_power = self.power.sum(axis=1) + cdu_power
        self._phase_energy += self._phase_power * dt

    @property
    def _phase_power(self) -> Floats:
        power: Floats = self._phase_share * self._rack_power[:, None]
        return power

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's server class."""
        up = np.ones(self._shape)
        return {
            "power": self.power,
            "inlet_temperature": self._air + _INLET_RISE_KELVIN_PER_WATT * self.power,
            "up_dcgm": up,
            "up_node": up,
            "up_ipmi": up,
        }

    def psu_outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's PSU class."""
        count = self._server.psus
        share = np.repeat(self.output / count, count, axis=1)
        loss = np.repeat(self._loss, count, axis=1)
        return {
            "input_power": share + loss,
            "output_power": share,
            "state": np.zeros(self._psu_shape),
        }

    def pdu_outputs(self, grid_ratio: float) -> dict[str, Floats]:
        """Return all signals of the catalogue's PDU class.

        Args:
            grid_ratio: the grid's voltage over nominal.
        """
        power = self._phase_power
        rated = self._server.psu_rating_watts * self._shape[1]
        factor = np.interp(
            power, (0.2 * rated, 0.6 * rated), (_POWER_FACTOR_IDLE, _POWER_FACTOR_LOADED)
        )
        nominal = _PHASE_VOLTS * grid_ratio
        current = power / (nominal * factor)
        volts = nominal - _SOURCE_OHMS * current
        return {
            "current": power / (volts * factor),
            "voltage": volts,
            "power": power,
            "energy": self._phase_energy,
        }
