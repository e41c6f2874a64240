"""Static description of the site for the live page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin import __version__
from twin.aggregator.live import Chart
from twin.aggregator.page.floor import FloorSignal
from twin.aggregator.page.rack import DeviceTable
from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.faults import FAULTS, Fault, default_target
from twin.site import Layout, Site

__all__ = ["describe"]

_ABOVE_SWITCHES = 10 / 18
"""Compute trays above the switch trays, over all (bmc-mock's rack of NVIDIA/infra-controller)."""


def describe(
    layout: Layout,
    signals: tuple[FloorSignal, ...],
    groups: tuple[DeviceTable, ...],
    charts: tuple[Chart, ...],
    *,
    boot: str,
    allow_inject: bool,
    beside: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the answer of ``/api/site``.

    Args:
        layout: the site.
        signals: what the floor can be coloured by.
        groups: the devices of a rack.
        charts: the lines over time, whose order is that of the history's columns.
        boot: changes with every start of the aggregator.
        allow_inject: whether faults can be injected from the page.
        beside: the pages of other sites, by the names of these.
    """
    site = layout.site
    arrays = range(site.arrays)
    return {
        "boot": boot,
        "version": __version__,
        "site": site.name,
        "beside": dict(beside or {}),
        "title": site.title,
        "gpus": site.gpus,
        "racks": [layout.unit_name(UnitKind.RACK, rack) for rack in range(site.racks)],
        "racks_per_array": site.racks_per_array,
        "servers_per_rack": site.servers_per_rack,
        "build": _build(site),
        "arrays": [layout.unit_name(UnitKind.ARRAY, array) for array in arrays],
        "halls": [layout.hall_name(array) for array in arrays],
        "signals": [asdict(signal) for signal in signals],
        "devices": [_group(layout, group) for group in groups],
        "charts": [_chart(chart) for chart in charts],
        "allow_inject": allow_inject,
        "faults": [_fault(own, layout) for own in FAULTS.values()] if allow_inject else [],
    }


def _build(site: Site) -> list[str]:
    """Return what stands in a rack from the top down: ``server``, ``switch`` and ``shelf``.

    Shelves are at both ends, switch trays in the midst of the compute trays: of the 18 of an NVL72
    ten are above them.
    """
    upper = round(site.servers_per_rack * _ABOVE_SWITCHES) if site.nvlink.switch_trays else 0
    shelves = site.shelves.count // 2
    return [
        *["shelf"] * (site.shelves.count - shelves),
        *["server"] * upper,
        *["switch"] * site.nvlink.switch_trays,
        *["server"] * (site.servers_per_rack - upper),
        *["shelf"] * shelves,
    ]


def _group(layout: Layout, group: DeviceTable) -> dict[str, Any]:
    return {
        "key": group.key,
        "title": group.title,
        "count": layout.per_unit(group.device),
        "rows": group.rows,
        "columns": [
            {
                "key": column.key,
                "title": column.title,
                "unit": column.unit,
                "decimals": column.decimals,
                "low": column.low,
                "high": column.high,
                "states": column.states,
                "counter": column.counter,
            }
            for column in group.columns
        ],
    }


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "key": chart.key,
        "title": chart.title,
        "lines": [
            {
                "key": line.key,
                "label": line.label,
                "unit": line.unit,
                "decimals": line.decimals,
                "right": line.right,
                "bounds": line.bounds,
            }
            for line in chart.lines
        ],
    }


def _default_target(fault: type[Fault], layout: Layout) -> str:
    """Return where the site can have the fault; the usual place if nowhere, which is refused."""
    try:
        return default_target(fault, layout)
    except ConfigError:
        return fault.default_target


def _fault(fault: type[Fault], layout: Layout) -> dict[str, Any]:
    return {
        "fault": fault.kind,
        "system": fault.system,
        "title": fault.title,
        "target": fault.target,
        "default_target": _default_target(fault, layout),
        "default_seconds": fault.default_seconds,
        "shows": fault.shows,
        "parameters": [parameter._asdict() for parameter in fault.parameters()],
    }
