"""Row types of the table that says what a BMC shows.

A **kind** of BMC is one row: what it manages, how many a rack has, and when it answers. Its parts
are rows too: a chassis, a system, a processor, and what :mod:`twin.redfish.rows` has. Each names a
signal of the catalogue, and nothing else says where a value comes from. ``{n}`` in an id stands
for the number of the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.catalog import DeviceClass, Hosts, Signal
from twin.redfish.rows import (
    CircuitRow,
    CoolingRow,
    FanRow,
    LeakRow,
    MetricRow,
    SensorRow,
    SupplyRow,
)

if TYPE_CHECKING:
    from twin.parameters import Site
    from twin.redfish.view import BmcView

__all__ = ["BmcKind", "ChassisRow", "PortRow", "ProcessorRow", "SystemRow"]


def _everywhere(_: Site, rack: int) -> bool:  # noqa: ARG001 - as rows call it
    return True


def _always(_: BmcView) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ChassisRow:
    """A chassis, or one for each device of a class.

    Attributes:
        id: of it, with ``{n}``.
        name: what a person calls it, likewise.
        type: Redfish's ``ChassisType``.
        device: class that has one each; None for a single one.
        first: number of the first.
        within: id of the chassis that contains it, empty for none.
        sensors: of it.
        supplies: of it.
        fans: of it.
        leaks: detectors in it.
        temperature: id of the sensor of its ``EnvironmentMetrics``, empty for none.
        power: likewise.
        energy: likewise.
        power_limits: least, greatest and present power limit in W, None for none.
        manufacturer: of it.
        model: returns its model.
    """

    id: str
    name: str
    type: str
    device: DeviceClass | None = None
    first: int = 0
    within: str = ""
    sensors: tuple[SensorRow, ...] = ()
    supplies: tuple[SupplyRow, ...] = ()
    fans: tuple[FanRow, ...] = ()
    leaks: tuple[LeakRow, ...] = ()
    temperature: str = ""
    power: str = ""
    energy: str = ""
    power_limits: Callable[[BmcView, int], tuple[float, float, float]] | None = None
    manufacturer: str = ""
    model: Callable[[BmcView], str] | None = None


@dataclass(frozen=True, slots=True)
class PortRow:
    """The ports of a processor, which are devices of the rack, in order of the processors.

    Attributes:
        id: of one, with ``{n}``, numbered from 0.
        name: what a person calls it, likewise.
        protocol: that it speaks.
        device: class of the ports.
        state: 0 where it is up.
        count: returns how many a processor has.
        metrics: properties of its metrics.
        oem: ``@odata.type`` of NVIDIA's part of them.
    """

    id: str
    name: str
    protocol: str
    device: DeviceClass
    state: Signal
    count: Callable[[Site], int]
    metrics: tuple[MetricRow, ...] = ()
    oem: str = ""


@dataclass(frozen=True, slots=True)
class ProcessorRow:
    """The processors of a system.

    Attributes:
        id: of one, with ``{n}``.
        name: what a person calls it, likewise.
        type: Redfish's ``ProcessorType``.
        device: class of which each is one; None for ``count`` of them that are nobody's.
        anchor: the signal that says whether it answers.
        count: how many, where they are no devices.
        first: number of the first.
        chassis: id of the chassis in which it is, with ``{n}``.
        manufacturer: of it.
        model: returns its model.
        metrics: properties of its ``ProcessorMetrics``.
        oem: ``@odata.type`` of its NVIDIA part, and of that of its metrics; empty for none.
        memory: id of its memory, with ``{n}``; empty for none of its own.
        memory_state: properties of that memory.
        memory_metrics: properties of its ``MemoryMetrics``.
        memory_oem: as ``oem``, of the memory.
        temperature: id of a sensor in its chassis, with ``{n}``.
        ports: of it, None for none.
        smoothing: properties of NVIDIA's power smoothing, of which the first tells whether the bus
            says anything of it.
    """

    id: str
    name: str
    type: str
    anchor: tuple[DeviceClass, Signal]
    model: Callable[[BmcView], str]
    device: DeviceClass | None = None
    count: int = 0
    first: int = 0
    chassis: str = ""
    manufacturer: str = ""
    metrics: tuple[MetricRow, ...] = ()
    oem: tuple[str, str] = ("", "")
    memory: str = ""
    memory_state: tuple[MetricRow, ...] = ()
    memory_metrics: tuple[MetricRow, ...] = ()
    memory_oem: tuple[str, str] = ("", "")
    temperature: str = ""
    ports: PortRow | None = None
    smoothing: tuple[MetricRow, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemRow:
    """A computer system.

    Attributes:
        id: of it.
        name: what a person calls it.
        chassis: id of its chassis.
        processors: of it.
        host: whether it is the host, whose name and operating system it has.
        manufacturer: of it.
        model: returns its model.
    """

    id: str
    name: str
    chassis: str
    processors: tuple[ProcessorRow, ...] = ()
    host: bool = False
    manufacturer: str = ""
    model: Callable[[BmcView], str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class BmcKind:
    """A kind of BMC.

    Attributes:
        key: names it.
        title: what a person calls what it manages.
        hosts: what it manages: how many a rack has, and their names; its devices are theirs.
        suffix: of its name, after that of what it manages.
        stands: whether a rack has it, by the rack's index on the site.
        on: whether what it manages is switched on.
        booted: whether the operating system of its host answers, None where it has none.
        memory: of its host in B, likewise.
        answers: whether it does now.
        managers: ids of its managers, the first its own, to those of their chassis.
        chassis: of it, the first its main one.
        systems: of it.
        cooling: a coolant unit, if it has one.
        circuit: a PDU, if it has one.
        firmware: version of its controller's.
        reports: id of a metric report, ``{}`` for what is in it.
    """

    key: str
    title: str
    hosts: Hosts
    answers: Callable[[BmcView], bool]
    managers: Mapping[str, str]
    chassis: tuple[ChassisRow, ...]
    suffix: str = ""
    stands: Callable[[Site, int], bool] = _everywhere
    on: Callable[[BmcView], bool] = _always
    booted: Callable[[BmcView], bool] | None = None
    memory: Callable[[BmcView], float] | None = None
    systems: tuple[SystemRow, ...] = ()
    cooling: CoolingRow | None = None
    circuit: CircuitRow | None = None
    firmware: str = "1.0.0"
    reports: str = "{}"
