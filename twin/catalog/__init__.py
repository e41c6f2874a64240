"""Every signal of the twin, declared once.

The plant fills it, frames carry it, the aggregator exposes it, dashboards query it
and ``docs/metrics.md`` prints it. To add a signal, add one row to the table of its
device class and the physics that fills it.
"""

from __future__ import annotations

from collections.abc import Iterable

from twin.catalog import own
from twin.catalog.amd import AMD_GPU, AMD_NODE, AMD_XGMI_PEERS
from twin.catalog.cooling import CDU, CDU_PSU, CDU_PSU_STATES, LEAK_STATES, PUMP, PUMP_STATES
from twin.catalog.derived import DerivedFamily, DeviceValues, HostLevel, SeriesGroup
from twin.catalog.device import DeviceChart, DeviceClass
from twin.catalog.fabric import LEAF, PORT, SPINE
from twin.catalog.gpu import GPU
from twin.catalog.inference import (
    ENGINE,
    ENGINE_HISTOGRAMS,
    FINISHED_REASONS,
    INFERENCE_SERVER,
    engines_of,
    served_by,
)
from twin.catalog.job import JOB, JOB_STATES
from twin.catalog.mig import GpuInstance, MigView, partition
from twin.catalog.model import UP, Detail, Exporter, Labels, MetricType, Signal, Unit
from twin.catalog.neuron import NEURON, NEURON_LATENCIES, NEURON_RUNTIME, NEURONCORE
from twin.catalog.nic import NIC
from twin.catalog.operating_system import HOST
from twin.catalog.own import ARRAY_JOB, OWN_JOB, OWN_METRICS, OwnMetric
from twin.catalog.own_redfish import REDFISH_METRICS
from twin.catalog.page import (
    DEGRADED,
    SERIOUS,
    DeviceColumn,
    FloorValue,
    PageTable,
    TroubleSign,
    scale_end,
)
from twin.catalog.place import (
    CDU_HOST,
    SERVERS,
    UNIT_HOST,
    DeviceAddress,
    DeviceHolder,
    Hosts,
    Names,
    Place,
    RackIdentity,
    UnitKind,
)
from twin.catalog.power import (
    CHARGE_STATES,
    FACILITY,
    GENSET,
    GENSET_STATES,
    GRID,
    INVERTER_STATES,
    MEGAPACK,
    OSCILLATION_BANDS,
    PDU,
    PDU_BREAKER,
    PDU_BREAKER_STATES,
)
from twin.catalog.rack_scale import (
    GRACE,
    HOT_SWAP,
    LEAK_DETECTOR,
    NVLINK,
    POWER_SHELF,
    SHELF_PSU,
    SWITCH_TRAY,
)
from twin.catalog.rollup import ABOVE_RACK, Level, Operation, Rollup
from twin.catalog.server import FAN, PSU, SERVER
from twin.catalog.storage import CPU, STORAGE
from twin.catalog.water import CHILLER, CHILLER_STATES, WATER
from twin.catalog.xids import XID_TEXT
from twin.registry import Registry, View

__all__ = [
    "ABOVE_RACK",
    "AMD_GPU",
    "AMD_NODE",
    "AMD_XGMI_PEERS",
    "ARRAY_JOB",
    "CDU",
    "CDU_HOST",
    "CDU_PSU",
    "CDU_PSU_STATES",
    "CHARGE_STATES",
    "CHILLER",
    "CHILLER_STATES",
    "CPU",
    "DEGRADED",
    "DEVICES",
    "ENGINE",
    "ENGINE_HISTOGRAMS",
    "FACILITY",
    "FAN",
    "FINISHED_REASONS",
    "GENSET",
    "GENSET_STATES",
    "GPU",
    "GRACE",
    "GRID",
    "HOST",
    "HOT_SWAP",
    "INFERENCE_SERVER",
    "INVERTER_STATES",
    "JOB",
    "JOB_STATES",
    "LEAF",
    "LEAK_DETECTOR",
    "LEAK_STATES",
    "MEGAPACK",
    "NEURON",
    "NEURONCORE",
    "NEURON_LATENCIES",
    "NEURON_RUNTIME",
    "NIC",
    "NVLINK",
    "OSCILLATION_BANDS",
    "OWN_JOB",
    "OWN_METRICS",
    "PDU",
    "PDU_BREAKER",
    "PDU_BREAKER_STATES",
    "PORT",
    "POWER_SHELF",
    "PSU",
    "PUMP",
    "PUMP_STATES",
    "REDFISH_METRICS",
    "ROLLUPS",
    "SERIOUS",
    "SERVER",
    "SERVERS",
    "SHELF_PSU",
    "SPINE",
    "STORAGE",
    "SWITCH_TRAY",
    "UNIT_HOST",
    "UP",
    "WATER",
    "XID_TEXT",
    "DerivedFamily",
    "Detail",
    "DeviceAddress",
    "DeviceChart",
    "DeviceClass",
    "DeviceColumn",
    "DeviceHolder",
    "DeviceValues",
    "Exporter",
    "FloorValue",
    "GpuInstance",
    "HostLevel",
    "Hosts",
    "Labels",
    "Level",
    "MetricType",
    "MigView",
    "Names",
    "Operation",
    "OwnMetric",
    "PageTable",
    "Place",
    "RackIdentity",
    "Rollup",
    "SeriesGroup",
    "Signal",
    "TroubleSign",
    "Unit",
    "UnitKind",
    "device_class",
    "devices_of",
    "engines_of",
    "own",
    "partition",
    "rolled_up",
    "scale_end",
    "served_by",
]

DEVICES: Registry[DeviceClass] = Registry(
    GPU,
    NEURON,
    NEURONCORE,
    NEURON_RUNTIME,
    AMD_GPU,
    AMD_NODE,
    NIC,
    SERVER,
    HOST,
    INFERENCE_SERVER,
    ENGINE,
    PSU,
    FAN,
    PUMP,
    CDU,
    CDU_PSU,
    PDU,
    PDU_BREAKER,
    GRACE,
    NVLINK,
    SWITCH_TRAY,
    POWER_SHELF,
    SHELF_PSU,
    HOT_SWAP,
    LEAK_DETECTOR,
    LEAF,
    PORT,
    SPINE,
    STORAGE,
    CPU,
    MEGAPACK,
    GENSET,
    GRID,
    FACILITY,
    CHILLER,
    WATER,
    JOB,
)
"""All device classes, in the order in which they are shown."""


def _rollups() -> Iterable[Rollup]:
    found: dict[str, Rollup] = {}
    for device in DEVICES:
        for rollup in device.rollups:
            found.setdefault(rollup.name, rollup)
    return found.values()


ROLLUPS: View[Rollup] = View(_rollups)
"""All roll-ups, each name once: classes that exclude each other on a site may share a name."""


def rolled_up(name: str) -> tuple[Signal, ...]:
    """Return the signals that a roll-up of that name may be taken over; a site has one of them."""
    return tuple(
        device[rollup.signal]
        for device in DEVICES
        for rollup in device.rollups
        if rollup.name == name
    )


def device_class(name: str) -> DeviceClass:
    """Return the device class called ``name``.

    Raises:
        KeyError: there is no such class.
    """
    for device in DEVICES:
        if device.name == name:
            return device
    raise KeyError(f"there is no device class {name!r}")


def devices_of(frame: UnitKind) -> tuple[DeviceClass, ...]:
    """Return the device classes that travel in ``frame``."""
    return tuple(device for device in DEVICES if device.frame is frame)
