"""Resources that every BMC has: the root, its managers, and the services."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from uuid import UUID, uuid5

from twin import __version__
from twin.redfish.messages import BASE
from twin.redfish.node import Kit, Node
from twin.redfish.schemas import (
    REDFISH_VERSION,
    ROOT,
    Payload,
    link,
    links,
    moment,
    resource,
    status,
)
from twin.redfish.sessions import SESSION_SECONDS
from twin.redfish.view import BmcView

__all__ = ["SESSIONS", "service_nodes"]

SESSIONS = f"{ROOT}/SessionService/Sessions"
"""Path of the sessions, which are no part of the tree."""

_NAMESPACE = UUID("1b8a2f0e-93a6-4f63-8d6a-0c1b9d2f7a55")
_REGISTRY = f"{ROOT}/Registries/Base"


def service_nodes(kit: Kit) -> Iterator[Node]:
    """Yield them."""
    yield Node(ROOT, partial(_root, kit))
    yield Node(f"{ROOT}/SessionService", _sessions)
    managers = {kit.manager_path(own): where for own, where in kit.kind.managers.items()}
    yield Node.collection(f"{ROOT}/Managers", "Manager", "Managers", list(managers))
    for path, chassis in managers.items():
        yield Node(path, partial(_manager, kit, path, chassis))
    registries = f"{ROOT}/Registries"
    yield Node.collection(registries, "MessageRegistryFile", "Message Registries", [_REGISTRY])
    yield Node(_REGISTRY, _registry)


def _uuid(view: BmcView, what: str) -> str:
    return str(uuid5(_NAMESPACE, f"{view.site.name}/{view.managed}/{what}"))


def _root(kit: Kit, view: BmcView) -> Payload:
    kind = kit.kind
    return resource(
        ROOT,
        "ServiceRoot",
        "root service",
        RedfishVersion=REDFISH_VERSION,
        UUID=_uuid(view, "service"),
        Product=f"datacenter-twin {__version__}",
        Systems=link(f"{ROOT}/Systems") if kind.systems else None,
        Chassis=link(f"{ROOT}/Chassis"),
        Managers=link(f"{ROOT}/Managers"),
        ThermalEquipment=link(f"{ROOT}/ThermalEquipment") if kind.cooling else None,
        PowerEquipment=link(f"{ROOT}/PowerEquipment") if kind.circuit else None,
        SessionService=link(f"{ROOT}/SessionService"),
        EventService=link(f"{ROOT}/EventService"),
        TelemetryService=link(f"{ROOT}/TelemetryService"),
        Registries=link(f"{ROOT}/Registries"),
        Links={"Sessions": link(SESSIONS)},
        ProtocolFeaturesSupported={
            "ExpandQuery": {"ExpandAll": True, "Levels": True, "Links": True, "MaxLevels": 2,
                            "NoLinks": True},
            "FilterQuery": False,
            "OnlyMemberQuery": True,
            "SelectQuery": True,
            "TopSkipQuery": True,
        },
    ) | {"@odata.id": f"{ROOT}/", "Id": "RootService"}  # fmt: skip


def _sessions(view: BmcView) -> Payload:  # noqa: ARG001 - the same for each
    return resource(
        f"{ROOT}/SessionService",
        "SessionService",
        "session service",
        ServiceEnabled=True,
        SessionTimeout=SESSION_SECONDS,
        Sessions=link(SESSIONS),
        Status=status(),
    )


def _manager(kit: Kit, path: str, chassis: str, view: BmcView) -> Payload:
    kind = kit.kind
    systems = [kit.system_path(row) for row in kind.systems if row.chassis == chassis]
    return resource(
        path,
        "Manager",
        f"controller of the {kind.title if path == kit.manager else 'baseboard'}",
        ManagerType="BMC",
        UUID=_uuid(view, path),
        FirmwareVersion=kind.firmware,
        DateTime=moment(view.ts),
        DateTimeLocalOffset="+00:00",
        PowerState="On",
        Status=status(),
        Links={
            "ManagerForServers": links(systems),
            "ManagerForChassis": links([f"{ROOT}/Chassis/{chassis}"]),
        },
    )


def _registry(view: BmcView) -> Payload:  # noqa: ARG001 - the same for each
    name, _, version = BASE.partition(".")
    return resource(
        _REGISTRY,
        "MessageRegistryFile",
        "Base message registry",
        Registry=BASE,
        Languages=["en"],
        Location=[
            {
                "Language": "en",
                "PublicationUri": f"https://redfish.dmtf.org/registries/{name}.{version}.0.json",
            }
        ],
    )
