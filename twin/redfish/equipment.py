"""Resources of equipment: a coolant unit with its pumps, a PDU with its mains circuit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from twin.catalog.host.kind import serial
from twin.redfish.node import Kit, Node
from twin.redfish.rows import CircuitRow, ConnectorRow, CoolingRow
from twin.redfish.schemas import ROOT, Payload, link, links, resource, status
from twin.redfish.sensors import SensorPlace, numbered, worst
from twin.redfish.units import rounded
from twin.redfish.view import BmcView

__all__ = ["equipment_nodes"]

_GLYCOL = {"AdditiveName": "Propylene glycol", "AdditivePercent": 25}
"""PG25, which the loops of racks have."""
_HOURS = 1 / 3600
_KILO = 1e-3
_LINES = ("Line1ToNeutral", "Line2ToNeutral", "Line3ToNeutral")
_CURRENTS = ("Line1", "Line2", "Line3")


def equipment_nodes(kit: Kit) -> Iterator[Node]:
    """Yield the resources of what is no computer."""
    if kit.kind.cooling is not None:
        yield from _CoolingNodes(kit, kit.kind.cooling).nodes()
    if kit.kind.circuit is not None:
        yield from _CircuitNodes(kit, kit.kind.circuit).nodes()


class _CoolingNodes:
    """The resources of a coolant unit.

    Args:
        kit: what the kind of BMC has.
        row: that declares it.
    """

    def __init__(self, kit: Kit, row: CoolingRow) -> None:
        self._kit = kit
        self._row = row
        self._root = f"{ROOT}/ThermalEquipment"
        self._path = f"{self._root}/CDUs/{row.id}"
        self._pumps = range(row.pumps.device.per_host(kit.layout.site))

    def nodes(self) -> Iterator[Node]:
        """Yield them."""
        path, row = self._path, self._row
        yield Node(self._root, self._equipment)
        yield Node.collection(f"{self._root}/CDUs", "CoolingUnit", "CDUs", [path])
        yield Node(path, self._unit)
        pumps = [f"{path}/Pumps/{numbered(row.pumps.id, n + row.pumps.first)}" for n in self._pumps]
        yield Node.collection(f"{path}/Pumps", "Pump", "Pumps", pumps)
        for slot, own in enumerate(pumps):
            yield Node(own, partial(self._pump, slot, own))
        for connector in row.connectors:
            side = "Primary" if connector.primary else "Secondary"
            where = f"{path}/{side}CoolantConnectors"
            name = f"{side} Coolant Connectors"
            yield Node.collection(where, "CoolantConnector", name, [f"{where}/1"])
            yield Node(f"{where}/1", partial(self._connector, connector, f"{where}/1"))

    def _sensor(self, template: str, number: int = 0) -> SensorPlace | None:
        return self._kit.sensors.get((self._row.chassis, numbered(template, number)))

    def _equipment(self, view: BmcView) -> Payload:
        health = self._health(view)
        return resource(
            self._root,
            "ThermalEquipment",
            "thermal equipment",
            CDUs=link(f"{self._root}/CDUs"),
            Status={**status(health), "HealthRollup": health},
        )

    def _health(self, view: BmcView) -> str:
        chassis = self._kit.sensors.in_chassis(self._row.chassis)
        return worst(own.health(view) for own in chassis)

    def _unit(self, view: BmcView) -> Payload:
        row, health = self._row, self._health(view)
        chassis = f"{ROOT}/Chassis/{row.chassis}"
        return resource(
            self._path,
            "CoolingUnit",
            "coolant distribution unit",
            EquipmentType="CDU",
            Model=row.model or None,
            CoolingCapacityWatts=None if row.capacity is None else round(row.capacity(view)),
            SerialNumber=serial(view.place, row.chassis),
            Status={**status(health), "HealthRollup": health},
            Pumps=link(f"{self._path}/Pumps"),
            LeakDetection=link(f"{chassis}/ThermalSubsystem/LeakDetection"),
            EnvironmentMetrics=link(f"{chassis}/EnvironmentMetrics"),
            **{
                f"{'Primary' if own.primary else 'Secondary'}CoolantConnectors": link(
                    f"{self._path}/{'Primary' if own.primary else 'Secondary'}CoolantConnectors"
                )
                for own in row.connectors
            },
            Links={
                "Chassis": links([chassis]),
                "ManagedBy": links([self._kit.manager]),
            },
        )

    def _pump(self, slot: int, path: str, view: BmcView) -> Payload:
        row = self._row.pumps
        code = view.code(row.device, row.state, slot)
        ratio = view.value(row.device, row.ratio, slot)
        seconds = view.value(row.device, row.seconds, slot)
        inlet = self._sensor(row.inlet, slot + row.first)
        health = None if code is None else row.health.get(code, "Critical")
        return resource(
            path,
            "Pump",
            f"pump {slot + row.first}",
            PumpType="Liquid",
            PhysicalContext="Pump",
            PumpSpeedPercent={
                "Reading": None if ratio is None else rounded(ratio, 100.0, row.ratio.decimals),
                "SpeedRPM": view.value(row.device, row.speed, slot),
            },
            ServiceHours=None if seconds is None else round(seconds * _HOURS, 2),
            InletPressurekPa=None if inlet is None else inlet.excerpt(view),
            Status=status(health, there=code is not None),
        )

    def _connector(self, row: ConnectorRow, path: str, view: BmcView) -> Payload:
        side = "primary" if row.primary else "secondary"
        found = resource(
            path,
            "CoolantConnector",
            f"{side} coolant connector",
            CoolantConnectorType="Pair",
            Coolant={"CoolantType": "Water", **({} if row.primary else _GLYCOL)},
            Status=status(),
        )
        for name, sensor in row.sensors.items():
            place = self._sensor(sensor)
            if place is not None:
                found[name] = place.excerpt(view, _KILO if name.endswith("kW") else 1.0)
        return found


class _CircuitNodes:
    """The resources of a PDU.

    Args:
        kit: what the kind of BMC has.
        row: that declares it.
    """

    def __init__(self, kit: Kit, row: CircuitRow) -> None:
        self._kit = kit
        self._row = row
        self._root = f"{ROOT}/PowerEquipment"
        self._path = f"{self._root}/RackPDUs/{row.id}"
        self._mains = f"{self._path}/Mains/AC1"

    def nodes(self) -> Iterator[Node]:
        """Yield them."""
        yield Node(self._root, self._equipment)
        yield Node.collection(f"{self._root}/RackPDUs", "PowerDistribution", "Rack PDUs",
                              [self._path])  # fmt: skip
        yield Node(self._path, self._unit)
        yield Node.collection(f"{self._path}/Mains", "Circuit", "Mains", [self._mains])
        yield Node(self._mains, self._circuit)
        yield Node(f"{self._path}/Metrics", self._metrics)

    def _state(self, view: BmcView) -> str:
        code = view.code(self._row.device, self._row.breaker)
        return "Off" if code is None else self._row.states[code]

    def _health(self, view: BmcView) -> str:
        return "OK" if self._state(view) == "Normal" else "Critical"

    def _sensor(self, name: str) -> SensorPlace:
        return self._kit.sensors[self._row.chassis, name]

    def _equipment(self, view: BmcView) -> Payload:
        health = self._health(view)
        return resource(self._root, "PowerEquipment", "power equipment",
                        RackPDUs=link(f"{self._root}/RackPDUs"),
                        Status={**status(health), "HealthRollup": health})  # fmt: skip

    def _unit(self, view: BmcView) -> Payload:
        health = self._health(view)
        return resource(
            self._path,
            "PowerDistribution",
            "rack PDU",
            EquipmentType="RackPDU",
            SerialNumber=serial(view.place, view.managed),
            Mains=link(f"{self._path}/Mains"),
            Metrics=link(f"{self._path}/Metrics"),
            Status={**status(health), "HealthRollup": health},
            Links={
                "Chassis": links([f"{ROOT}/Chassis/{self._row.chassis}"]),
                "ManagedBy": links([self._kit.manager]),
            },
        )

    def _circuit(self, view: BmcView) -> Payload:
        state = self._state(view)
        circuit = resource(
            self._mains,
            "Circuit",
            "mains input",
            CircuitType="Mains",
            ElectricalContext="Total",
            VoltageType="AC",
            PhaseWiringType="ThreePhase5Wire",
            BreakerState=state,
            PowerState="On" if state == "Normal" else "Off",
            PowerLoadPercent=self._sensor(self._row.load).excerpt(view),
            Status=status(self._health(view)),
            PowerWatts=self._sum(view, "PolyPhasePowerWatts"),
        )
        for name, ids in self._row.phases.items():
            lines = _CURRENTS if name == "PolyPhaseCurrentAmps" else _LINES
            circuit[name] = {
                line: self._sensor(sensor).excerpt(view)
                for line, sensor in zip(lines, ids, strict=True)
            }
        return circuit

    def _sum(self, view: BmcView, name: str) -> Payload:
        """Return what all phases together have."""
        ids = self._row.phases[name]
        readings = [self._sensor(sensor).read(view) for sensor in ids]
        known = [reading for reading in readings if reading is not None]
        return {"Reading": round(sum(known), 1) if len(known) == len(ids) else None}

    def _metrics(self, view: BmcView) -> Payload:
        return resource(
            f"{self._path}/Metrics",
            "PowerDistributionMetrics",
            "metrics of the PDU",
            PowerWatts=self._sum(view, "PolyPhasePowerWatts"),
        )
