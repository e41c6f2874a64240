"""Resources ``Thermal`` and ``Power`` of a chassis, which the subsystems have replaced.

The DMTF has deprecated them since 2020.4; most exporters still read nothing else, and BMCs still
have them. They say what the subsystems say.
"""

from __future__ import annotations

from collections.abc import Sequence

from twin.redfish.rows import FanRow, SupplyRow
from twin.redfish.schemas import Payload, link, resource, status
from twin.redfish.sensors import SensorPlace, numbered
from twin.redfish.view import BmcView

__all__ = ["power", "thermal"]

_THRESHOLDS = {
    "UpperCaution": "UpperThresholdNonCritical",
    "UpperCritical": "UpperThresholdCritical",
    "UpperFatal": "UpperThresholdFatal",
}


def thermal(
    path: str, sensors: Sequence[SensorPlace], fans: Sequence[tuple[FanRow, int]], view: BmcView
) -> Payload:
    """Return the temperatures and the fans of a chassis.

    Args:
        path: of the resource.
        sensors: of the chassis.
        fans: of the chassis, with their numbers from 0.
        view: of the BMC.
    """
    warm = [own for own in sensors if own.row.reading.kind == "Temperature"]
    return resource(
        path,
        "Thermal",
        "thermal",
        Temperatures=[_temperature(path, n, own, view) for n, own in enumerate(warm)],
        Fans=[_fan(path, n, row, slot, view) for n, (row, slot) in enumerate(fans)],
    )


def _temperature(path: str, number: int, place: SensorPlace, view: BmcView) -> Payload:
    reading = place.read(view)
    limits = place.row.limits(view)
    return {
        "@odata.id": f"{path}#/Temperatures/{number}",
        "MemberId": str(number),
        "Name": numbered(place.row.name, place.slot + place.row.first),
        "ReadingCelsius": reading,
        "PhysicalContext": place.row.context,
        "Status": status(place.health(view), there=reading is not None),
        **{_THRESHOLDS[name]: value for name, value in limits.items()},
    }


def _fan(path: str, number: int, row: FanRow, slot: int, view: BmcView) -> Payload:
    speed = view.value(row.device, row.speed, slot)
    code = view.code(row.device, row.state, slot)
    health = None if code is None else row.health.get(code, "Critical")
    return {
        "@odata.id": f"{path}#/Fans/{number}",
        "MemberId": str(number),
        "Name": numbered(row.id, slot + row.first),
        "Reading": None if speed is None else round(speed),
        "ReadingUnits": "RPM",
        "PhysicalContext": "Chassis",
        "Status": status(health, there=speed is not None),
    }


def power(
    path: str,
    total: SensorPlace | None,
    supplies: Sequence[tuple[SupplyRow, int, SensorPlace | None, SensorPlace | None]],
    view: BmcView,
) -> Payload:
    """Return the power of a chassis and its supplies.

    Args:
        path: of the resource.
        total: sensor of its power, None for none.
        supplies: of it, with their numbers from 0 and the sensors of input and output.
        view: of the BMC.
    """
    control = [] if total is None else [{
        "@odata.id": f"{path}#/PowerControl/0",
        "MemberId": "0",
        "Name": "Total power",
        "PowerConsumedWatts": total.read(view),
        "RelatedItem": [link(total.chassis.path)],
        "Status": status(total.health(view)),
    }]  # fmt: skip
    return resource(
        path,
        "Power",
        "power",
        PowerControl=control,
        PowerSupplies=[_supply(path, number, own, view) for number, own in enumerate(supplies)],
    )


def _supply(
    path: str,
    number: int,
    own: tuple[SupplyRow, int, SensorPlace | None, SensorPlace | None],
    view: BmcView,
) -> Payload:
    row, slot, taken, given = own
    code = view.code(row.device, row.state, slot)
    health = None if code is None else row.health.get(code, "Critical")
    supply: Payload = {
        "@odata.id": f"{path}#/PowerSupplies/{number}",
        "MemberId": str(number),
        "Name": numbered(row.id, slot + row.first),
        "PowerSupplyType": "AC",
        "Status": status(health, there=code is not None),
    }
    if row.rated is not None:
        supply["PowerCapacityWatts"] = row.rated(view)
    if taken is not None:
        supply["PowerInputWatts"] = taken.read(view)
    if given is not None:
        supply["PowerOutputWatts"] = supply["LastPowerOutputWatts"] = given.read(view)
    return supply
