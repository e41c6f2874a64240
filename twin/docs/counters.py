"""Counters file for dcgm-exporter: the fields that rules and dashboards need."""

from __future__ import annotations

from collections.abc import Mapping

from twin.catalog import GPU, Signal
from twin.catalog.editions import EDITIONS, Edition

__all__ = ["pages"]

_HEAD = """\
# What dcgm-exporter exports: dcgm-exporter -f counters.csv
# All that the twin shows of its metrics, and so all that the shipped rules and dashboards read.
# Made by `python -m twin.docs` from the catalogue; do not edit.
# DCGM field, Prometheus metric type, help
"""
_OLD = "# Names and units of 4.8; a newer exporter takes them too, and then gives the old units.\n"
_FOLDER = "../deploy/dcgm-exporter"
_PREFIX = "DCGM_FI_"


def pages() -> Mapping[str, str]:
    """Return the files by their paths below ``docs/``."""
    oldest, *_, newest = EDITIONS["dcgm"]
    return {
        f"{_FOLDER}/counters.csv": _file(oldest),
        f"{_FOLDER}/counters-{newest.version}.csv": _file(newest),
    }


def _file(edition: Edition) -> str:
    names = _OLD if edition is EDITIONS["dcgm"][0] else f"# Names of {edition.title}.\n"
    return _HEAD + names + _section(edition, extra=False) + _section(edition, extra=True)


def _section(edition: Edition, *, extra: bool) -> str:
    lines = {
        _line(signal): None
        for signal in edition.shown(GPU.signals)
        if signal.extra is extra and signal.metric.startswith(_PREFIX)
    }
    title = "Off in the exporter's own default-counters.csv" if extra else "On by default"
    label = "" if extra else f"{edition.family.labels[-1]}, label, Driver version.\n"
    return f"\n# {title}\n{label}" + "".join(lines)


def _line(signal: Signal) -> str:
    # The exporter splits at every comma.
    return f"{signal.metric}, {signal.kind.value}, {signal.help.replace(',', ';')}\n"
