"""Sensors: where each stands, what it reads, and how a resource quotes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twin.redfish.rows import SensorRow
from twin.redfish.schemas import ROOT, Payload, resource, status
from twin.redfish.table import BmcKind, ChassisRow
from twin.redfish.units import rounded
from twin.redfish.view import BmcView
from twin.site import Layout

__all__ = ["BmcSensors", "Chassis", "SensorPlace", "chassis_of", "numbered", "worst"]

_HEALTHS = ("OK", "Warning", "Critical")
_UPPER = (("UpperFatal", "Critical"), ("UpperCritical", "Critical"), ("UpperCaution", "Warning"))


def numbered(template: str, number: int) -> str:
    """Return an id or a name with the number of a device in it."""
    return template.replace("{n}", str(number))


def worst(healths: Iterator[str | None]) -> str:
    """Return the worst of some healths; unknown ones count for nothing."""
    return max((own for own in healths if own), key=_HEALTHS.index, default="OK")


@dataclass(frozen=True, slots=True)
class Chassis:
    """One chassis of a BMC.

    Attributes:
        row: that declares it.
        slot: of the device that it is, 0 for a single one.
    """

    row: ChassisRow
    slot: int = 0

    @property
    def number(self) -> int:
        """The number in its id."""
        return self.slot + self.row.first

    @property
    def id(self) -> str:
        """Its id."""
        return numbered(self.row.id, self.number)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return numbered(self.row.name, self.number)

    @property
    def path(self) -> str:
        """Its path."""
        return f"{ROOT}/Chassis/{self.id}"


def chassis_of(kind: BmcKind, layout: Layout) -> list[Chassis]:
    """Return every chassis of a kind of BMC on a site."""
    return [
        Chassis(row, slot)
        for row in kind.chassis
        for slot in range(1 if row.device is None else row.device.per_host(layout.site))
    ]


@dataclass(frozen=True, slots=True)
class SensorPlace:
    """One sensor.

    Attributes:
        chassis: that it is in.
        row: that declares it.
        slot: of its device.
    """

    chassis: Chassis
    row: SensorRow
    slot: int

    @property
    def id(self) -> str:
        """Its id."""
        return numbered(self.row.id, self.slot + self.row.first)

    @property
    def path(self) -> str:
        """Its path."""
        return f"{self.chassis.path}/Sensors/{self.id}"

    def read(self, view: BmcView) -> float | None:
        """Return its reading in Redfish's unit, None where it has none."""
        row = self.row
        value = view.value(row.device, row.shown, self.slot)
        if value is None:
            return None
        if row.margin_to is not None:
            value = row.margin_to(view.gpu_model) - value
        return rounded(value, row.reading.factor, row.shown.decimals)

    def health(self, view: BmcView) -> str | None:
        """Return its health, None where it has no reading."""
        reading = self.read(view)
        if reading is None:
            return None
        if self.row.state is not None:
            code = view.code(self.row.device, self.row.state, self.slot)
            return None if code is None else self.row.health.get(code, "Critical")
        limits = self.row.limits(view)
        for name, health in _UPPER:
            if reading >= limits.get(name, float("inf")):
                return health
        return "OK"

    def payload(self, view: BmcView) -> Payload:
        """Return the resource."""
        row = self.row
        reading = self.read(view)
        limits = row.limits(view)
        return resource(
            self.path,
            "Sensor",
            numbered(row.name, self.slot + row.first),
            Reading=reading,
            ReadingType=row.reading.kind,
            ReadingUnits=row.reading.units,
            ReadingBasis="Headroom" if row.margin_to is not None else "Zero",
            PhysicalContext=row.context,
            Status=status(self.health(view), there=reading is not None),
            Thresholds={name: {"Reading": value} for name, value in limits.items()} or None,
        ) | ({"Reading": None} if reading is None else {})

    def excerpt(self, view: BmcView, factor: float = 1.0) -> Payload:
        """Return what another resource quotes of it.

        Args:
            view: of the BMC.
            factor: to the unit that the other resource's property has.
        """
        reading = self.read(view)
        scaled = None if reading is None else rounded(reading, factor, self.row.shown.decimals)
        return {"DataSourceUri": self.path, "Reading": reading if factor == 1.0 else scaled}


class BmcSensors(Mapping[tuple[str, str], SensorPlace]):
    """All sensors of a kind of BMC on a site, by the ids of their chassis and their own."""

    def __init__(self, kind: BmcKind, layout: Layout) -> None:
        self._places = {
            (own.chassis.id, own.id): own
            for chassis in chassis_of(kind, layout)
            for own in _sensors_in(chassis, layout)
        }

    def __getitem__(self, key: tuple[str, str]) -> SensorPlace:
        return self._places[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def in_chassis(self, chassis: str) -> list[SensorPlace]:
        """Return the sensors of a chassis."""
        return [own for (where, _), own in self._places.items() if where == chassis]


def _sensors_in(chassis: Chassis, layout: Layout) -> Iterator[SensorPlace]:
    for row in chassis.row.sensors:
        reported = {own.name for own in layout.reported[row.device.name]}
        if not layout.per_unit(row.device) or row.shown.name not in reported:
            continue
        if chassis.row.device is row.device:
            yield SensorPlace(chassis, row, chassis.slot)
        else:
            for slot in range(row.device.per_host(layout.site)):
                yield SensorPlace(chassis, row, slot)
