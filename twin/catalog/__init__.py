"""Every signal of the twin, declared once.

The plant fills it, frames carry it, the aggregator exposes it, dashboards query it
and ``docs/metrics.md`` prints it. To add a signal, add one row to the table of its
device class and the physics that fills it.
"""

from __future__ import annotations

from twin.catalog.cooling import CDU, LEAK_STATES, PUMP, PUMP_STATES
from twin.catalog.gpu import GPU, XID_TEXT
from twin.catalog.job import JOB, JOB_STATES
from twin.catalog.model import DeviceClass, Family, Frame, Kind, Signal, Unit
from twin.catalog.nic import NIC
from twin.catalog.power import (
    CHARGE_STATES,
    FACILITY,
    GENSET,
    GENSET_STATES,
    GRID,
    INVERTER_STATES,
    MEGAPACK,
    PDU,
)
from twin.catalog.rollup import ROLLUPS, Level, Operation, Rollup
from twin.catalog.server import PSU, SERVER

__all__ = [
    "CDU",
    "CHARGE_STATES",
    "DEVICES",
    "FACILITY",
    "GENSET",
    "GENSET_STATES",
    "GPU",
    "GRID",
    "INVERTER_STATES",
    "JOB",
    "JOB_STATES",
    "LEAK_STATES",
    "MEGAPACK",
    "NIC",
    "PDU",
    "PSU",
    "PUMP",
    "PUMP_STATES",
    "ROLLUPS",
    "SERVER",
    "XID_TEXT",
    "DeviceClass",
    "Family",
    "Frame",
    "Kind",
    "Level",
    "Operation",
    "Rollup",
    "Signal",
    "Unit",
    "device_class",
    "devices_of",
]

DEVICES: tuple[DeviceClass, ...] = (
    GPU,
    NIC,
    SERVER,
    PSU,
    PUMP,
    CDU,
    PDU,
    MEGAPACK,
    GENSET,
    GRID,
    FACILITY,
    JOB,
)
"""All device classes, in the order in which they are shown."""


def device_class(name: str) -> DeviceClass:
    """Return the device class called ``name``.

    Raises:
        KeyError: there is no such class.
    """
    for device in DEVICES:
        if device.name == name:
            return device
    raise KeyError(f"there is no device class {name!r}")


def devices_of(frame: Frame) -> tuple[DeviceClass, ...]:
    """Return the device classes that travel in ``frame``."""
    return tuple(device for device in DEVICES if device.frame is frame)
