"""Families of real exporters by their names: type, unit and help as the exporter declares them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from twin.catalog.derived import DerivedFamily, Formula, SeriesGroup
from twin.catalog.host.kind import hosts_shown
from twin.catalog.model import Exporter, MetricType, Signal, Unit

__all__ = ["constants", "declared", "family", "signal", "words"]

_UNITS = (
    ("_bytes", Unit.BYTES),
    ("_bytes_total", Unit.BYTES),
    ("_seconds", Unit.SECONDS),
    ("_seconds_total", Unit.SECONDS),
    ("_celsius", Unit.CELSIUS),
    ("_hertz", Unit.HERTZ),
    ("_ratio", Unit.RATIO),
)
"""Endings of a name that say its unit."""
_RATES = ("network_speed_bytes",)
_DECIMALS = {Unit.SECONDS: 3, Unit.CELSIUS: 1, Unit.RATIO: 6}


@cache
def _texts(file: str) -> Mapping[str, tuple[MetricType, str]]:
    """Return type and help of each family of a file, by its name."""
    text = resources.files("twin.catalog.host").joinpath(file).read_text("utf-8")
    rows = (line.split(" ", 2) for line in text.splitlines() if not line.startswith("#"))
    return MappingProxyType({name: (MetricType(kind), help_) for name, kind, help_ in rows})


def declared(
    name: str, file: str = "node_exporter.txt", prefix: str = "node_"
) -> tuple[str, MetricType, Unit, str]:
    """Return metric name, type, unit and help of a family.

    Args:
        name: of the family, with or without the prefix.
        file: that has it.
        prefix: of the exporter's own families.
    """
    texts = _texts(file)
    metric = name if name in texts else f"{prefix}{name}"
    kind, text = texts[metric]
    unit = next((unit for end, unit in _UNITS if name.endswith(end)), Unit.NONE)
    return metric, kind, Unit.BYTES_PER_SECOND if name in _RATES else unit, text


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, of which a long list of names is easier to read."""
    return tuple(text.split())


def family(
    name: str, group: SeriesGroup, values: Formula, known: str = "uptime", **fields: Any
) -> DerivedFamily:
    """Return a family of node_exporter.

    Args:
        name: its name, without ``node_``.
        group: which series it has.
        values: computes them.
        known: the signal without which it is not shown.
        fields: others of :class:`DerivedFamily`.
    """
    metric, kind, unit, text = declared(name)
    fields.setdefault("decimals", _DECIMALS.get(unit, 0))
    fields.setdefault("shown", hosts_shown)
    return DerivedFamily(metric, kind, unit, text, group, values, known, **fields)


def constants(
    group: SeriesGroup, values: Mapping[str, float], known: str = "uptime", **fields: Any
) -> tuple[DerivedFamily, ...]:
    """Return families that have one value for as long as the host reports."""
    return tuple(
        family(name, group, lambda _, value=value: value, known, steady=True, **fields)  # type: ignore[misc]  # a default keeps the value of each
        for name, value in values.items()
    )


def signal(name: str, family_name: str, exporter: Exporter, **fields: Any) -> Signal:
    """Return a signal that node_exporter shows as it travels.

    Args:
        name: of the signal.
        family_name: name of the exporter's family, without ``node_``.
        exporter: how it identifies the device.
        fields: others of :class:`Signal`.
    """
    metric, kind, unit, text = declared(family_name)
    return Signal(name, metric, exporter, kind, unit, text, **fields)
