"""A device class from outside the package: the fans of a rack's rear-door cooler.

    twin --extension examples/device_class.py up
    twin --extension examples/device_class.py inject rear-door-blocked --target r0001
    twin --extension examples/device_class.py inject rear-door-fan-stopped --target r0001/door2

A rack gets a door with two fans, which blow the heat that its coolant leaves to the air
through a coil. When the coil is blocked, the air behind the door warms; when a fan stops, the
air behind that fan.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import exp
from typing import Annotated

import numpy as np
from pydantic import Field

from twin.alerts import Alert, Domain, Proof, Rules, Severity
from twin.catalog import (
    DEGRADED,
    Detail,
    DeviceAddress,
    DeviceChart,
    DeviceClass,
    DeviceColumn,
    Exporter,
    FloorValue,
    Hosts,
    MetricType,
    Operation,
    PageTable,
    Rollup,
    Signal,
    TroubleSign,
    Unit,
    UnitKind,
)
from twin.catalog.selectors import of
from twin.extension import Extension
from twin.faults import Fault
from twin.faults.base import FaultContext
from twin.plant import Conditions
from twin.plant.facility import Facility
from twin.plant.halls import Halls
from twin.plant.units import Floats
from twin.site import Layout

FANS = 2
RATED_KELVIN_PER_WATT = 4e-3
"""Warming of the air over the coil at full speed, for each watt that goes into it."""
SETTLING_SECONDS = 20.0

_EXPORTER = Exporter(
    key="rear_door",
    job="rear-door",
    port=9777,
    labels=("fan",),
    source="the example",
    identify=lambda place: (str(place.slot + 1),),
)
_gauge = partial(Signal, family=_EXPORTER, kind=MetricType.GAUGE)

REAR_DOOR = DeviceClass(
    name="rear_door",
    frame=UnitKind.RACK,
    title="rear-door fan",
    detail=Detail.RACK,
    hosts=Hosts(lambda _: 1, lambda place: f"{place.unit_name}-door"),
    per_host=lambda _: FANS,
    address=DeviceAddress("door", "rear-door fans", lambda _: FANS),
    conditions={"blocked": 0.0, "stopped": 0.0},
    signals=(
        _gauge("speed", "rear_door_fan_speed_ratio", unit=Unit.RATIO, decimals=3, high=1,
               help="Speed of the fan over its rated speed."),
        _gauge("air", "rear_door_air_temperature_celsius", unit=Unit.CELSIUS, decimals=2,
               low=-40, high=150, help="Air behind the fan."),
        _gauge("pressure", "rear_door_pressure_pascals", unit=Unit.PASCALS, decimals=1,
               high=1000, help="Pressure over the coil in front of the fan."),
    ),
    rollups=(
        Rollup("rear_door_air_temperature_max_celsius", "air", Operation.MAX, Unit.CELSIUS,
               "Warmest air behind a rear-door fan of the {level}."),
    ),
    table=PageTable("Rear-door fans", (
        DeviceColumn("speed", "Speed", Unit.PERCENT, "speed", 0, 100.0),
        DeviceColumn("air", "Air", Unit.CELSIUS, "air", 1),
    )),
    floor=(
        FloorValue("door", "Door air", "warmest air behind the door", Unit.CELSIUS, 0, "air",
                   Operation.MAX, lambda _: (20.0, 60.0)),
    ),
    signs=(
        TroubleSign(DEGRADED, ("a rear-door fan stands still", "{} rear-door fans stand still"),
                    "speed", equals=0),
    ),
    charts=(
        DeviceChart("Air behind the door", "Air temperature behind each fan.", "air",
                    "Fan {{fan}}"),
    ),
)  # fmt: skip


class RearDoors:
    """The doors of all racks."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._share = rng.normal(1.0, 0.02, layout.shape(REAR_DOOR))
        self._speed = np.full(layout.shape(REAR_DOOR), 0.5)
        self._air = np.full(layout.shape(REAR_DOOR), 25.0)
        self._open = np.ones(layout.shape(REAR_DOOR))
        self._to_air = 1.0 - layout.site.cooling.liquid_ratio

    def step(self, dt: float, halls: Halls, facility: Facility, conditions: Conditions) -> None:
        """Follow the heat of the servers and the air that comes in."""
        heat = self._to_air * halls.servers.power.sum(axis=1, keepdims=True) / FANS
        self._open = 1.0 - conditions.of(REAR_DOOR, "blocked")
        runs = 1.0 - conditions.of(REAR_DOOR, "stopped")
        self._speed = np.clip(heat / 2500.0, 0.2, 1.0) * self._share * runs
        flow = np.maximum(self._speed * self._open, 0.05)
        settled = facility.room.air + RATED_KELVIN_PER_WATT * heat / flow
        self._air = settled + (self._air - settled) * exp(-dt / SETTLING_SECONDS)

    def outputs(self) -> Mapping[str, Mapping[str, Floats]]:
        """Return the three signals."""
        pressure = 60.0 * self._speed**2 * (2.0 - self._open)
        return {
            REAR_DOOR.name: {
                "speed": np.minimum(self._speed, 1.0),
                "air": self._air,
                "pressure": pressure,
            }
        }


class RearDoorBlocked(Fault):
    """Something lies on the coil of a rack's rear door."""

    kind = "rear-door-blocked"
    system = "cooling"
    title = "a rear door is blocked"
    target = "rack"
    default_target = "r0001"
    default_seconds = 600.0
    severity = "warning"
    shows = "The air behind the door warms within a minute, and the pressure over the coil rises."

    share: Annotated[float, Field(gt=0, le=0.95)] = 0.8
    """Share of the coil that is covered."""

    def apply(self, context: FaultContext) -> None:
        """Cover the coil in front of both fans."""
        context.conditions.of(REAR_DOOR, "blocked")[context.target.unit] = self.share


class RearDoorFanStopped(Fault):
    """A fan of a rack's rear door stands still."""

    kind = "rear-door-fan-stopped"
    system = "cooling"
    title = "a rear-door fan stops"
    target = "rear_door"
    default_target = "r0001/door1"
    default_seconds = 600.0
    severity = "warning"
    shows = "The fan's speed is 0, and the air behind it warms within a minute."

    def apply(self, context: FaultContext) -> None:
        """Stop the one fan that the address names."""
        context.conditions.of(REAR_DOOR, "stopped")[context.place] = 1.0


EXTENSION = Extension(
    devices=(REAR_DOOR,),
    models=(RearDoors,),
    faults=(RearDoorBlocked, RearDoorFanStopped),
    rules=(
        Rules(
            domain=Domain.COOLING,
            name="rear-door",
            title="Rear doors.",
            recordings=(),
            alerts=(
                Alert(
                    name="RearDoorHot",
                    severity=Severity.WARNING,
                    expr=of(REAR_DOOR, "air") + " > 45",
                    hold=30,
                    summary="The air behind fan {{ $labels.fan }} of {{ $labels.rack }} is hot",
                    meaning="The coil is blocked or its water is off.",
                    steps=("Look at the coil.",),
                ),
            ),
        ),
    ),
    proofs=(
        Proof("rear-door-blocked", {"RearDoorHot": 120}),
        Proof("rear-door-fan-stopped", {"RearDoorHot": 120}),
    ),
)
