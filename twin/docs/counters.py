"""Counters file for dcgm-exporter: the fields that rules and dashboards need."""

from __future__ import annotations

from collections.abc import Mapping

from twin.catalog import GPU, Signal

__all__ = ["pages"]

_HEAD = """\
# What dcgm-exporter exports: dcgm-exporter -f counters.csv
# All that the twin shows of its metrics, and so all that the shipped rules and dashboards read.
# Made by `python -m twin.docs` from the catalogue; do not edit.
# DCGM field, Prometheus metric type, help
"""
_PREFIX = "DCGM_FI_"


def pages() -> Mapping[str, str]:
    """Return the file by its path below ``docs/``."""
    return {
        "../deploy/dcgm-exporter/counters.csv": _HEAD + _section(extra=False) + _section(extra=True)
    }


def _section(*, extra: bool) -> str:
    lines = {
        _line(signal): None
        for signal in GPU.signals
        if signal.extra is extra and signal.metric.startswith(_PREFIX)
    }
    title = "Off in the exporter's own default-counters.csv" if extra else "On by default"
    label = "" if extra else "DCGM_FI_DRIVER_VERSION, label, Driver version.\n"
    return f"\n# {title}\n{label}" + "".join(lines)


def _line(signal: Signal) -> str:
    # The exporter splits at every comma.
    return f"{signal.metric}, {signal.kind.value}, {signal.help.replace(',', ';')}\n"
