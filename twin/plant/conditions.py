"""Conditions of the plant: the one input that faults and controllers write and physics reads.

Each condition is declared once: whose it is, how a healthy one reads, and its type. What is
wrong with telemetry alone is no condition of the plant, see :mod:`twin.faults.gateways`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from twin.catalog import (
    CDU_PSU,
    CHILLER,
    DEVICES,
    FAN,
    GPU,
    GRID,
    LEAF,
    NIC,
    PDU,
    PDU_BREAKER,
    PSU,
    PUMP,
    SERVER,
    SHELF_PSU,
    SPINE,
    SWITCH_TRAY,
    DeviceClass,
    UnitKind,
)
from twin.plant.units import equal
from twin.site import Layout

__all__ = ["Condition", "Conditions", "DraftConditions"]

Flags = NDArray[np.bool_]
_ONE = "condition"


@dataclass(frozen=True, slots=True)
class Condition:
    """The declaration of one condition.

    Attributes:
        owner: what has one each: a device class, a kind of unit, or None for the site.
        healthy: its value without a fault.
        dtype: of its array.
    """

    owner: DeviceClass | UnitKind | None
    healthy: bool | float
    dtype: DTypeLike

    @property
    def kind(self) -> UnitKind:
        """The kind of unit that it belongs to; what belongs to the site is the facility's."""
        if isinstance(self.owner, DeviceClass):
            return self.owner.frame
        return self.owner or UnitKind.GRID

    def shape(self, layout: Layout) -> tuple[int, ...]:
        """Return the shape of its array: units, devices a unit; of the facility devices only."""
        if self.owner is None:
            return (1,)
        if not isinstance(self.owner, DeviceClass):
            return (layout.units(self.owner),)
        if self.owner is GPU:
            return layout.site.accelerators
        shape = layout.shape(self.owner)
        return shape[1:] if self.kind is UnitKind.GRID else shape

    def array(self, layout: Layout) -> NDArray[Any]:
        """Return the array of a healthy site."""
        return np.full(self.shape(layout), self.healthy, dtype=self.dtype)


def _each(
    owner: DeviceClass | UnitKind | None, healthy: bool | float, dtype: DTypeLike | None = None
) -> Any:
    """Declare a condition; its type is that of ``healthy`` unless another is named."""
    kind = (np.bool_ if isinstance(healthy, bool) else np.float64) if dtype is None else dtype
    return field(metadata={_ONE: Condition(owner, healthy, kind)})


class _Known:
    """What is known of conditions beside their values.

    Attributes:
        known: of conditions that are read-only, whether they are faulty.
    """

    __slots__ = ("known",)
    known: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Conditions(_Known):
    """The health of every device of a site."""

    gpu_attached: Flags = _each(GPU, healthy=True)
    """The GPU answers on its bus."""
    gpu_responding: Flags = _each(GPU, healthy=True)
    """Its kernels come to an end."""
    gpu_xid: NDArray[np.int16] = _each(GPU, healthy=0, dtype=np.int16)
    """XID whose cause is present, 0 for none."""
    gpu_clock_limit: NDArray[np.float32] = _each(GPU, healthy=1.0, dtype=np.float32)
    """Greatest clock over full clock."""
    gpu_thermal_resistance: NDArray[np.float32] = _each(GPU, healthy=1.0, dtype=np.float32)
    """Die to coolant, over normal."""
    gpu_single_bit_per_second: NDArray[np.float32] = _each(GPU, healthy=0.0, dtype=np.float32)
    """Correctable ECC errors a second."""
    gpu_pcie_replays_per_second: NDArray[np.float32] = _each(GPU, healthy=0.0, dtype=np.float32)
    """Replays on its PCIe link a second."""
    nvlink_errors_per_second: NDArray[np.float32] = _each(GPU, healthy=0.0, dtype=np.float32)
    """CRC errors on its NVLinks a second."""
    nvlink_recoveries_per_second: NDArray[np.float32] = _each(GPU, healthy=0.0, dtype=np.float32)
    """Recoveries a second of its weak link to the NVLink switch trays."""
    nvlink_up: Flags = _each(GPU, healthy=True)
    """That link is up."""
    nvlink_weak: NDArray[np.int8] = _each(GPU, healthy=0, dtype=np.int8)
    """Number of that link, from 0 on."""
    switch_tray_available: Flags = _each(SWITCH_TRAY, healthy=True)
    """The NVLink switch tray runs."""
    fabric_registered: Flags = _each(SERVER, healthy=True)
    """The tray's GPUs have their partition of the NVLink domain."""
    imex_running: Flags = _each(SERVER, healthy=True)
    """The server's IMEX daemon is ready."""
    power_brake_released: Flags = _each(SERVER, healthy=True)
    """The brake pin of the GPUs is not asserted."""
    dcgm_running: Flags = _each(SERVER, healthy=True)
    """The server's dcgm-exporter answers."""
    host_runaway_threads: NDArray[np.float32] = _each(SERVER, healthy=0.0, dtype=np.float32)
    """CPU threads that a program of the server keeps busy for nothing."""
    host_leak: NDArray[np.float64] = _each(SERVER, healthy=0.0)
    """What a program takes more of the server's memory, in B/s."""
    host_disk_fill: NDArray[np.float64] = _each(SERVER, healthy=0.0)
    """What something writes to the server's root file system, in B/s."""
    host_disk_speed: NDArray[np.float64] = _each(SERVER, healthy=1.0)
    """Throughput of the server's disks over what they can do."""
    host_disk_writable: Flags = _each(SERVER, healthy=True)
    """The root file system takes writes."""
    host_mirror_whole: Flags = _each(SERVER, healthy=True)
    """Both disks of the system's mirror work."""
    host_clock_offset: NDArray[np.float64] = _each(SERVER, healthy=0.0)
    """What the server's clock is ahead, in s."""
    rack_clock_offset: NDArray[np.float64] = _each(UnitKind.RACK, healthy=0.0)
    """What the clocks of the rack's servers and of its gateway are ahead, in s."""
    dram_correctable_per_second: NDArray[np.float32] = _each(SERVER, healthy=0.0, dtype=np.float32)
    """Errors of the server's memory that ECC corrects, a second."""
    dram_uncorrectable_per_second: NDArray[np.float32] = _each(
        SERVER, healthy=0.0, dtype=np.float32
    )
    """Errors of the server's memory that ECC cannot correct, a second."""
    nic_link: Flags = _each(NIC, healthy=True)
    """The port can hold its link."""
    nic_rate: NDArray[np.float32] = _each(NIC, healthy=1.0, dtype=np.float32)
    """Link rate over nominal."""
    nic_loss: NDArray[np.float32] = _each(NIC, healthy=0.0, dtype=np.float32)
    """Share of the packets to the port that its cable loses."""
    nic_pause: NDArray[np.float32] = _each(NIC, healthy=0.0, dtype=np.float32)
    """Share of the time in which the port sends pause frames."""
    nic_dimming: NDArray[np.float32] = _each(NIC, healthy=0.0, dtype=np.float32)
    """Received light lost in dB."""
    leaf_available: Flags = _each(LEAF, healthy=True)
    """The leaf switch runs."""
    spine_available: Flags = _each(SPINE, healthy=True)
    """The spine switch runs."""
    adaptive_routing: Flags = _each(None, healthy=True)
    """The fabric routes adaptively, where the site has it."""
    service_available: Flags = _each(UnitKind.SERVICE, healthy=True)
    """The rack has power."""
    storage_speed: NDArray[np.float64] = _each(UnitKind.SERVICE, healthy=1.0)
    """Throughput of the storage over its rating."""
    storage_filling: NDArray[np.float64] = _each(UnitKind.SERVICE, healthy=0.0)
    """Share of the rack's disks that is taken an hour and not given back."""
    pump_available: Flags = _each(PUMP, healthy=True)
    """The pump can run."""
    pump_head: NDArray[np.float64] = _each(PUMP, healthy=1.0)
    """Head of the pump over that of a new one."""
    cdu_psu_ok: Flags = _each(CDU_PSU, healthy=True)
    """The coolant unit's power supply delivers."""
    filter_resistance: NDArray[np.float64] = _each(UnitKind.RACK, healthy=1.0)
    """Resistance of the coolant filter over a clean one's."""
    exchanger_fouling: NDArray[np.float64] = _each(UnitKind.RACK, healthy=1.0)
    """Thermal resistance of the exchanger over a clean one's."""
    coolant_leak: NDArray[np.float64] = _each(UnitKind.RACK, healthy=0.0)
    """Coolant lost in L/min."""
    valve_stuck_at: NDArray[np.float64] = _each(UnitKind.RACK, healthy=-1.0)
    """Opening at which the facility valve hangs, -1 where it moves."""
    coolant_supply_offset: NDArray[np.float64] = _each(UnitKind.RACK, healthy=0.0)
    """Set point of the coolant's supply above that of the site in K."""
    coolant_flow_ratio: NDArray[np.float64] = _each(UnitKind.RACK, healthy=1.0)
    """Set point of the coolant's flow over the nominal one."""
    fan_available: Flags = _each(FAN, healthy=True)
    """The fan can turn."""
    air_resistance: NDArray[np.float64] = _each(SERVER, healthy=1.0)
    """Resistance of the server's air filters and grilles over that of clean ones."""
    hot_air_recirculated: NDArray[np.float64] = _each(UnitKind.RACK, healthy=0.0)
    """Share of hot air in what the rack's servers take in, beyond the usual."""
    chiller_available: Flags = _each(CHILLER, healthy=True)
    """The chiller can run."""
    water_excess: NDArray[np.float64] = _each(None, healthy=0.0)
    """Facility water set point above what it should be in K."""
    outdoor_excess: NDArray[np.float64] = _each(None, healthy=0.0)
    """Outdoor temperature above the season's in K."""
    server_available: Flags = _each(SERVER, healthy=True)
    """The server can run."""
    server_cap: NDArray[np.float64] = _each(SERVER, healthy=np.inf)
    """Greatest power at its inlets in W."""
    bmc_answers: Flags = _each(SERVER, healthy=True)
    """The server's board controller answers."""
    shelf_psu_available: Flags = _each(SHELF_PSU, healthy=True)
    """The supply of a power shelf delivers."""
    smoothing_enabled: Flags = _each(SERVER, healthy=True)
    """Power smoothing of the tray's GPUs is as the site has it."""
    bus_volts_ratio: NDArray[np.float64] = _each(UnitKind.RACK, healthy=1.0)
    """Voltage that the power shelves of the rack hold over the nominal one."""
    bus_joint_ohms: NDArray[np.float64] = _each(SERVER, healthy=0.0)
    """Further resistance between the bus and the tray in ohm."""
    tray_leak: NDArray[np.float64] = _each(SERVER, healthy=0.0)
    """Coolant that the tray loses in L/min."""
    tray_flow_ratio: NDArray[np.float64] = _each(SERVER, healthy=1.0)
    """Coolant through the tray over its share of the rack's."""
    psu_available: Flags = _each(PSU, healthy=True)
    """The supply delivers."""
    pdu_breaker: Flags = _each(PDU_BREAKER, healthy=True)
    """The breaker is closed."""
    pdu_phase_load: NDArray[np.float64] = _each(PDU, healthy=1.0)
    """Load of the phase over its even share."""
    megapack_available: Flags = _each(UnitKind.MEGAPACK, healthy=True)
    """The unit can connect."""
    megapack_power_ratio: NDArray[np.float64] = _each(UnitKind.MEGAPACK, healthy=1.0)
    """Power limit over rated power."""
    megapack_order: NDArray[np.float64] = _each(None, healthy=np.nan)
    """Power that all Megapacks together are asked for on the grid in W, positive to discharge; NaN
    where they smooth the load."""
    genset_available: Flags = _each(UnitKind.GENSET, healthy=True)
    """No protection holds the unit."""
    genset_startable: Flags = _each(UnitKind.GENSET, healthy=True)
    """The engine fires."""
    grid_available: Flags = _each(GRID, healthy=True)
    """The utility serves the feed."""
    grid_voltage: NDArray[np.float64] = _each(GRID, healthy=1.0)
    """Voltage over normal."""
    grid_frequency_offset: NDArray[np.float64] = _each(None, healthy=0.0)
    """Deviation of the frequency in Hz."""
    job_sound: Flags = _each(UnitKind.JOB, healthy=True)
    """The job's own code does not fail."""
    job_synchronous: Flags = _each(UnitKind.JOB, healthy=True)
    """Every rank of it enters the collectives."""
    job_input_ratio: NDArray[np.float64] = _each(UnitKind.JOB, healthy=1.0)
    """Rate of its input over what it needs."""
    job_checkpoint_seconds: NDArray[np.float64] = _each(UnitKind.JOB, healthy=np.inf)
    """Time between its checkpoints, infinite for as configured."""
    job_request_ratio: NDArray[np.float64] = _each(UnitKind.JOB, healthy=1.0)
    """Requests to it over the usual ones, where it serves."""
    container_sound: Flags = _each(SERVER, healthy=True)
    """Containers of the scheduler's jobs run on the server."""
    scheduler_running: Flags = _each(None, healthy=True)
    """The scheduler places jobs."""
    gpu_sensor_stuck: Flags = _each(GPU, healthy=False)
    """Temperature and power readings freeze."""
    supply_sensor_drift: NDArray[np.float64] = _each(UnitKind.RACK, healthy=0.0)
    """Error of the supply thermometer in K."""
    flow_noise: NDArray[np.float64] = _each(UnitKind.RACK, healthy=0.0)
    """Standard deviation of the flow reading over the flow."""
    added: Mapping[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict)
    """What device classes from outside declare, by class and name."""

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        object.__setattr__(self, "known", {})

    def __reduce__(self) -> tuple[type[Conditions], tuple[object, ...]]:
        """Have copies made by value: they may be written to, so nothing is known of them."""
        return Conditions, tuple(getattr(self, each.name) for each in fields(Conditions))

    def faulty(self, name: str) -> bool:
        """Whether any value of a condition is not the healthy one; told once if it is read-only."""
        known = self.known.get(name)
        if known is None:
            values = getattr(self, name)
            known = bool((values != self.declared()[name].healthy).any())
            if not values.flags.writeable:
                self.known[name] = known
        return known

    def ailing(self, name: str) -> NDArray[Any] | None:
        """Return a condition of which any value is not the healthy one, None where all are."""
        return getattr(self, name) if self.faulty(name) else None

    def but(self, **changed: Any) -> Conditions:
        """Return the same conditions but for these."""
        other = replace(self, **changed)
        other.known.update((name, own) for name, own in self.known.items() if name not in changed)
        return other

    def of(self, device: DeviceClass, name: str) -> NDArray[np.float64]:
        """Return a condition that a device class declares itself: (units, devices a unit)."""
        return self.added[device.name, name]

    def freeze(self) -> None:
        """Make the arrays read-only."""
        for array in (*(getattr(self, name) for name in self.declared()), *self.added.values()):
            array.flags.writeable = False

    def copy(self) -> Conditions:
        """Return the same conditions with arrays of their own, which may be written to."""
        return Conditions(
            **{name: getattr(self, name).copy() for name in self.declared()},
            added={key: array.copy() for key, array in self.added.items()},
        )

    @classmethod
    def healthy(cls, layout: Layout) -> Conditions:
        """Return the conditions of a site without any fault; the arrays may be written to."""
        added = {
            (device.name, name): np.full(layout.shape(device), healthy)
            for device in DEVICES
            for name, healthy in device.conditions.items()
        }
        return cls(
            **{name: each.array(layout) for name, each in cls.declared().items()}, added=added
        )

    @classmethod
    @cache
    def declared(cls) -> dict[str, Condition]:
        """Return the declaration of every condition by its name."""
        return {each.name: each.metadata[_ONE] for each in fields(cls) if _ONE in each.metadata}


class DraftConditions(Conditions):
    """Conditions that faults write to: an array is copied when it is first asked for.

    Few are, so a fault costs what it changes, and what it leaves is the same array as before.

    Args:
        base: the conditions without the faults.

    Attributes:
        own: the arrays that were asked for, by name.
        result: the conditions that came of it, once it is done.
    """

    __slots__ = ("base", "own", "result")
    base: Conditions
    own: dict[str, NDArray[Any]]
    result: Conditions

    def __init__(self, base: Conditions) -> None:
        added = {key: array.copy() for key, array in base.added.items()}
        for name, value in (("base", base), ("own", {}), ("added", added), ("known", {})):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        """Return a condition to write to; slots that are not set come here."""
        if name not in self.declared():
            raise AttributeError(name)
        if name not in self.own:
            self.own[name] = getattr(self.base, name).copy()
        return self.own[name]

    def done(self, before: DraftConditions | None = None) -> Conditions:
        """Return the conditions as they are now, read-only.

        Args:
            before: another draft that is done, whose conditions are returned if these are the same.
        """
        if before is not None and self._is(before):
            conditions = before.result
        elif self.own or self.added:
            conditions = self.base.but(**self.own, added=self.added)
            for array in (*self.own.values(), *self.added.values()):
                array.flags.writeable = False
        else:
            conditions = self.base
        object.__setattr__(self, "result", conditions)
        return conditions

    def _is(self, other: DraftConditions) -> bool:
        """Return whether another draft comes to the same."""
        one, two = self.own, other.own
        same = self.base is other.base and not self.added and one.keys() == two.keys()
        return same and all(equal(values, two[name]) for name, values in one.items())
