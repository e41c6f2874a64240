"""Compute trays on the bus of their rack, and the power shelves that feed it.

The supplies of all shelves share what trays and switch trays take. As some are lost, the others
carry their part; when they cannot, the trays lower the power limit of their GPUs, as the shelves'
alert line makes them do. The bus sags with its current, and a joint with too much resistance heats
and leaves its tray less voltage. With power smoothing, capacitors in the supplies stand between
their input and the bus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import SHELF_PSU
from twin.plant.conditions import Conditions
from twin.plant.power_smoothing import ShelfStorage
from twin.plant.server import PHASES, Servers
from twin.plant.units import Floats, silenced, sum_of
from twin.site import Layout

__all__ = ["ShelfFedServers"]

_SWAP_SHARE = 0.518
"""Share of a tray's power through its first hot-swap controller (Redfish: 705 of 1,361 W)."""
_SWAP_KELVIN_PER_WATT, _SWAP_RISE = 0.012, 2.0
"""Hot-swap controller above the tray's air: 34 °C at 680 W and 24 °C of air (Redfish), est."""
_INLET_RISE, _SHELF_RISE = 4.0, 12.0
"""Air in a shelf above the room's without load, and further at its rating in K, est."""


class ShelfFedServers(Servers):
    """Servers of racks with power shelves; arrays are (racks, trays or supplies) or (racks,).

    Attributes:
        switches: power of the switch trays of each rack in W, (racks,); set before each step.
        bus: voltage of each rack's bus in V.
        volts: voltage at each tray in V.
        storage: energy that the supplies of each rack hold, None where it does not act.
    """

    powering = ("shelf_psu_available", *Servers.powering[1:])

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._shelf = shelf = layout.site.shelves
        super().__init__(layout, rng)
        racks, trays = self._shape
        self.switches: Floats = np.full(racks, layout.site.nvlink.rack_watts)
        self.bus: Floats = np.full(racks, shelf.volts)
        self.volts: Floats = np.full((racks, trays), shelf.volts)
        self.storage = ShelfStorage.of(layout)
        self._stored: Floats = np.zeros(racks)
        self._smoothing: Floats = np.ones(racks)
        self._passed = 0.0
        self._set: Floats = np.ones(racks)
        self._joint: Floats | None = None
        self._joint_loss: Floats = np.zeros(racks)
        self._each: Floats = np.zeros(racks)
        self._input: Floats = np.zeros(racks)
        # Readings of controllers differ by some hundredths of a volt (Redfish).
        self._swaps = swaps = layout.site.tray.hot_swaps
        first = 1.0 if swaps == 1 else _SWAP_SHARE
        rest = (1.0 - first) / max(swaps - 1, 1)
        self._split = np.array([first, *[rest] * (swaps - 1)])[:swaps]
        self._reading = rng.normal(0.0, 0.02, (racks, trays * self._swaps))

    def _hung(self, layout: Layout) -> tuple[tuple[int, int], NDArray[np.intp]]:
        shape = layout.shape(SHELF_PSU)
        return shape, np.arange(shape[1]) // self._shelf.psus % layout.site.pdus_per_rack

    # -- state -----------------------------------------------------------------

    def sense(self, conditions: Conditions, fed: NDArray[np.bool_], dt: float) -> None:
        """Find out which trays run, and what joins them to the bus, for ``dt`` seconds."""
        self._joint = conditions.ailing("bus_joint_ohms")
        self._set = conditions.bus_volts_ratio
        if self.storage is not None:
            self._smoothing, self._passed = conditions.smoothing_enabled.mean(axis=1), dt
        super().sense(conditions, fed, dt)

    def _supply(self, conditions: Conditions, closed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        self._supplied = conditions.shelf_psu_available & closed[:, self._pdu_of_psu]
        live = self._supplied.max(axis=1, keepdims=True)
        powered: NDArray[np.bool_] = conditions.server_available & live
        return powered

    @property
    def _count(self) -> int:
        """Supplies of a tray: it has none of its own, and one is all that is asked for."""
        return 1

    def _gpu_limit(self, cap: Floats) -> Floats:
        """Return the power that each GPU of a tray may draw, (racks, trays) in W."""
        server = self._server
        left = self._delivering * self._shelf.psu_rating_watts - self.switches - self._joint_loss
        output = np.minimum((left / self._shape[1])[:, None], cap)
        room = (output - server.base_power_watts - self.fans) / (
            1.0 + server.base_power_per_gpu_watt
        )
        limit: Floats = np.maximum(room / server.gpus, 1.0)
        return limit

    @property
    def _delivering(self) -> Floats:
        """Supplies of each rack that deliver, (racks,)."""
        if self._supplied is None:
            return np.full(self._shape[0], float(self._shelf.supplies))
        count: Floats = self._supplied.sum(axis=1).astype(np.float64)
        return count

    # -- power -----------------------------------------------------------------

    @property
    def power(self) -> Floats:
        """Power of each tray at its hot-swap controllers in W, (racks, trays)."""
        return self.output

    @property
    def rack_power(self) -> Floats:
        """Power that the shelves of each rack draw in W, (racks,)."""
        return self._input

    @property
    def total(self) -> float:
        """Power of all racks at their shelves' inlets in W."""
        return sum_of(self._input)

    def step(self, gpu_power: Floats, fan_power: Floats | float = 0.0) -> None:
        """Take over what the GPUs, (racks, GPUs a rack), and a tray's fans draw, in W."""
        super().step(gpu_power, fan_power)
        self._loss = np.zeros_like(self.output)
        count = self._delivering
        live = count > 0.0
        load = np.where(live, self.output.sum(axis=1) + self.switches + self._joint_loss, 0.0)
        self._each = load / np.maximum(count, 1.0)
        loss = count * self._shelf.supply_loss(self._each)
        if self.storage is not None:
            taken = self.storage.step(load, self._smoothing, self._passed)
            self._stored = np.where(live, taken, 0.0)
        self._input = load + loss + self._stored
        self._set_volts(load, np.maximum(count * self._shelf.psu_rating_watts, 1.0), live)

    def _set_volts(self, load: Floats, rating: Floats, live: NDArray[np.bool_]) -> None:
        """Set the voltages of bus and trays that this load of each rack leaves."""
        # What is asked beyond their rating the supplies do not give: their voltage gives way.
        held = self._shelf.volts * self._set * np.minimum(1.0, rating / np.maximum(load, 1.0))
        self.bus = np.where(live, _behind(held, self._shelf.bus_ohms, load), 0.0)
        bus = self.bus[:, None]
        if self._joint is None:
            self.volts = np.broadcast_to(bus, self._shape)
            self._joint_loss = np.zeros(self._shape[0])
            return
        self.volts = _behind(bus, self._joint, self.output)
        current = self.output / np.maximum(self.volts, 1.0)
        self._joint_loss = (self._joint * current**2).sum(axis=1)

    def _take(self, cdu_power: Floats, delivering: NDArray[np.bool_] | None) -> None:
        self.rack_load = self._input + cdu_power
        self._pdu_power = self._over_pdus(cdu_power, delivering)

    def _psu_output(self) -> Floats:
        share: Floats = np.repeat(self._each[:, None], self._shelf.supplies, axis=1)
        return share if self._supplied is None else np.where(self._supplied, share, 0.0)

    def _psu_input(self) -> Floats:
        output = self._psu_output()
        total: Floats = output + self._shelf.supply_loss(output)
        if self.storage is not None:
            total += (self._stored / np.maximum(self._delivering, 1.0))[:, None]
        return total if self._supplied is None else np.where(self._supplied, total, 0.0)

    @property
    def _phase_rating(self) -> float:
        """Half of what the shelves can deliver over the phases of the PDUs, in W."""
        return self._shelf.rating_watts / (self._pdus * PHASES)

    def _most_supplied(self) -> float:
        """Return what the supplies on one PDU draw when all give all that they can, in W."""
        watts = self._shelf.psu_rating_watts
        supplies = np.bincount(self._pdu_of_psu).max()
        return float(supplies * (watts + self._shelf.supply_loss(watts)))

    # -- telemetry -------------------------------------------------------------

    def psu_outputs(self) -> dict[str, Floats]:
        """Return no signal: a tray has no supplies of its own."""
        return {}

    def shelf_outputs(self) -> dict[str, dict[str, Floats]]:
        """Return all signals of the catalogue's classes of shelves, supplies and controllers."""
        output = self._psu_output()
        racks, shelves = self._shape[0], self._shelf.count
        of_shelf = output.reshape(racks, shelves, -1)
        given: Floats = of_shelf.sum(axis=2)
        sound = np.ones(output.shape) if self._supplied is None else self._supplied * 1.0
        load = output / self._shelf.psu_rating_watts
        volts = np.where(given > 0.0, self.bus[:, None], 0.0)
        air = self.air + _INLET_RISE
        outputs = {
            "power_shelf": {
                "power": given,
                "voltage": volts,
                "current": given / np.maximum(volts, 1.0),
                "temperature": air + _SHELF_RISE * load.reshape(of_shelf.shape).mean(axis=2),
            },
            "shelf_psu": {
                "output_power": output,
                "input_power": self._psu_input(),
                "temperature": air + _SHELF_RISE * load,
                "enabled": sound,
            },
            "hot_swap": self._swap_outputs(),
        }
        # A rack without any feed has no controller that could say so.
        alive = self.rack_powered[:, None]
        return {
            name: silenced(values, alive) if not alive.all() else values
            for name, values in outputs.items()
        }

    def _swap_outputs(self) -> dict[str, Floats]:
        """Return the signals of the trays' hot-swap controllers."""
        power: Floats = (self.output[:, :, None] * self._split).reshape(self._reading.shape)
        volts = np.repeat(self.volts, self._swaps, axis=1) + self._reading
        air = np.repeat(self.inlet, self._swaps, axis=1)
        values = {
            "power": power,
            "voltage": volts,
            "current": power / np.maximum(volts, 1.0),
            "temperature": air + _SWAP_RISE + _SWAP_KELVIN_PER_WATT * power,
        }
        if self.hosts is None and self.bmc is None:
            return values
        return silenced(values, np.repeat(self.bmc_answers, self._swaps, axis=1))


def _behind(volts: Floats | float, ohms: Floats | float, watts: Floats) -> Floats:
    """Return the voltage that constant power leaves behind a resistance, in V."""
    root = np.sqrt(np.maximum(np.square(volts) - 4.0 * ohms * watts, 0.0))
    left: Floats = 0.5 * (volts + root)
    return left
