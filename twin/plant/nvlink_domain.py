"""NVLink domains: the links between all GPUs of a rack and its switch trays.

Link ``k`` of every GPU ends at switch chip ``k`` of its rack. A link that ages has recoveries, each
of which makes whoever uses it wait; when it fails for good, its GPU raises XID 149, the other GPUs
of the rack that have a job XID 145 and, as their channels are torn down, XID 45: only the first one
is to be replaced (marin-community/marin#9086). A switch tray that is lost takes its links from all
GPUs of the rack, and the bandwidth of each with them. A compute tray that is lost takes its GPUs
out of the domain: the others that have a job raise XID 145 and 45 in the same way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import NVLINK, SWITCH_TRAY
from twin.catalog.rack_scale.links import NO_ERRORS
from twin.plant.conditions import Conditions
from twin.plant.link_fec import LinkFec
from twin.plant.units import Floats, all_of, any_of
from twin.plant.workload import Demand
from twin.site import Layout

__all__ = ["NvlinkDomains"]

_LINK_DOWN_XID, _PEERS_XID, _TORN_DOWN_XID = 149, 145, 45
_PEERS_SECONDS, _TORN_DOWN_SECONDS = 2.0, 4.0
"""Time after which the peers' XID 145 is followed by 45, and until when that is raised, est."""
_AGEING_BER = 1e-11
"""Bit errors after FEC on a link for each recovery a second, est."""
_SYMBOLS_A_RECOVERY = 40.0
"""Symbols with errors for each recovery, est."""
_BAD_SIGNAL, _NO_SIGNAL = 15.0, 2.0
"""Status opcodes: bad signal integrity, and negotiation that finds no partner (PDDR register)."""
_ASIC_KELVIN_PER_WATT, _ASIC_RISE = 0.06, 8.0
"""Switch chip above the coolant, est.: 45 to 52 °C in use."""
_HEALTHY, _UNHEALTHY, _LIMITED = 1.0, 2.0, 3.0
"""Summary of a GPU's fabric health (NVML)."""
_MASK, _MASK_LIMITED, _MASK_ALONE = 0x1AA, 0x1A9, 0x4AA
"""Its mask: all well, bandwidth degraded, and without a partition (NVML: two bits each for
bandwidth, route recovery, route and access time-out; from bit 8 on what is configured wrongly)."""
_OF_LINKS = ("switch_tray_available", "nvlink_up", "nvlink_recoveries_per_second")
"""Conditions of links."""
_STARTED, _READY, _UNAVAILABLE = 3.0, 5.0, 7.0
"""States of fabric registration (``dcgmFabricManagerStatus_t``: success) and of IMEX' daemon."""


class NvlinkDomains:
    """The NVLinks of all racks; arrays are (racks, GPUs a rack) or (racks, switch trays).

    Attributes:
        pace: pace that the links leave each GPU over its full one, None where all are well.
        power: of each switch tray in W, (racks, switch trays).
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        site = layout.site
        self._p = site.nvlink
        self._rng = rng
        self._per_server = site.server.gpus
        shape = site.accelerators
        trays = layout.shape(SWITCH_TRAY)
        self._trays_up: NDArray[np.bool_] = np.ones(trays, dtype=np.bool_)
        self._tray_factor = 1.0 + rng.normal(0.0, 0.02, trays)
        self._down: NDArray[np.bool_] = np.zeros(shape, dtype=np.bool_)
        self._rate: Floats = np.zeros(shape)
        self._weak: NDArray[np.int8] = np.zeros(shape, dtype=np.int8)
        self._gone: NDArray[np.bool_] = np.zeros(shape, dtype=np.bool_)
        self._fallen_for: Floats = np.full((shape[0], 1), np.inf)
        self._alone: NDArray[np.bool_] | None = None
        self._imex: NDArray[np.bool_] | None = None
        shown = layout.per_unit(NVLINK) > 0
        self._links = (shape[0], shape[1], self._p.links) if shown else None
        counted = self._links or (0, 0, 0)
        self._recoveries, self._symbols, self._downs = (np.zeros(counted) for _ in range(3))
        self._fec = LinkFec.of(layout, rng)
        self.pace: Floats | None = None
        self.power: Floats = np.full(trays, self._p.tray_watts)

    # -- time ------------------------------------------------------------------

    def step(
        self, conditions: Conditions, demand: Demand, use: Floats, dt: float
    ) -> tuple[Conditions, Floats | None, Floats | None]:
        """Advance by ``dt`` seconds; return the conditions with the XIDs that links raise.

        With them come the recoveries and the links lost on each GPU in this step, None for none.

        Args:
            conditions: of the site.
            demand: what the jobs ask.
            use: NVLink traffic of each rack's GPUs over what their links carry, (racks,).
            dt: step in s.
        """
        up = conditions.switch_tray_available
        span = self._p.tray_watts - self._p.tray_idle_watts
        self.power = up * self._tray_factor * (self._p.tray_idle_watts + span * use[:, None])
        self._trays_up = up
        registered, imex = conditions.fabric_registered, conditions.imex_running
        faulty = conditions.faulty
        self._alone = ~self._of_gpus(registered) if faulty("fabric_registered") else None
        self._imex = self._of_gpus(imex) if faulty("imex_running") else None
        down = ~conditions.nvlink_up
        rate = conditions.nvlink_recoveries_per_second
        gone = self._lost_with_trays(conditions.gpu_attached)
        well = not (any(map(faulty, _OF_LINKS)) or any_of(gone) or any_of(self._gone))
        if well and all_of(np.isinf(self._fallen_for)):
            self.pace, self._down, self._rate = None, down, rate
            if self._fec is not None:
                self._fec.rest(dt)
            return conditions, None, None
        self._weak = conditions.nvlink_weak
        fallen = down & ~self._down
        torn, self._gone = gone & ~self._gone, gone
        recovered = self._rng.poisson(rate * dt).astype(np.float64)
        self._count(recovered, fallen)
        if self._links is not None:
            self._downs[torn] += 1.0
        self._down, self._rate = down, rate
        self._set_pace(up, down, rate)
        self._correct(dt)
        codes = self._with_codes(conditions, demand, fallen | torn, dt)
        return codes, recovered, fallen * 1.0

    def _correct(self, dt: float) -> None:
        """Let the links send, and correct what they get, for ``dt`` seconds."""
        if self._fec is None:
            return
        own = np.minimum(self._weak, self._p.links - 1)[:, :, None] == np.arange(self._p.links)
        off = np.repeat(~self._trays_up, self._p.chips_per_tray, axis=1)[:, None, :]
        down = own & self._down[:, :, None]
        up: NDArray[np.bool_] = ~(down | self._gone[:, :, None] | off)
        self._fec.step(own & (self._rate > 0.0)[:, :, None], self._rate, up, dt)

    def _lost_with_trays(self, attached: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the GPUs that left their domain with all of their tray, while others are in it."""
        if all_of(attached):
            return np.zeros_like(attached)
        there = attached.reshape(len(attached), -1, self._per_server).max(axis=2)
        lost: NDArray[np.bool_] = ~there & there.max(axis=1, keepdims=True)
        return self._of_gpus(lost)

    def _of_gpus(self, servers: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.repeat(servers, self._per_server, axis=1)

    def _count(self, recovered: Floats, fallen: NDArray[np.bool_]) -> None:
        """Count what happens on the weak link of each GPU."""
        if self._links is None:
            return
        racks, gpus = np.nonzero((recovered > 0) | fallen)
        links = np.minimum(self._weak[racks, gpus], self._p.links - 1)
        self._recoveries[racks, gpus, links] += recovered[racks, gpus]
        self._symbols[racks, gpus, links] += _SYMBOLS_A_RECOVERY * recovered[racks, gpus]
        self._downs[racks, gpus, links] += fallen[racks, gpus]

    def _set_pace(self, up: NDArray[np.bool_], down: NDArray[np.bool_], rate: Floats) -> None:
        """Set the pace of every GPU by the bandwidth of its links and by what they wait."""
        links = self._p.links
        lost = (~up).sum(axis=1, keepdims=True) * self._p.chips_per_tray + down
        share = np.maximum(1.0 - lost / links, 0.5 / links)
        waited = 1.0 + self._p.exposed_ratio * (1.0 / share - 1.0)
        self.pace = 1.0 / (waited + self._p.recovery_seconds * rate)

    def _with_codes(
        self, conditions: Conditions, demand: Demand, fallen: NDArray[np.bool_], dt: float
    ) -> Conditions:
        """Return the conditions with the XIDs of links that are down, and of those behind them."""
        age = np.where(fallen.any(axis=1, keepdims=True), 0.0, self._fallen_for + dt)
        age[age > _TORN_DOWN_SECONDS] = np.inf
        self._fallen_for = age
        peers = np.where(age < _PEERS_SECONDS, _PEERS_XID, _TORN_DOWN_XID)
        held = np.broadcast_to(np.greater(demand.present, 0.0), (len(age), 1)) if np.ndim(
            demand.present) == 0 else np.asarray(demand.present) > 0.0  # fmt: skip
        if held.shape[1] not in (1, self._down.shape[1]):
            held = self._of_gpus(held)
        struck = np.isfinite(age) & held & ~self._down & ~self._gone
        codes = np.where(self._down, _LINK_DOWN_XID, np.where(struck, peers, 0))
        codes = np.where(conditions.gpu_xid == 0, codes, conditions.gpu_xid).astype(np.int16)
        return conditions.but(gpu_xid=codes)

    # -- telemetry -------------------------------------------------------------

    def gpu_outputs(self) -> dict[str, Floats]:
        """Return the signals of the fabric in the catalogue's GPU class."""
        shape = self._down.shape
        lost = (~self._trays_up).any(axis=1, keepdims=True)
        summary = np.where(self._down | lost, _LIMITED, _HEALTHY)
        mask = np.where(self._down | lost, _MASK_LIMITED, _MASK)
        clique = np.full(shape, float(self._p.clique))
        if self._alone is not None:
            summary = np.where(self._alone, _UNHEALTHY, summary)
            mask = np.where(self._alone, _MASK_ALONE, mask)
            clique = np.where(self._alone, 0.0, clique)
        imex = np.full(shape, _READY)
        if self._imex is not None:
            imex = np.where(self._imex, _READY, _UNAVAILABLE)
        return {
            "fabric_status": np.full(shape, _STARTED),
            "fabric_clique": clique,
            "fabric_mask": mask.astype(np.float64),
            "fabric_health": summary,
            "imex_status": imex,
        }

    def outputs(self, coolant: Floats) -> dict[str, dict[str, Floats]]:
        """Return all signals of the catalogue's classes of switch trays and links.

        Args:
            coolant: supply temperature of each rack in °C, (racks,).
        """
        up = self._trays_up
        each = self.power / self._p.chips_per_tray
        asic = coolant[:, None] + _ASIC_RISE + _ASIC_KELVIN_PER_WATT * each

        def shown(values: Floats) -> Floats:
            return values if up.all() else np.where(up, values, np.nan)

        outputs = {
            "switch_tray": {
                "up": up.astype(np.float64),
                "power": shown(self.power),
                "asic1_temperature": shown(asic),
                "asic2_temperature": shown(asic + 0.7),
                "leakage": shown(np.zeros(up.shape)),
            }
        }
        if self._links is not None:
            outputs["nvlink"] = self._link_outputs(self._links)
        return outputs

    def _link_outputs(self, shape: tuple[int, int, int]) -> dict[str, Floats]:
        """Return the signals of all links, (racks, links a rack)."""
        ber, opcode = np.full(shape, NO_ERRORS), np.zeros(shape)
        if not self._trays_up.all():
            off = np.repeat(~self._trays_up, self._p.chips_per_tray, axis=1)
            opcode = np.where(off[:, None, :], _NO_SIGNAL, opcode)
        opcode[self._gone] = _NO_SIGNAL
        racks, gpus = np.nonzero(self._down | (self._rate > 0.0))
        links = np.minimum(self._weak[racks, gpus], shape[2] - 1)
        rate = self._rate[racks, gpus]
        ber[racks, gpus, links] = np.where(rate > 0.0, _AGEING_BER * rate, NO_ERRORS)
        opcode[racks, gpus, links] = np.where(self._down[racks, gpus], _BAD_SIGNAL, 0.0)
        values = {
            "effective_ber": ber,
            "symbol_errors": self._symbols,
            "link_down": self._downs,
            "recoveries": self._recoveries,
            "opcode": opcode,
        }
        fec = {} if self._fec is None else self._fec.outputs()
        return {name: own.reshape(shape[0], -1) for name, own in values.items()} | fec
