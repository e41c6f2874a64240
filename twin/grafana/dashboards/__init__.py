"""The dashboards, one module each: which panels, in which rows, with which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from twin.grafana.assemble import Row
from twin.grafana.dashboards import (
    air,
    alerts,
    amd,
    array,
    cooling,
    energy,
    job,
    network,
    nvl72,
    pipeline,
    rack,
    server,
    serving,
    shadow,
    site,
)

__all__ = ["ROWS"]

ROWS: Mapping[str, Callable[[], list[Row]]] = MappingProxyType(
    {
        "site": site.rows,
        "array": array.rows,
        "rack": rack.rows,
        "server": server.rows,
        "cooling": cooling.rows,
        "air": air.rows,
        "nvl72": nvl72.rows,
        "amd": amd.rows,
        "network": network.rows,
        "energy": energy.rows,
        "job": job.rows,
        "alerts": alerts.rows,
        "serving": serving.rows,
        "shadow": shadow.rows,
        "pipeline": pipeline.rows,
    }
)
"""Name of a page to the function that makes its rows."""
