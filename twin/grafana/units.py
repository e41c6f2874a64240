"""Grafana's names of the catalogue's units."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.catalog import Unit

__all__ = ["BITS", "BITS_PER_SECOND", "CELSIUS", "COUNT", "FLOW", "GRAFANA", "KELVIN", "KILOVOLTS",
           "NUMBER", "OF_A_NETWORK", "PERCENT", "PER_SECOND", "RATIO", "SCALED", "SECONDS",
           "TEXT", "TOKENS_A_SECOND", "WATTS"]  # fmt: skip

NUMBER = "none"
COUNT = "locale"
"""Whole numbers with separators: 100,032."""
RATIO = "percentunit"
PERCENT = "percent"
SECONDS = "s"
TEXT = "string"
CELSIUS = "celsius"
KELVIN = "kelvin"
"""Of differences of temperatures."""
KILOVOLTS = "suffix:kV"
BITS, BITS_PER_SECOND = "decbits", "bps"
WATTS = "watt"
TOKENS_A_SECOND = "si:tok/s"
FLOW = "flowlpm"

GRAFANA: Mapping[Unit, tuple[str, float]] = MappingProxyType(
    {
        Unit.NONE: (NUMBER, 1.0),
        Unit.WATTS: (WATTS, 1.0),
        Unit.JOULES: ("joule", 1.0),
        Unit.MILLIJOULES: ("joule", 1e-3),
        Unit.MICROJOULES: ("joule", 1e-6),
        Unit.CELSIUS: (CELSIUS, 1.0),
        Unit.MEGAHERTZ: ("suffix:MHz", 1.0),
        Unit.HERTZ: ("suffix:Hz", 1.0),
        Unit.PERCENT: (PERCENT, 1.0),
        Unit.RATIO: (RATIO, 1.0),
        Unit.MEBIBYTES: ("mbytes", 1.0),
        Unit.BYTES: ("decbytes", 1.0),
        Unit.BYTES_PER_SECOND: ("Bps", 1.0),
        Unit.MEGABYTES_PER_SECOND: ("MBs", 1.0),
        Unit.MEGABITS_PER_SECOND: (BITS_PER_SECOND, 1e6),
        Unit.NANOSECONDS: (SECONDS, 1e-9),
        Unit.MILLISECONDS: (SECONDS, 1e-3),
        Unit.SECONDS: (SECONDS, 1.0),
        Unit.VOLTS: ("volt", 1.0),
        Unit.AMPERES: ("amp", 1.0),
        Unit.MILLIAMPERES: ("mamp", 1.0),
        Unit.DBM: ("dBm", 1.0),
        Unit.RPM: ("rotrpm", 1.0),
        Unit.PASCALS: ("pressurepa", 1.0),
        Unit.LITERS_PER_MINUTE: (FLOW, 1.0),
        Unit.METERS_PER_SECOND: ("suffix:mm/s", 1e3),
        Unit.WATTS_PER_SECOND: ("si:W/s", 1.0),
        Unit.LITERS_PER_HOUR: ("litreh", 1.0),
        Unit.VARS: ("voltampreact", 1.0),
    }
)
"""Unit as exposed to the unit in Grafana and the factor between them.

Clocks stay in MHz, frequencies in Hz and vibration in mm/s, without a prefix of Grafana's
choice: clocks lie so close together that "1.98 GHz" would stand five times on an axis.
"""

OF_A_NETWORK: Mapping[Unit, tuple[str, float]] = MappingProxyType(
    {Unit.BYTES: (BITS, 8.0), Unit.BYTES_PER_SECOND: (BITS_PER_SECOND, 8.0)}
)
"""The same of what ports and switches carry: links are bought and spoken of in bits."""

SCALED = frozenset(
    {
        WATTS, "joule", "decbytes", "Bps", BITS, BITS_PER_SECOND, "volt", "amp", "mamp",
        "pressurepa", "voltampreact", "si:W/s", TOKENS_A_SECOND, "cps", "pps", "mbytes", "MBs",
    }
)  # fmt: skip
"""Units to which Grafana puts a prefix, with a few digits: the numbers on an axis that does not
begin at 0 would then be alike."""

PER_SECOND: Mapping[str, str] = MappingProxyType(
    {
        "joule": WATTS,
        "decbytes": "Bps",
        BITS: BITS_PER_SECOND,
        SECONDS: RATIO,
        NUMBER: "cps",
    }
)
"""Unit of a counter to that of its rate."""
