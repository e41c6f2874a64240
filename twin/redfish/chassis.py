"""Resources of a chassis: itself, its sensors, and its thermal and power subsystems."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

from twin.catalog import UnitKind
from twin.catalog.host.kind import serial
from twin.redfish.legacy import power, thermal
from twin.redfish.node import Kit, Node
from twin.redfish.rows import FanRow, LeakRow, SupplyRow
from twin.redfish.schemas import Payload, link, links, resource, status
from twin.redfish.sensors import Chassis, SensorPlace, numbered, worst
from twin.redfish.units import rounded
from twin.redfish.view import BmcView

__all__ = ["chassis_nodes"]


def chassis_nodes(kit: Kit) -> Iterator[Node]:
    """Yield the resources of every chassis."""
    everyone = kit.chassis
    path = everyone[0].path.rsplit("/", 1)[0]
    yield Node.collection(path, "Chassis", "Chassis", [own.path for own in everyone])
    for chassis in everyone:
        yield from _ChassisNodes(kit, chassis).nodes()


class _ChassisNodes:
    """The resources of one chassis.

    Args:
        kit: what the kind of BMC has.
        chassis: the chassis.
    """

    def __init__(self, kit: Kit, chassis: Chassis) -> None:
        self._kit = kit
        self._chassis = chassis
        self._row = chassis.row
        self._path = chassis.path
        self._sensors = kit.sensors.in_chassis(chassis.id)
        layout = kit.layout
        self._supplies = [
            (row, slot)
            for row in self._row.supplies
            if layout.per_unit(row.device)
            for slot in range(row.device.per_host(layout.site))
        ]
        fans = (row for row in self._row.fans if kit.has(row.device, row.speed))
        self._fans = [
            (row, slot)
            for row in itertools.islice(fans, 1)
            for slot in range(kit.slots(row.device, row.speed))
        ]
        self._leaks = [row for row in self._row.leaks if kit.has(row.device, row.state)]

    @property
    def _main(self) -> bool:
        """Whether it is that of the whole, whose serial number the host reads too."""
        return self._chassis is self._kit.chassis[0]

    @property
    def _has_thermal(self) -> bool:
        return bool(self._fans or self._leaks or self._row.temperature)

    @property
    def _has_environment(self) -> bool:
        return bool(self._row.temperature or self._row.power)

    def nodes(self) -> Iterator[Node]:
        """Yield them."""
        path = self._path
        yield Node(path, self._itself)
        if self._sensors:
            yield Node.collection(
                f"{path}/Sensors", "Sensor", "Sensors", [own.path for own in self._sensors]
            )
        for sensor in self._sensors:
            yield Node(sensor.path, sensor.payload)
        if self._has_environment:
            yield Node(f"{path}/EnvironmentMetrics", self._environment)
        if self._supplies:
            yield from self._power()
            yield Node(f"{path}/Power", self._legacy_power)
        if self._has_thermal:
            yield from self._thermal()
            own = partial(thermal, f"{path}/Thermal", self._sensors, self._fans)
            yield Node(f"{path}/Thermal", own)

    # -- the chassis -----------------------------------------------------------

    def _itself(self, view: BmcView) -> Payload:
        row, kit = self._row, self._kit
        within = [own.path for own in kit.chassis if own.id == row.within]
        contains = [own.path for own in kit.chassis if own.row.within == self._chassis.id]
        systems = [kit.system_path(own) for own in kit.kind.systems if own.chassis == row.id]
        health = self._health(view)
        rack = view.store.names.unit_name(UnitKind.RACK, view.rack)
        return resource(
            self._path,
            "Chassis",
            self._chassis.name,
            ChassisType=row.type,
            Manufacturer=row.manufacturer or None,
            Model=None if row.model is None else row.model(view),
            SerialNumber=serial(view.place, "chassis" if self._main else self._chassis.id),
            PowerState="On" if kit.kind.on(view) else "Off",
            Status={**status(health, there=self._there(view)), "HealthRollup": health},
            Location={"Placement": {"Rack": rack}},
            Sensors=link(f"{self._path}/Sensors") if self._sensors else None,
            EnvironmentMetrics=(
                link(f"{self._path}/EnvironmentMetrics") if self._has_environment else None
            ),
            Power=link(f"{self._path}/Power") if self._supplies else None,
            PowerSubsystem=link(f"{self._path}/PowerSubsystem") if self._supplies else None,
            Thermal=link(f"{self._path}/Thermal") if self._has_thermal else None,
            ThermalSubsystem=link(f"{self._path}/ThermalSubsystem") if self._has_thermal else None,
            Links={
                "ManagedBy": links([kit.manager]),
                "ComputerSystems": links(systems),
                "Contains": links(contains),
                **({"ContainedBy": link(within[0])} if within else {}),
            },
        )

    def _there(self, view: BmcView) -> bool:
        """Whether it reports: of a device its first sensor does."""
        if self._row.device is None or not self._sensors:
            return True
        return self._sensors[0].read(view) is not None

    def _health(self, view: BmcView) -> str:
        if not self._there(view):
            return "Critical" if self._kit.kind.on(view) else "OK"
        supplies = (_state(view, row, slot) for row, slot in self._supplies)
        fans = (_state(view, row, slot) for row, slot in self._fans)
        leaks = (_DETECTOR.get(_detector(view, row), "Warning") for row in self._leaks)
        sensors = (own.health(view) for own in self._sensors)
        return worst(iter((*sensors, *supplies, *fans, *leaks)))

    def _environment(self, view: BmcView) -> Payload:
        row = self._row
        metrics = resource(
            f"{self._path}/EnvironmentMetrics",
            "EnvironmentMetrics",
            f"{self._chassis.name} environment",
        )
        for name, sensor in (
            ("TemperatureCelsius", row.temperature),
            ("PowerWatts", row.power),
            ("EnergyJoules", row.energy),
        ):
            place = self._named(sensor)
            if place is not None:
                metrics[name] = place.excerpt(view)
        if row.power_limits is not None:
            least, most, present = row.power_limits(view, self._chassis.slot)
            metrics["PowerLimitWatts"] = {
                "SetPoint": present,
                "AllowableMin": least,
                "AllowableMax": most,
                "ControlMode": "Automatic",
            }
        return metrics

    def _named(self, template: str, number: int | None = None) -> SensorPlace | None:
        """Return the sensor of an id, None where there is none."""
        wanted = numbered(template, self._chassis.number if number is None else number)
        return next((own for own in self._sensors if own.id == wanted), None)

    # -- power -----------------------------------------------------------------

    def _power(self) -> Iterator[Node]:
        path = f"{self._path}/PowerSubsystem"
        supplies = f"{path}/PowerSupplies"
        paths = [f"{supplies}/{numbered(row.id, slot + row.first)}" for row, slot in self._supplies]

        def subsystem(view: BmcView) -> Payload:
            health = worst(_state(view, row, slot) for row, slot in self._supplies)
            rated = [row.rated(view) for row, _ in self._supplies if row.rated is not None]
            return resource(
                path,
                "PowerSubsystem",
                "power subsystem",
                CapacityWatts=sum(rated) if rated else None,
                PowerSupplies=link(supplies),
                Status={**status(health), "HealthRollup": health},
            )

        yield Node(path, subsystem)
        yield Node.collection(supplies, "PowerSupply", "Power Supplies", paths)
        for (row, slot), own in zip(self._supplies, paths, strict=True):
            yield Node(own, partial(self._supply, row, slot, own))
            yield Node(f"{own}/Metrics", partial(self._supply_metrics, row, slot, own))

    def _supply(self, row: SupplyRow, slot: int, path: str, view: BmcView) -> Payload:
        state = _state(view, row, slot)
        number = slot + row.first
        return resource(
            path,
            "PowerSupply",
            f"power supply {number}",
            PowerSupplyType="AC",
            PowerCapacityWatts=None if row.rated is None else row.rated(view),
            SerialNumber=serial(view.place, f"{self._chassis.id}/psu{number}"),
            LineInputStatus=self._line(view, row, number),
            Status=status(state, there=state is not None),
            Metrics=link(f"{path}/Metrics"),
        )

    def _line(self, view: BmcView, row: SupplyRow, number: int) -> str | None:
        """Return whether its line has power, where a sensor of its input says it."""
        place = self._named(row.input, number) if row.input else None
        reading = None if place is None else place.read(view)
        if reading is None:
            return None
        return "Normal" if reading > 0 else "LossOfInput"

    def _supply_metrics(self, row: SupplyRow, slot: int, path: str, view: BmcView) -> Payload:
        number = slot + row.first
        state = _state(view, row, slot)
        metrics = resource(f"{path}/Metrics", "PowerSupplyMetrics",
                           f"metrics of power supply {number}",
                           Status=status(state, there=state is not None))  # fmt: skip
        for name, template in (("InputPowerWatts", row.input), ("OutputPowerWatts", row.output)):
            place = self._named(template, number) if template else None
            if place is not None:
                metrics[name] = place.excerpt(view)
        return metrics

    def _legacy_power(self, view: BmcView) -> Payload:
        """Return what older clients read of all this."""
        supplies = [
            (row, slot, self._named(row.input, slot + row.first),
             self._named(row.output, slot + row.first))
            for row, slot in self._supplies
        ]  # fmt: skip
        return power(f"{self._path}/Power", self._named(self._row.power), supplies, view)

    # -- heat ------------------------------------------------------------------

    def _thermal(self) -> Iterator[Node]:
        path = f"{self._path}/ThermalSubsystem"
        fans, leaks = f"{path}/Fans", f"{path}/LeakDetection"

        def subsystem(view: BmcView) -> Payload:
            found = (_state(view, row, slot) for row, slot in self._fans)
            wet = (_DETECTOR.get(_detector(view, row), "Warning") for row in self._leaks)
            health = worst(iter((*found, *wet)))
            return resource(
                path,
                "ThermalSubsystem",
                "thermal subsystem",
                Fans=link(fans) if self._fans else None,
                LeakDetection=link(leaks) if self._leaks else None,
                ThermalMetrics=link(f"{path}/ThermalMetrics"),
                Status={**status(health), "HealthRollup": health},
            )

        yield Node(path, subsystem)
        yield Node(f"{path}/ThermalMetrics", self._thermal_metrics)
        if self._fans:
            paths = [f"{fans}/{numbered(row.id, slot + row.first)}" for row, slot in self._fans]
            yield Node.collection(fans, "Fan", "Fans", paths)
            for (row, slot), own in zip(self._fans, paths, strict=True):
                yield Node(own, partial(_fan, row, slot, own))
        if self._leaks:
            yield from self._leak_detection(leaks)

    def _thermal_metrics(self, view: BmcView) -> Payload:
        readings = [
            {**own.excerpt(view), "DeviceName": numbered(own.row.name, own.slot + own.row.first)}
            for own in self._sensors
            if own.row.reading.kind == "Temperature"
        ]
        return resource(
            f"{self._path}/ThermalSubsystem/ThermalMetrics",
            "ThermalMetrics",
            "thermal metrics",
            TemperatureReadingsCelsius=readings,
        )

    def _leak_detection(self, path: str) -> Iterator[Node]:
        detectors = f"{path}/LeakDetectors"
        paths = [f"{detectors}/{row.id}" for row in self._leaks]

        def detection(view: BmcView) -> Payload:
            health = worst(_DETECTOR.get(_detector(view, row), "Warning") for row in self._leaks)
            return resource(path, "LeakDetection", "leak detection", Status=status(health),
                            LeakDetectors=link(detectors))  # fmt: skip

        yield Node(path, detection)
        yield Node.collection(detectors, "LeakDetector", "Leak Detectors", paths)
        for row, own in zip(self._leaks, paths, strict=True):
            yield Node(own, partial(_leak, row, own))


_DETECTOR = {"OK": "OK", "Warning": "Warning", "Critical": "Critical"}


def _detector(view: BmcView, row: LeakRow) -> str:
    """Return the state of a leak detector in Redfish's words."""
    value = view.value(row.device, row.state, row.slot)
    if value is None:
        return "Unavailable"
    if row.dry is not None:
        least, most = row.dry
        return "OK" if least <= value <= most else "Critical"
    return (row.words or row.state.states)[round(value)]


def _leak(row: LeakRow, path: str, view: BmcView) -> Payload:
    state = _detector(view, row)
    known = state in _DETECTOR
    return resource(
        path,
        "LeakDetector",
        row.id.replace("_", " "),
        LeakDetectorType=row.kind,
        DetectorState=state,
        Status={"State": "Absent"} if state == "Absent" else status(
            _DETECTOR.get(state), there=known
        ),
    )  # fmt: skip


def _state(view: BmcView, row: SupplyRow | FanRow, slot: int) -> str | None:
    """Return the health of a supply or a fan, None where it does not say."""
    code = view.code(row.device, row.state, slot)
    return None if code is None else row.health.get(code, "Critical")


def _fan(row: FanRow, slot: int, path: str, view: BmcView) -> Payload:
    number = slot + row.first
    ratio = view.value(row.device, row.ratio, slot)
    speed = view.value(row.device, row.speed, slot)
    state = _state(view, row, slot)
    percent = None if ratio is None else rounded(ratio, 100.0, row.ratio.decimals)
    return resource(
        path,
        "Fan",
        f"fan {number}",
        PhysicalContext="Chassis",
        SpeedPercent={"Reading": percent, "SpeedRPM": speed},
        Status=status(state, there=speed is not None),
    )
