"""Laws of conservation that every step of every plant keeps.

Declared once: the property tests strike random sites with random faults and measure all of
them in every step, the documentation lists them with the largest error ever seen. An error is
relative to what is exchanged in the step, so it says what share of it came from nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from twin.plant.conditions import Conditions
from twin.plant.pcie import PcieTraffic
from twin.plant.plant import LONGEST_STEP, Plant
from twin.plant.room import AIR_JOULES_PER_KILOGRAM_KELVIN
from twin.plant.scheduler.table import HOLDING, BatchState
from twin.plant.units import Floats
from twin.site import Layout, Site

__all__ = ["LAWS", "Law", "LawWatch", "PlantStep"]

_SECONDS_PER_MINUTE = 60.0
_CARRIED_KELVIN, _CARRIED_KILOGRAMS = 59.0, 2.0
"""Beyond this rise, or with less air than this times its heat capacity, air carries no more."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Stocks and running totals of a plant at one time, by name."""

    values: dict[str, Floats | float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Floats:
        return np.asarray(self.values[name], dtype=np.float64)

    @classmethod
    def of(cls, plant: Plant) -> Totals:
        """Return those of a plant, as copies."""
        halls, cdus, packs = plant.halls, plant.cdus, plant.megapacks
        progress = halls.jobs.progress
        leaf, uplink = halls.fabric.octets, halls.fabric.uplink_octets
        stored = plant.storage.totals
        return cls(
            {
                name: np.array(value, dtype=np.float64)
                for name, value in {
                    "gpu_joules": plant.gpus.energy_joules,
                    "grid_joules": plant.grid.energy,
                    "returned": cdus.returned, "supply": cdus.supply, "level": cdus.loops.level,
                    "rails": _rail_bytes(plant),
                    "leaf_in": leaf.received, "leaf_out": leaf.transmitted,
                    "discarded": halls.fabric.discarded,
                    "uplink_out": uplink.transmitted, "uplink_in": uplink.received,
                    "written": stored[0], "read": stored[1],
                    "soc": packs.soc, "given": packs.discharged, "taken": packs.charged,
                    "elapsed": [own.elapsed_seconds for own in progress],
                    "kept": [own.kept_seconds + sum(own.lost.values()) for own in progress],
                    **_batch(plant),
                }.items()
            }
        )  # fmt: skip


def _rail_bytes(plant: Plant) -> Floats:
    """Return what each server has sent on each rail in bytes, (servers, rails)."""
    nics = plant.nics
    rails: Floats = nics.tx_bytes.reshape(-1, nics.per_server)[:, : nics.sent.shape[1]]
    return rails


def _batch(plant: Plant) -> dict[str, float]:
    """Return jobs of the scheduler: those that came, those that are, those that ended."""
    batch = plant.halls.batch
    if batch is None:
        return {"came": 0.0, "there": 0.0, "ended": 0.0}
    table, statistics = batch.scheduler.table, batch.scheduler.statistics
    there = table.among(BatchState.PENDING, *HOLDING)
    return {
        "came": float(statistics.submitted),
        "there": float(there.sum()),
        "ended": float(statistics.completed + statistics.failed + statistics.cancelled),
    }


@dataclass(frozen=True, slots=True)
class PlantStep:
    """A step of a plant that is over.

    Attributes:
        plant: after it.
        site: whose plant it is.
        conditions: of the step.
        before: stocks and totals before it.
        after: the same after it.
        dt: its length in s.
    """

    plant: Plant
    site: Site
    conditions: Conditions
    before: Totals
    after: Totals
    dt: float

    def gained(self, name: str) -> Floats:
        """Return what a stock or total has gained."""
        gained: Floats = self.after[name] - self.before[name]
        return gained


@dataclass(frozen=True, slots=True)
class Law:
    """A law of conservation.

    Attributes:
        key: its name.
        quantity: what is conserved: energy, mass, bytes, jobs.
        statement: what it says.
        limit: greatest error that is allowed.
        error: returns that of a step: share of what is exchanged.
    """

    key: str
    quantity: str
    statement: str
    limit: float
    error: Callable[[PlantStep], float]


class LawWatch:
    """Measures all laws of a plant, step by step.

    Args:
        layout: the site.
        plant: of it.
    """

    def __init__(self, layout: Layout, plant: Plant) -> None:
        self._site, self._plant = layout.site, plant
        self._before = Totals.of(plant)

    def step(self, dt: float, conditions: Conditions) -> dict[str, float]:
        """Let the plant advance, and return the error of every law by its name.

        Raises:
            ValueError: the step is one that the plant cuts, of which the middle is not seen.
        """
        if dt > LONGEST_STEP:
            raise ValueError(f"laws are measured in steps of at most {LONGEST_STEP} s, not {dt}")
        plant = self._plant
        plant.step(dt, conditions)
        after = Totals.of(plant)
        step = PlantStep(plant, self._site, conditions, self._before, after, dt)
        self._before = after
        return {law.key: law.error(step) for law in LAWS}


def _apart(one: Floats | float, other: Floats | float, least: float) -> float:
    """Return the greatest difference over what is compared, or over this much of it."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if not one.size:
        return 0.0
    scale = np.maximum(np.maximum(np.abs(one), np.abs(other)), least)
    return float((np.abs(one - other) / scale).max())


# -- energy ----------------------------------------------------------------------------


def _sources(step: PlantStep) -> float:
    plant = step.plant
    given = plant.grid.power + plant.megapacks.power.sum() + plant.gensets.power.sum()
    return _apart(given, plant.meters.total - plant.supply.unserved, 1e5)


def _facility(step: PlantStep) -> float:
    plant, halls = step.plant, step.plant.halls
    racks = float(plant.servers.total + plant.cdus.power.sum())
    network = halls.fabric.power + plant.spines.power + plant.storage.power
    cooling = plant.water.power + step.site.facility.fixed_power_watts
    loss = step.site.facility.loss_ratio * (racks + network)
    return _apart(plant.meters.total, racks + network + cooling + loss, 1e3)


def _racks(step: PlantStep) -> float:
    servers = step.plant.servers
    racks = servers.rack_power + step.plant.halls.heat.unit_power
    phases = servers.pdu_outputs(1.0)["power"].sum(axis=1)
    live = servers.rack_powered
    return _apart(phases[live], racks[live], 1e3)


def _servers(step: PlantStep) -> float:
    servers, halls = step.plant.servers, step.plant.halls
    if step.site.shelves.count:
        return 0.0
    gpus = halls.gpus.power.reshape(*servers.output.shape, -1).sum(axis=2, dtype=np.float64)
    asked = step.site.server.output_for(gpus, servers.fans)
    powered = np.ones(asked.shape, np.bool_) if servers.hosts is None else servers.hosts.powered
    return _apart(servers.output[powered], np.asarray(asked)[powered], 1.0)


def _gpu_energy(step: PlantStep) -> float:
    return _apart(step.gained("gpu_joules"), step.plant.gpus.power * step.dt, 1.0)


def _grid_energy(step: PlantStep) -> float:
    carried = max(step.plant.grid.power, 0.0) * step.dt
    return _apart(step.gained("grid_joules").sum(), carried, 1e5)


def _battery(step: PlantStep) -> float:
    packs, p = step.plant.megapacks, step.site.megapacks
    one_way = float(np.sqrt(p.round_trip_ratio))
    cells = step.gained("soc") * packs.capacity
    through = step.gained("taken") * one_way - step.gained("given") / one_way
    # Beside what passes there is what a unit takes for itself, which is never more than that.
    spent = through - cells
    most = p.auxiliary_watts * step.dt
    wrong = np.maximum(-spent, spent - most)
    return float(np.maximum(wrong, 0.0).max(initial=0.0)) / (p.power_watts * step.dt)


# -- heat and coolant ------------------------------------------------------------------


def _taken_up(step: PlantStep) -> float:
    servers, heat = step.plant.servers, step.plant.halls.heat
    power = servers.rack_power[heat.liquid]
    return float((np.maximum(step.plant.cdus.absorbed - power, 0.0)
                  / np.maximum(power, 1e3)).max(initial=0.0))  # fmt: skip


def _coolant_heat(step: PlantStep) -> float:
    cdus = step.plant.cdus
    warm, cool = cdus.heat_capacity
    kept = warm * step.gained("returned") + cool * step.gained("supply")
    flowed = (cdus.absorbed - cdus.rejected) * step.dt
    return float(np.abs((kept - flowed) / (1e3 * step.dt + np.abs(cdus.absorbed) * step.dt))
                 .max(initial=0.0))  # fmt: skip


def _coolant_carries(step: PlantStep) -> float:
    cdus, cooling = step.plant.cdus, step.site.cooling
    rate = cdus.flow * cooling.coolant_joules_per_liter_kelvin / _SECONDS_PER_MINUTE
    return _apart(cdus.outputs()["heat_removed"][:, 0], rate * (cdus.returned - cdus.supply), 1.0)


def _coolant_mass(step: PlantStep) -> float:
    halls, cooling = step.plant.halls, step.site.cooling
    leak = (step.conditions.coolant_leak + step.conditions.tray_leak.sum(axis=1))[halls.heat.liquid]
    change = np.where(leak > 0.0, -leak, cooling.makeup_liters_per_minute)
    moved = change * step.dt / _SECONDS_PER_MINUTE
    before = step.before["level"] * cooling.reservoir_liters
    there = np.clip(before + moved, 0.0, cooling.reservoir_liters)
    return _apart(step.after["level"] * cooling.reservoir_liters, there, 1.0)


def _air_carries(step: PlantStep) -> float:
    heat = step.plant.halls.heat
    streams = heat.streams
    if streams is None:
        return 0.0
    moved = streams.flow * AIR_JOULES_PER_KILOGRAM_KELVIN
    carried = (streams.rise < _CARRIED_KELVIN) & (moved > _CARRIED_KILOGRAMS)
    power = step.plant.servers.power[heat.air]
    return _apart((moved * streams.rise)[carried], power[carried], 1.0)


# -- bytes -----------------------------------------------------------------------------


def _over_pcie(step: PlantStep) -> float:
    nics, server = step.plant.nics, step.site.server
    traffic = PcieTraffic.of(nics, step.site.fabric.rails, server.gpus)
    pairs = zip((nics.sending, nics.receiving), traffic, strict=True)
    return max(
        _apart(
            np.asarray(gpus).reshape(-1, server.gpus).sum(axis=1, dtype=np.float64),
            ports.reshape(-1, nics.per_server).sum(axis=1, dtype=np.float64),
            1e3,
        )
        for ports, gpus in pairs
    )


def _into_leaves(step: PlantStep) -> float:
    into = step.gained("leaf_in").sum() - step.gained("uplink_in").sum()
    return _apart(step.gained("rails").sum(), into, 1e6 * step.dt)


def _through_leaves(step: PlantStep) -> float:
    out = step.gained("leaf_out") + step.gained("discarded")
    return _apart(step.gained("leaf_in"), out, 1e6 * step.dt)


def _over_spines(step: PlantStep) -> float:
    fabric = step.plant.fabric
    into, out = fabric.into_spines.sum(), fabric.from_spines.sum()
    sent = step.gained("uplink_out").sum()
    least = 1e6 * step.dt
    return max(_apart(into, sent, least), _apart(into, out, least))


def _to_storage(step: PlantStep, *, name: str, rate: str) -> float:
    moved = getattr(step.plant.nics, rate) * step.dt
    return _apart(step.gained(name).sum(), moved, 1e6 * step.dt)


# -- jobs ------------------------------------------------------------------------------


def _job_time(step: PlantStep) -> float:
    return _apart(step.after["elapsed"], step.after["kept"], 1.0)


def _job_count(step: PlantStep) -> float:
    stayed = step.gained("there") + step.gained("ended")
    return float(abs(step.gained("came") - stayed))


def _job_gpus(step: PlantStep) -> float:
    batch = step.plant.halls.batch
    if batch is None:
        return 0.0
    table, owner = batch.scheduler.table, batch.scheduler.owner
    held = np.bincount(owner[owner >= 0].ravel(), minlength=table.rows)
    asked = np.where(table.among(*HOLDING), table.gpus, 0)
    return float(np.abs(held - asked).max())


LAWS: tuple[Law, ...] = (
    Law("sources", "energy", "Grid, Megapacks and generators give what the site takes, but for "
        "what it is denied.", 1e-5, _sources),
    Law("facility", "energy", "What the site takes is what racks, network, storage, cooling and "
        "conversion take.", 1e-9, _facility),
    Law("racks", "energy", "The phases of a rack's PDUs carry what its servers and its coolant "
        "unit draw.", 1e-6, _racks),
    Law("servers", "energy", "What a server's supplies give is what its GPUs, converters, fans "
        "and all else take.", 1e-6, _servers),
    Law("gpu-energy", "energy", "A GPU's counter of energy grows by its power times the time.",
        1e-4, _gpu_energy),
    Law("grid-energy", "energy", "The counters of the feeds grow by what they carry.", 1e-6,
        _grid_energy),
    Law("battery", "energy", "What goes into a Megapack, less losses and its own use, is what its "
        "state of charge gains.", 1e-6, _battery),
    Law("heat", "energy", "The coolant takes up no more heat than the servers draw.", 1e-9,
        _taken_up),
    Law("coolant-heat", "energy", "What servers give to the coolant and the facility water does "
        "not take away warms the coolant.", 1e-9, _coolant_heat),
    Law("coolant-flow", "energy", "The heat that a coolant unit shows is flow times heat capacity "
        "times the rise.", 1e-9, _coolant_carries),
    Law("air", "energy", "All that an air-cooled server draws leaves it with its air.", 1e-9,
        _air_carries),
    Law("coolant", "mass", "A loop loses what leaks and gains what is made up.", 1e-9,
        _coolant_mass),
    Law("pcie", "bytes", "What leaves a server or enters it has crossed the PCIe of its GPUs.",
        1e-5, _over_pcie),
    Law("leaves-in", "bytes", "What servers send on their rails enters leaf switches.", 1e-5,
        _into_leaves),
    Law("leaves", "bytes", "What enters a leaf leaves it or is discarded.", 1e-5, _through_leaves),
    Law("spines", "bytes", "What leaves send up enters spines, and leaves them for other leaves.",
        1e-5, _over_spines),
    Law("stored", "bytes", "What servers write to the storage is written there.", 1e-6,
        partial(_to_storage, name="written", rate="stored")),
    Law("loaded", "bytes", "What servers load from the storage is read there.", 1e-6,
        partial(_to_storage, name="read", rate="loaded")),
    Law("job-time", "time", "A job's time is what it kept and what it lost, by cause.", 1e-6,
        _job_time),
    Law("job-count", "jobs", "A job that came waits, runs or has ended.", 0.0, _job_count),
    Law("job-gpus", "jobs", "A running job has as many GPUs as it asked for, of its own.", 0.0,
        _job_gpus),
)  # fmt: skip
"""All laws, from the grid to heat, from memory to storage, and of jobs."""
