"""Tables of the calibration page: what instruments show of power, and of all else."""

from __future__ import annotations

from collections.abc import Iterator

from twin.catalog import device_class
from twin.docs.markdown import table
from twin.plant.instruments import INSTRUMENTS, Instrument
from twin.plant.readings import READINGS, SensorReading
from twin.plant.workload.step_activity import FLICKER_SHOWN

__all__ = ["instrument_tables"]

_POWER = """
## Instruments

No meter shows an instant. With `telemetry: {{averaged_power: true}}` what exporters show of power
is the mean over each one's window, in the steps that the meter has; *settling* is the time constant
with which it follows that mean. Instants in which a server falls short of its plateau are left out
of it to {hidden:.0f} %, and all its dips are as deep as the mean one, as those of a real meter are.
So alerts and dashboards see dips as deep as a real meter shows them. Breakers, power limits, energy
counters and the grid go by the truth. Without that key, the default, every meter shows what is
drawn in the step, and the readings of a moment add up.

"""
_OTHERS = """
Other sensors: with `telemetry: {real_readings: true}` they show their values in these steps, and a
new one only so often. GPUs and servers have whole degrees either way. What DCGM has is read no more
often than dcgm-exporter asks for it, every 30 s by its default (`telemetry:
{dcgm_collect_seconds: 30}`): a dip between two readings is in no series, however often Prometheus
scrapes.

"""


def instrument_tables() -> str:
    """Return the section on instruments: those of power, and all other sensors."""
    header = ("Instrument", "Readings", "Steps", "Window", "Settling", "Refresh", "Basis")
    rows = [
        (own.title, ", ".join(f"`{own.device}.{name}`" for name in own.signals),
         " and ".join(dict.fromkeys(f"{step:g} {unit}" for step, unit in _steps(own))),
         f"{own.window_seconds:g} s", f"{own.settle_seconds:g} s", f"{own.refresh_seconds:g} s",
         own.basis)
        for own in INSTRUMENTS.values()
    ]  # fmt: skip
    return _POWER.format(hidden=100 * (1 - FLICKER_SHOWN)) + table(header, rows) + _sensors()


def _sensors() -> str:
    header = ("Sensor", "Readings and their steps", "Refresh", "Basis")
    rows = [
        (own.title, ", ".join(f"`{own.device}.{name}` {_step(own, name)}" for name in own.steps),
         f"{own.refresh_seconds:g} s", own.basis)
        for own in READINGS
    ]  # fmt: skip
    return _OTHERS + table(header, rows)


def _step(own: SensorReading, name: str) -> str:
    """Return the resolution of a sensor's reading with its unit."""
    unit = device_class(own.device)[name].unit
    return f"{own.steps[name]:,g} {unit.value}".strip()


def _steps(own: Instrument) -> Iterator[tuple[float, str]]:
    """Yield the resolution of each reading of an instrument, and its unit."""
    for name, step in zip(own.signals, own.steps, strict=True):
        yield step, "A" if name == "current" else "W"
