"""Editions of exporters: the versions whose names, units or labels differ.

An edition is a row in the table of its exporter; :func:`edition` finds one by its short version
or by the whole tag of the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from twin.catalog.editions.counters import with_counters
from twin.catalog.editions.dcgm import DCGM_EDITIONS
from twin.catalog.editions.model import CounterRow, Edition, SignalChange
from twin.errors import ConfigError

__all__ = [
    "EDITIONS",
    "CounterRow",
    "Edition",
    "SignalChange",
    "edition",
    "editions_with",
    "with_counters",
]

EDITIONS: Mapping[str, tuple[Edition, ...]] = MappingProxyType({"dcgm": DCGM_EDITIONS})
"""All editions of each exporter that has several, the oldest first."""


def edition(exporter: str, version: str) -> Edition:
    """Return an edition by its version, ``4.9.0``, or by its tag, ``4.5.3-4.8.2``.

    Raises:
        ConfigError: there is no such exporter or edition.
    """
    if exporter not in EDITIONS:
        raise ConfigError(
            f"exporter {exporter!r} has no editions; write {' or '.join(EDITIONS)}, "
            "for example dcgm=4.9.0"
        )
    for own in EDITIONS[exporter]:
        if version in (own.version, own.tag):
            return own
    known = ", ".join(own.version for own in EDITIONS[exporter])
    raise ConfigError(f"exporter {exporter}: edition {version!r} is not known; choose {known}")


@cache
def editions_with(metric: str) -> tuple[Edition, ...]:
    """Return the editions that can expose a metric of that name, the oldest first."""
    return tuple(own for all_ in EDITIONS.values() for own in all_ if metric in own.fields)
