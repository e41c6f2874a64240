"""Units: what the catalogue's units are called in Redfish.

A sensor's ``ReadingUnits`` follow UCUM as the DMTF's Sensor schema (DSP0268) gives them for each
``ReadingType``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from twin.catalog import Unit

__all__ = ["READINGS", "SensorUnit", "rounded"]


@dataclass(frozen=True, slots=True)
class SensorUnit:
    """What a sensor of one unit says of its value.

    Attributes:
        kind: Redfish's ``ReadingType``.
        units: Redfish's ``ReadingUnits``.
        factor: from the catalogue's value to Redfish's.
    """

    kind: str
    units: str
    factor: float = 1.0


READINGS = {
    Unit.CELSIUS: SensorUnit("Temperature", "Cel"),
    Unit.WATTS: SensorUnit("Power", "W"),
    Unit.JOULES: SensorUnit("EnergyJoules", "J"),
    Unit.MILLIJOULES: SensorUnit("EnergyJoules", "J", 1e-3),
    Unit.VOLTS: SensorUnit("Voltage", "V"),
    Unit.AMPERES: SensorUnit("Current", "A"),
    Unit.RPM: SensorUnit("Rotational", "RPM"),
    Unit.PERCENT: SensorUnit("Percent", "%"),
    Unit.RATIO: SensorUnit("Percent", "%", 100.0),
    Unit.PASCALS: SensorUnit("PressurekPa", "kPa", 1e-3),
    Unit.LITERS_PER_MINUTE: SensorUnit("LiquidFlowLPM", "L/min"),
    Unit.HERTZ: SensorUnit("Frequency", "Hz"),
}
"""By the catalogue's unit; a sensor has one of these."""


def rounded(value: float, factor: float, decimals: int) -> float:
    """Return a value in Redfish's unit, with the resolution that it has on the wire.

    Args:
        value: as exposed to Prometheus.
        factor: to Redfish's unit.
        decimals: that ``value`` has.
    """
    digits = decimals - round(math.log10(factor))
    return round(value * factor, max(digits, 0))
