"""The tree of a kind of BMC: every path with what makes its resource."""

from __future__ import annotations

from functools import cached_property

from twin.redfish.chassis import chassis_nodes
from twin.redfish.equipment import equipment_nodes
from twin.redfish.events import event_nodes, watched
from twin.redfish.node import Kit, Node
from twin.redfish.reports import REPORTS, report_nodes
from twin.redfish.schemas import ROOT, SCHEMAS
from twin.redfish.services import service_nodes
from twin.redfish.systems import system_nodes
from twin.redfish.table import BmcKind
from twin.redfish.view import BmcView
from twin.site import Layout

__all__ = ["BmcTree"]


class BmcTree:
    """The resources that every BMC of a kind has on a site; only their values differ.

    Args:
        kind: of the BMCs.
        layout: the site.
    """

    def __init__(self, kind: BmcKind, layout: Layout) -> None:
        self._watched: list[Node] | None = None
        systems = list(system_nodes(Kit(kind, layout)))
        kit = Kit(kind, layout, tuple(own for own in systems if own.path.endswith("Metrics")))
        self._nodes = {
            own.path: own
            for own in (
                *service_nodes(kit),
                *systems,
                *chassis_nodes(kit),
                *equipment_nodes(kit),
                *report_nodes(kit),
                *event_nodes(),
            )
        }

    def __len__(self) -> int:
        return len(self._nodes)

    def find(self, path: str) -> Node | None:
        """Return the node at a path, which may end in a slash."""
        return self._nodes.get(path.rstrip("/"))

    def watched(self, view: BmcView) -> list[Node]:
        """Return the nodes whose changes are events."""
        if self._watched is None:
            self._watched = watched(self._nodes.values(), view)
        return self._watched

    @cached_property
    def reports(self) -> list[Node]:
        """The metric reports."""
        return [own for own in self._nodes.values() if own.path.startswith(f"{REPORTS}/")]

    @property
    def paths(self) -> list[str]:
        """Every path, in the order in which they were made."""
        return list(self._nodes)

    @cached_property
    def metadata(self) -> str:
        """The document at ``$metadata``: where the schemas are published."""
        one = '<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/{0}_v1.xml">{1}</edmx:Reference>'
        include = '<edmx:Include Namespace="{0}"/>'
        names = [(own, f"{own}.{version}") for own, version in SCHEMAS.items()]
        rows = [
            one.format(own, include.format(own) + include.format(versioned))
            for own, versioned in names
        ]
        rows += [
            one.format(f"{own}Collection", include.format(f"{own}Collection"))
            for own in SCHEMAS
            if own in _COLLECTIONS
        ]
        root = f"ServiceRoot.{SCHEMAS['ServiceRoot']}"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">\n'
            + "\n".join(rows)
            + "\n<edmx:DataServices>"
            '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">'
            f'<EntityContainer Name="Service" Extends="{root}.ServiceContainer"/>'
            "</Schema></edmx:DataServices>\n</edmx:Edmx>\n"
        )

    @cached_property
    def services(self) -> dict[str, object]:
        """The document at ``odata``: what the root links to."""
        names = ("Systems", "Chassis", "Managers", "SessionService", "EventService",
                 "TelemetryService", "ThermalEquipment", "PowerEquipment")  # fmt: skip
        return {
            "@odata.context": f"{ROOT}/$metadata",
            "value": [
                {"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"},
                *(
                    {"name": name, "kind": "Singleton", "url": f"{ROOT}/{name}"}
                    for name in names
                    if f"{ROOT}/{name}" in self._nodes
                ),
            ],
        }


_COLLECTIONS = frozenset(
    {"Chassis", "Circuit", "ComputerSystem", "CoolantConnector", "CoolingUnit", "EventDestination",
     "Fan", "LeakDetector", "Manager", "Memory", "MessageRegistryFile", "MetricReport",
     "MetricReportDefinition", "Port", "PowerDistribution", "PowerSupply", "Processor", "Pump",
     "Sensor", "Session"}
)  # fmt: skip
"""Schemas that have collections here."""
