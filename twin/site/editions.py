"""Editions of a site's exporters: which array has which, and the words that set it.

A setting is ``dcgm=4.9.0`` for all arrays, or ``dcgm=4.8.2, a003=4.9.0`` for a fleet in
mid-migration, in the words of :mod:`twin.site.detail`.
"""

from __future__ import annotations

from collections.abc import Iterable

from twin.catalog.editions import EDITIONS, Edition, edition, with_counters
from twin.errors import ConfigError
from twin.parameters import Site
from twin.site.detail import chosen_arrays, split_settings

__all__ = ["editions_of", "exporting"]

_COUNTERS = "telemetry.exporters.dcgm_counters"


def editions_of(site: Site, where: str = _COUNTERS) -> tuple[Edition, ...]:
    """Return the edition of dcgm-exporter of every array.

    Args:
        site: the site.
        where: its counters file, for messages.

    Raises:
        ConfigError: the site names no edition or no array, or the exporter would not start with
            its counters file.
    """
    chosen = _by_array(site, [site.telemetry.exporters.dcgm])
    if text := site.telemetry.exporters.dcgm_counters:
        listed = {
            own: with_counters(own, text, where, EDITIONS["dcgm"]) for own in dict.fromkeys(chosen)
        }
        chosen = [listed[own] for own in chosen]
    return tuple(chosen)


def _by_array(site: Site, settings: Iterable[str]) -> list[Edition]:
    chosen = [EDITIONS["dcgm"][0]] * site.arrays
    for setting in split_settings(settings):
        arrays, _, version = setting.rpartition("=")
        own = edition("dcgm", version)
        try:
            numbers = chosen_arrays(arrays, site.arrays, site.numbers.arrays)
        except ValueError as error:
            raise ConfigError(f"exporter dcgm: {setting!r}: {error}") from error
        chosen[numbers.start : numbers.stop] = [own] * len(numbers)
    return chosen


def exporting(
    site: Site, settings: Iterable[str] = (), counters: str = "", where: str = _COUNTERS
) -> Site:
    """Return a site whose exporters have other editions.

    Args:
        site: the site.
        settings: such as ``dcgm=4.9.0``; each adds to what the site says.
        counters: text of a counters file for dcgm-exporter; empty for that of the site.
        where: the counters file, for messages.

    Raises:
        ConfigError: a setting names no exporter, edition or array, or the exporter would not
            start with the counters file.
    """
    exporters = site.telemetry.exporters
    for setting in settings:
        exporter, equals, words = setting.partition("=")
        if not equals or exporter not in EDITIONS:
            raise ConfigError(
                f"--exporter {setting!r} is not valid; write for example dcgm=4.9.0, or "
                "dcgm=4.8.2,a001=4.9.0 for one array"
            )
        both = f"{exporters.dcgm}, {words}"
        chosen = dict.fromkeys(_by_array(site, [both]))
        exporters = exporters.model_copy(
            update={"dcgm": next(iter(chosen)).version if len(chosen) == 1 else both}
        )
    if counters:
        exporters = exporters.model_copy(update={"dcgm_counters": counters})
    telemetry = site.telemetry.model_copy(update={"exporters": exporters})
    changed = site.model_copy(update={"telemetry": telemetry})
    editions_of(changed, where)
    return changed
