"""Grafana's names of the catalogue's units."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.catalog import Unit

__all__ = ["COUNT", "GRAFANA", "NUMBER", "PER_SECOND", "RATIO", "SECONDS", "TEXT", "WATTS"]

NUMBER = "none"
COUNT = "locale"
"""Whole numbers with separators: 100,032."""
RATIO = "percentunit"
SECONDS = "s"
TEXT = "string"
WATTS = "watt"

GRAFANA: Mapping[Unit, tuple[str, float]] = MappingProxyType(
    {
        Unit.NONE: (NUMBER, 1.0),
        Unit.WATTS: (WATTS, 1.0),
        Unit.JOULES: ("joule", 1.0),
        Unit.MILLIJOULES: ("joule", 1e-3),
        Unit.CELSIUS: ("celsius", 1.0),
        Unit.MEGAHERTZ: ("hertz", 1e6),
        Unit.HERTZ: ("hertz", 1.0),
        Unit.PERCENT: ("percent", 1.0),
        Unit.RATIO: (RATIO, 1.0),
        Unit.MEBIBYTES: ("mbytes", 1.0),
        Unit.BYTES: ("decbytes", 1.0),
        Unit.BYTES_PER_SECOND: ("Bps", 1.0),
        Unit.MEGABYTES_PER_SECOND: ("MBs", 1.0),
        Unit.MEGABITS_PER_SECOND: ("Mbits", 1.0),
        Unit.NANOSECONDS: (SECONDS, 1e-9),
        Unit.SECONDS: (SECONDS, 1.0),
        Unit.VOLTS: ("volt", 1.0),
        Unit.AMPERES: ("amp", 1.0),
        Unit.MILLIAMPERES: ("mamp", 1.0),
        Unit.DBM: ("dBm", 1.0),
        Unit.RPM: ("rotrpm", 1.0),
        Unit.PASCALS: ("pressurepa", 1.0),
        Unit.LITERS_PER_MINUTE: ("flowlpm", 1.0),
        Unit.METERS_PER_SECOND: ("velocityms", 1.0),
        Unit.WATTS_PER_SECOND: ("si:W/s", 1.0),
        Unit.LITERS_PER_HOUR: ("litreh", 1.0),
        Unit.VARS: ("voltampreact", 1.0),
    }
)
"""Unit as exposed to the unit in Grafana and the factor between them."""

PER_SECOND: Mapping[str, str] = MappingProxyType(
    {
        "joule": WATTS,
        "decbytes": "Bps",
        SECONDS: RATIO,
        NUMBER: "cps",
    }
)
"""Unit of a counter to that of its rate."""
