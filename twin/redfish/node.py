"""Nodes of a BMC's tree: a path, and what makes its resource."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from twin.catalog import DerivedFamily, DeviceClass
from twin.redfish.rows import Shown
from twin.redfish.schemas import ROOT, Payload, collection
from twin.redfish.sensors import BmcSensors, Chassis, chassis_of
from twin.redfish.table import BmcKind, SystemRow
from twin.redfish.view import BmcView
from twin.site import Layout

__all__ = ["Kit", "Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """A resource of a kind of BMC.

    Attributes:
        path: of it.
        make: returns it as one BMC of the kind has it.
        members: paths of its members, where it is a collection.
    """

    path: str
    make: Callable[[BmcView], Payload]
    members: Sequence[str] | None = None

    @classmethod
    def collection(cls, path: str, schema: str, name: str, members: Sequence[str]) -> Node:
        """Return the node of a collection whose members are always the same."""
        return cls(path, lambda _: collection(path, schema, name, members), tuple(members))


@dataclass(frozen=True)
class Kit:
    """What a kind of BMC has on a site.

    Attributes:
        kind: the kind.
        layout: the site.
        metrics: nodes of metrics, of which reports are made.
    """

    kind: BmcKind
    layout: Layout
    metrics: tuple[Node, ...] = ()

    @cached_property
    def chassis(self) -> list[Chassis]:
        """Every chassis, the main one first."""
        return chassis_of(self.kind, self.layout)

    @cached_property
    def sensors(self) -> BmcSensors:
        """Every sensor."""
        return BmcSensors(self.kind, self.layout)

    def has(self, device: DeviceClass, shown: Shown) -> bool:
        """Whether the site has such devices, and they say this."""
        if not self.layout.per_unit(device):
            return False
        if isinstance(shown, DerivedFamily):
            return True
        return any(own.name == shown.name for own in self.layout.reported[device.name])

    def slots(self, device: DeviceClass, shown: Shown) -> int:
        """Return how many devices one BMC has, or series of one that a family gives."""
        site = self.layout.site
        if isinstance(shown, DerivedFamily):
            return shown.group.count(site)
        return device.per_host(site)

    @staticmethod
    def system_path(row: SystemRow) -> str:
        """Return the path of a system."""
        return f"{ROOT}/Systems/{row.id}"

    @property
    def manager(self) -> str:
        """Path of the BMC's own manager."""
        return self.manager_path(next(iter(self.kind.managers)))

    def managers_of(self, chassis: str) -> list[str]:
        """Return the paths of the managers of a chassis."""
        return [
            self.manager_path(own) for own, where in self.kind.managers.items() if where == chassis
        ]

    @staticmethod
    def manager_path(name: str) -> str:
        """Return the path of a manager."""
        return f"{ROOT}/Managers/{name}"
