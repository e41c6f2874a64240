"""Schemas: the version of each DMTF schema that resources follow, and the parts all have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

__all__ = [
    "REDFISH_VERSION",
    "ROOT",
    "SCHEMAS",
    "Payload",
    "collection",
    "link",
    "links",
    "moment",
    "resource",
    "status",
]

Payload: TypeAlias = dict[str, Any]
"""A resource, as it is written as JSON."""

ROOT = "/redfish/v1"
REDFISH_VERSION = "1.20.1"
"""Of the protocol, DSP0266."""

SCHEMAS: Mapping[str, str] = {
    "Chassis": "v1_25_0",
    "Circuit": "v1_8_0",
    "ComputerSystem": "v1_23_0",
    "CoolantConnector": "v1_4_0",
    "CoolingUnit": "v1_2_0",
    "EnvironmentMetrics": "v1_5_0",
    "Event": "v1_11_0",
    "EventDestination": "v1_15_0",
    "EventService": "v1_10_3",
    "Fan": "v1_5_2",
    "LeakDetection": "v1_1_0",
    "LeakDetector": "v1_4_0",
    "Manager": "v1_20_0",
    "Memory": "v1_20_0",
    "MemoryMetrics": "v1_7_3",
    "MessageRegistryFile": "v1_1_5",
    "MetricReport": "v1_5_2",
    "MetricReportDefinition": "v1_4_7",
    "Port": "v1_4_0",
    "PortMetrics": "v1_3_0",
    "Power": "v1_7_3",
    "PowerDistribution": "v1_4_0",
    "PowerDistributionMetrics": "v1_3_2",
    "PowerEquipment": "v1_2_3",
    "PowerSubsystem": "v1_1_4",
    "PowerSupply": "v1_6_0",
    "PowerSupplyMetrics": "v1_1_2",
    "Processor": "v1_20_0",
    "ProcessorMetrics": "v1_6_4",
    "Pump": "v1_2_0",
    "Sensor": "v1_10_1",
    "ServiceRoot": "v1_17_0",
    "Session": "v1_8_0",
    "SessionService": "v1_2_0",
    "TelemetryService": "v1_4_1",
    "Thermal": "v1_7_3",
    "ThermalEquipment": "v1_1_2",
    "ThermalMetrics": "v1_3_3",
    "ThermalSubsystem": "v1_3_3",
}
"""Of the DMTF's Redfish schema bundle (DSP8010)."""


def resource(path: str, schema: str, name: str, /, **properties: Any) -> Payload:
    """Return a resource; properties that are None stay away.

    Args:
        path: of it.
        schema: name of its schema.
        name: what a person calls it.
        properties: of it.
    """
    version = SCHEMAS[schema]
    return {
        "@odata.id": path,
        "@odata.type": f"#{schema}.{version}.{schema}",
        "Id": path.rsplit("/", 1)[-1],
        "Name": name[:1].upper() + name[1:],
        **{key: value for key, value in properties.items() if value is not None},
    }


def collection(path: str, schema: str, name: str, members: Iterable[str]) -> Payload:
    """Return a collection of resources.

    Args:
        path: of it.
        schema: name of its members' schema.
        name: what a person calls it.
        members: their paths.
    """
    found = links(members)
    return {
        "@odata.id": path,
        "@odata.type": f"#{schema}Collection.{schema}Collection",
        "Name": name,
        "Members": found,
        "Members@odata.count": len(found),
    }


def link(path: str) -> Payload:
    """Return a link to a resource."""
    return {"@odata.id": path}


def links(paths: Iterable[str]) -> list[Payload]:
    """Return links to some resources."""
    return [link(path) for path in paths]


def status(health: str | None = "OK", *, there: bool = True) -> Payload:
    """Return a status.

    Args:
        health: of the resource, None where nobody knows.
        there: whether it is there and reports.
    """
    state = {"State": "Enabled" if there else "UnavailableOffline"}
    return state if health is None else {**state, "Health": health}


def moment(ts: float) -> str:
    """Return a time, unix seconds, as Redfish writes it."""
    whole = math.floor(ts * 1000) / 1000 if math.isfinite(ts) else 0.0
    text = datetime.fromtimestamp(whole, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
