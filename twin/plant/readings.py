"""Readings of sensors other than power: the steps they come in, and how often they are new.

The plant knows a value of the moment to many digits; a sensor shows it in steps, and anew every so
often. A change that is smaller than a step, or over before the next reading, shows in no series.
Power has its own instruments, see :mod:`twin.plant.instruments`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin.plant.units import Floats
from twin.site import Layout

__all__ = ["READINGS", "SensorReading", "SensorReadings"]

_DUE = 1e-6
"""Seconds by which a reading may be early: sums of steps are not exact."""


@dataclass(frozen=True, slots=True)
class SensorReading:
    """How a kind of sensor shows what it measures.

    Attributes:
        title: what it is.
        device: class of the catalogue that has its readings.
        steps: resolution of each signal, in its unit; a signal that a site has not is left out.
        refresh_seconds: after which it shows a new value.
        basis: where the numbers come from.
    """

    title: str
    device: str
    steps: Mapping[str, float]
    refresh_seconds: float
    basis: str


_COOLANT = (
    "tenths of a degree, of a litre and of a kilowatt and whole percent, as in the Modbus map of "
    "Liebert IntelliSlot for thermal management; pressures, levels and refresh est."
)

READINGS: tuple[SensorReading, ...] = (
    SensorReading(
        "GPU and its memory, as DCGM reads them", "gpu", {"gpu_temp": 1.0, "memory_temp": 1.0},
        1.0, "nvmlDeviceGetTemperature returns whole degrees; refresh est.",
    ),
    SensorReading(
        "Air of a server at its BMC", "server",
        {"inlet_temperature": 1.0, "outlet_temperature": 1.0}, 1.0,
        "IPMI's readings are a byte, of whole degrees; OpenBMC's dbus-sensors polls once a second",
    ),
    SensorReading(
        "Fan of a server at its BMC", "fan", {"speed": 100.0, "speed_ratio": 0.01}, 1.0,
        "a byte of 100 rpm, up to the 25,500 rpm of the thresholds of Supermicro's BMCs",
    ),
    SensorReading(
        "Coolant unit", "cdu",
        {
            "flow": 0.1, "supply_temperature": 0.1, "return_temperature": 0.1,
            "supply_pressure": 1e3, "differential_pressure": 1e3, "filter_pressure": 1e3,
            "heat_removed": 100.0, "level": 0.01, "facility_supply_temperature": 0.1,
            "facility_return_temperature": 0.1, "facility_flow": 0.1, "facility_heat": 100.0,
            "valve_position": 0.01, "valve_command": 0.01, "condensation_margin": 0.1,
        },
        5.0, _COOLANT,
    ),
    SensorReading(
        "Coolant pump", "pump",
        {"speed_ratio": 0.01, "speed": 10.0, "flow": 0.1, "inlet_pressure": 1e3}, 5.0, _COOLANT,
    ),
)  # fmt: skip
"""All kinds."""


class SensorReadings:
    """What the sensors of a site's halls show.

    Args:
        layout: the site.
    """

    def __init__(self, layout: Layout) -> None:
        telemetry = layout.site.telemetry
        self._kinds = READINGS if telemetry.real_readings else ()
        self._collect = telemetry.dcgm_collect_seconds
        self._time = 0.0
        self._next: dict[str, float] = {}
        self._held: dict[str, dict[str, Floats]] = {}

    @classmethod
    def of(cls, layout: Layout) -> SensorReadings | None:
        """Return them, or None where a site shows what is."""
        telemetry = layout.site.telemetry
        wanted = telemetry.real_readings or telemetry.dcgm_collect_seconds
        return cls(layout) if wanted else None

    def step(self, dt: float) -> None:
        """Let ``dt`` seconds pass."""
        self._time += dt

    def read(self, outputs: dict[str, dict[str, Floats]]) -> None:
        """Write into ``outputs`` what the sensors show in place of the truth."""
        for own in self._kinds:
            if own.device in outputs:
                group = outputs[own.device]
                stepped = {
                    name: np.round(group[name] / step) * step
                    for name, step in own.steps.items()
                    if name in group
                }
                outputs[own.device] = group | self._hold(own.title, stepped, own.refresh_seconds)
        if self._collect and "gpu" in outputs:
            outputs["gpu"] = self._hold("collected", outputs["gpu"], self._collect)

    def _hold(self, kind: str, now: Mapping[str, Floats], seconds: float) -> dict[str, Floats]:
        """Return what was read last, or anew when that is due.

        What is silent shows nothing at once, and what answers again its first reading.
        """
        held = self._held.get(kind, {})
        if not held or self._time > self._next[kind] - _DUE:
            self._next[kind] = self._time + seconds
            self._held[kind] = {name: np.array(values) for name, values in now.items()}
            return dict(now)
        shown = {}
        for name, values in now.items():
            silent = np.isnan(values)
            shown[name] = kept = np.where(np.isnan(held[name]) | silent, values, held[name])
            self._held[kind][name] = np.where(silent, held[name], kept)
        return shown
