"""PromQL selectors: every metric is named by the catalogue, none by hand."""

from __future__ import annotations

from twin.catalog import OWN_METRICS, ROLLUPS, DeviceClass, Level, Rollup, Signal
from twin.catalog.schedulers import StateExporter

__all__ = [
    "ARRAY",
    "HOST",
    "PLACE",
    "derived",
    "host",
    "labelled",
    "of",
    "own",
    "reported",
    "rollup",
    "select",
    "up",
]

ARRAY = "site, hall, array"
"""Labels of an array. A cluster that has none of them is one large array."""
PLACE = f"{ARRAY}, rack"
"""Labels of a rack."""
HOST = f"{PLACE}, instance"
"""Labels of a server, as one exporter of it is scraped."""


def labelled(name: str, value: str) -> str:
    """Return a label with its value, as PromQL and the text format write it."""
    if "\\" in value or '"' in value or "\n" in value:
        value = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{name}="{value}"'


def select(metric: str, *matchers: str) -> str:
    """Return the selector of a metric with some label matchers."""
    return f"{metric}{{{', '.join(matchers)}}}" if matchers else metric


def of(device: DeviceClass, signal: str, *matchers: str, within: tuple[str, ...] = ()) -> str:
    """Return the selector of one signal, with the labels that set it apart from others.

    Args:
        device: the device class.
        signal: name of the signal.
        matchers: what follows those labels.
        within: what comes before them.

    Raises:
        KeyError: the device class has no such signal.
    """
    found = device[signal]
    fixed = (f'{name}="{value}"' for name, value in found.labels)
    return select(found.metric, *within, *fixed, *matchers)


def derived(device: DeviceClass, name: str, *matchers: str) -> str:
    """Return the selector of a derived family, by its metric without the exporter's prefix.

    Raises:
        KeyError: the device class has no such family.
    """
    for family in device.derived:
        if family.metric.partition("_")[2] == name:
            return select(family.metric, *matchers)
    raise KeyError(f"device class {device.name!r} has no family {name!r}")


def up(*signals: Signal, matchers: tuple[str, ...] = ()) -> str:
    """Return the selector of the ``up`` of these signals' scrape targets."""
    jobs = "|".join(dict.fromkeys(signal.family.job for signal in signals))
    return select(signals[0].metric, f'job{"=~" if "|" in jobs else "="}"{jobs}"', *matchers)


def reported(exporter: StateExporter, metric: str, *matchers: str) -> str:
    """Return the selector of a metric of a scheduler's exporter.

    Raises:
        KeyError: the exporter has no such metric.
    """
    return select(exporter[metric].name, *matchers)


def own(name: str, *matchers: str, suffix: str = "") -> str:
    """Return the selector of one of the aggregator's own metrics, named without prefix.

    Raises:
        KeyError: the aggregator has no such metric.
    """
    for metric in OWN_METRICS:
        if metric.name == f"twin_{name}":
            return select(metric.name + suffix, *matchers)
    raise KeyError(f"the aggregator has no metric {name!r}")


def host(selector: str) -> str:
    """Return a selector with the label ``host``: ``instance`` without the port."""
    return f'label_replace({selector}, "host", "$1", "instance", "([^:]+).*")'


def rollup(level: Level, name: str) -> Rollup:
    """Return a roll-up, by its name without the level.

    Raises:
        KeyError: it is not taken at this level.
    """
    for found in ROLLUPS:
        if found.name == name and level in found.levels:
            return found
    raise KeyError(f"there is no roll-up {name!r} over a {level}")
