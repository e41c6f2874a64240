"""Rows of what stands in a chassis, a coolant unit or a PDU: a sensor, a supply, a pump."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from twin.catalog import DerivedFamily, DeviceClass, Signal
from twin.redfish.units import READINGS, SensorUnit

if TYPE_CHECKING:
    from twin.parameters import GpuModel
    from twin.redfish.view import BmcView

__all__ = [
    "CircuitRow",
    "ConnectorRow",
    "CoolingRow",
    "FanRow",
    "Health",
    "LeakRow",
    "Limits",
    "MetricRow",
    "PumpRow",
    "SensorRow",
    "Shown",
    "SupplyRow",
]

Shown: TypeAlias = "Signal | DerivedFamily"
"""What of a device is shown: a signal that travels, or a family that follows from some."""

Health: TypeAlias = Mapping[int, str]
"""Code of a state to Redfish's ``Health``."""

Limits: TypeAlias = "Callable[[BmcView], Mapping[str, float]]"
"""Names of Redfish's ``Thresholds`` to their values in Redfish's unit."""


def _no_limits(_: BmcView) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True, slots=True)
class SensorRow:
    """A sensor of a chassis, one a device.

    Attributes:
        id: of the sensor, with ``{n}``.
        name: what a person calls it, likewise.
        device: whose value it is.
        shown: the value.
        context: Redfish's ``PhysicalContext``.
        first: number of the first device.
        limits: thresholds; its health follows from them.
        state: a signal whose code says its health instead.
        health: of these codes.
        margin_to: makes it what is left up to this limit of the GPU's model.
    """

    id: str
    name: str
    device: DeviceClass
    shown: Signal
    context: str
    first: int = 0
    limits: Limits = _no_limits
    state: Signal | None = None
    health: Health = field(default_factory=dict)
    margin_to: Callable[[GpuModel], float] | None = None

    @property
    def reading(self) -> SensorUnit:
        """How Redfish calls its unit."""
        return READINGS[self.shown.unit]


@dataclass(frozen=True, slots=True)
class SupplyRow:
    """The power supplies of a chassis.

    Attributes:
        id: of one, with ``{n}``.
        device: their class.
        state: its code.
        health: of these codes.
        output: id of the sensor of its output power.
        input: id of the sensor of its input power, empty for none.
        rated: rated output in W, None where nobody says it.
        first: number of the first.
    """

    id: str
    device: DeviceClass
    state: Signal
    health: Health
    output: str
    input: str = ""
    rated: Callable[[BmcView], float] | None = None
    first: int = 0


@dataclass(frozen=True, slots=True)
class FanRow:
    """The fans of a chassis; ids as those of the sensors.

    Attributes:
        id: of one, with ``{n}``.
        device: class that has them.
        ratio: speed over the greatest.
        speed: in revolutions a minute.
        state: its code.
        health: of these codes.
        first: number of the first.
    """

    id: str
    device: DeviceClass
    ratio: Shown
    speed: Shown
    state: Shown
    health: Health
    first: int = 1


@dataclass(frozen=True, slots=True)
class LeakRow:
    """A leak detector of a chassis.

    Attributes:
        id: of the detector.
        device: class that has it.
        state: signal whose codes are words of Redfish's ``DetectorState``.
        kind: Redfish's ``LeakDetectorType``.
        slot: of the detector among those of the BMC.
        dry: values between which it is dry, where it has a voltage instead of a state.
        words: code to Redfish's word, where the signal has others.
    """

    id: str
    device: DeviceClass
    state: Signal
    kind: str = "Moisture"
    slot: int = 0
    dry: tuple[float, float] | None = None
    words: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A property of a metrics resource.

    Attributes:
        path: of the property, its levels divided by ``/``.
        shown: the value.
        factor: to the property's unit.
        whole: whether it is an integer.
        duration: whether it is an ISO 8601 duration, of seconds.
        flag: whether it is true or false.
        exact: whether it is as small as it may be, and not rounded.
    """

    path: str
    shown: Signal
    factor: float = 1.0
    whole: bool = False
    duration: bool = False
    flag: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True)
class PumpRow:
    """The pumps of a coolant unit.

    Attributes:
        id: of one, with ``{n}``.
        device: their class.
        ratio: speed over rated speed.
        speed: in revolutions a minute.
        state: its code.
        health: of these codes.
        seconds: time that it has run.
        inlet: id of the sensor of the pressure at its inlet.
        first: number of the first.
    """

    id: str
    device: DeviceClass
    ratio: Signal
    speed: Signal
    state: Signal
    health: Health
    seconds: Signal
    inlet: str = ""
    first: int = 1


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    """A coolant connector of a coolant unit.

    Attributes:
        primary: whether it is of the facility's side.
        sensors: property of ``CoolantConnector`` to id of the sensor.
    """

    primary: bool
    sensors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CoolingRow:
    """A coolant distribution unit.

    Attributes:
        id: of it.
        chassis: id of its chassis.
        pumps: of it.
        connectors: of it.
        model: of it.
        capacity: in W, None where nobody says it.
    """

    id: str
    chassis: str
    pumps: PumpRow
    connectors: tuple[ConnectorRow, ...]
    model: str = ""
    capacity: Callable[[BmcView], float] | None = None


@dataclass(frozen=True, slots=True)
class CircuitRow:
    """The mains circuit of a rack's PDU, and the unit that it feeds.

    Attributes:
        id: of the PDU.
        chassis: id of its chassis.
        device: class of its breaker.
        breaker: code of the breaker's state.
        states: code to Redfish's ``BreakerState``.
        load: current over rated current.
        phases: property of ``Circuit`` to the ids of the three phases' sensors.
    """

    id: str
    chassis: str
    device: DeviceClass
    breaker: Signal
    states: Mapping[int, str]
    load: str
    phases: Mapping[str, tuple[str, str, str]]
