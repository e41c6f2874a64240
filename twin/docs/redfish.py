"""Tables of ``redfish.md``: what each value of a BMC is in Prometheus, from the declared table.

The page is written by hand except for the part between two marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from twin.docs.markdown import between_marks, code, table
from twin.redfish.kinds import BMC_KINDS
from twin.redfish.rows import MetricRow
from twin.redfish.table import BmcKind, ProcessorRow

__all__ = ["pages"]

_PAGE = Path(__file__).parents[2] / "docs" / "redfish.md"
_BEGIN = "<!-- Made by `python -m twin.docs` from twin/redfish/kinds.py; do not edit. -->\n"


def pages() -> Mapping[str, str]:
    """Return the page, by its path below ``docs/``."""
    text = _PAGE.read_text(encoding="utf-8")
    made = "".join(_section(kind) for kind in BMC_KINDS)
    return {_PAGE.name: between_marks(text, made, _PAGE.name, _BEGIN)}


def _section(kind: BmcKind) -> str:
    title = f"{kind.title[0].upper()}{kind.title[1:]}"
    sensors = table(
        ("Sensor of `Chassis`", "Reading", "Unit", "Prometheus"), _sensors(kind)
    )  # fmt: skip
    properties = list(dict.fromkeys(_properties(kind)))
    more = table(("Property", "Prometheus"), properties) if properties else ""
    return f"\n### {title}\n\n{sensors}" + (f"\n{more}" if more else "")


def _sensors(kind: BmcKind) -> Iterator[tuple[str, ...]]:
    for chassis in kind.chassis:
        for row in chassis.sensors:
            metric = code(row.shown.metric) + " in frames only" * row.shown.hidden
            if row.margin_to is not None:
                metric = f"what is left of {metric} up to the model's limit"
            yield (
                code(f"{chassis.id}/Sensors/{row.id}"),
                row.reading.kind,
                row.reading.units,
                metric,
            )


def _properties(kind: BmcKind) -> Iterator[tuple[str, str]]:
    for chassis in kind.chassis:
        path = f"Chassis/{chassis.id}"
        for supply in chassis.supplies:
            where = f"{path}/PowerSubsystem/PowerSupplies/{supply.id}"
            yield code(f"{where} Status/Health"), code(supply.state.metric)
        for fan in chassis.fans:
            where = f"{path}/ThermalSubsystem/Fans/{fan.id}"
            yield (
                code(f"{where} SpeedPercent"),
                f"{code(fan.ratio.metric)}, {code(fan.speed.metric)}",
            )
        for leak in chassis.leaks:
            where = f"{path}/ThermalSubsystem/LeakDetection/LeakDetectors/{leak.id}"
            yield code(f"{where} DetectorState"), code(leak.state.metric)
    for system in kind.systems:
        for processor in system.processors:
            yield from _processors(f"Systems/{system.id}", processor)
    if kind.cooling is not None:
        pumps = kind.cooling.pumps
        where = f"ThermalEquipment/CDUs/{kind.cooling.id}/Pumps/{pumps.id}"
        yield (
            code(f"{where} PumpSpeedPercent"),
            f"{code(pumps.ratio.metric)}, {code(pumps.speed.metric)}",
        )
        yield code(f"{where} ServiceHours"), code(pumps.seconds.metric)
        yield code(f"{where} Status/Health"), code(pumps.state.metric)
    if kind.circuit is not None:
        where = f"PowerEquipment/RackPDUs/{kind.circuit.id}/Mains/AC1"
        yield code(f"{where} BreakerState"), code(kind.circuit.breaker.metric)


def _both(first: str, second: str) -> str:
    return f"{code(first)}, {code(second)}"


def _processors(system: str, row: ProcessorRow) -> Iterator[tuple[str, str]]:
    if row.smoothing:
        where = f"{system}/Processors/{row.id}/Oem/Nvidia/PowerSmoothing"
        for own in row.smoothing:
            yield code(f"{where} {own.path}"), code(own.shown.metric)
    places: tuple[tuple[str, tuple[MetricRow, ...]], ...] = (
        (f"{system}/Processors/{row.id}/ProcessorMetrics", row.metrics),
        (f"{system}/Memory/{row.memory}", row.memory_state),
        (f"{system}/Memory/{row.memory}/MemoryMetrics", row.memory_metrics),
    )
    if row.ports is not None:
        ports = f"{system}/Processors/{row.id}/Ports/{row.ports.id}"
        yield code(f"{ports} LinkStatus"), code(row.ports.state.metric)
        places = (*places, (f"{ports}/Metrics", row.ports.metrics))
    for where, rows in places:
        for own in rows:
            yield code(f"{where} {own.path}"), code(own.shown.metric)
