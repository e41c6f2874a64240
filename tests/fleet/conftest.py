"""A Prometheus that answers from a list of series, for tests of what is read from one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from twin.fleet.survey import Survey, survey

NOW = 1_800_000_000.0
FIELDS = ("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL")
"""Of dcgm-exporter 4.8.2 as its default counters have them."""
NEW_FIELDS = ("DCGM_FI_DEV_GPU_TEMP_CELSIUS", "DCGM_FI_DEV_BOARD_POWER_WATTS")
"""Of 4.9.0."""


class SeriesList:
    """Answers the queries of a survey from a list of series."""

    def __init__(self, series: Iterable[dict[str, str]], interval: float | None = 15.0) -> None:
        self.series = list(series)
        self.interval = interval

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """Return the metric names."""
        assert (label, selector) == ("__name__", "")
        assert start < end
        return sorted({own["__name__"] for own in self.series})

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the series that a query names, by its names alone."""
        if query.endswith("[600s]"):
            if self.interval is None:
                return []
            times = [(at - back * self.interval, "1") for back in range(4, 0, -1)]
            return [{"metric": {}, "values": times}]
        if query.startswith("count by (job)"):
            return [{"metric": {"job": "dcgm-exporter"}, "value": [at, "1"]}]
        regex = re.search(r'=~"(.*?)"', query)
        names = set(regex[1].split("|")) if regex else {query}
        return [
            {"metric": own, "value": [at, "1"]} for own in self.series if own["__name__"] in names
        ]


def gpus(
    host: str, count: int = 8, fields: Iterable[str] = FIELDS, **labels: str
) -> list[dict[str, str]]:
    """Return the series of the GPUs of a host."""
    named = {"modelName": "NVIDIA H100 80GB HBM3", "instance": f"{host}:9400", **labels}
    if "hostname" not in named:
        named.setdefault("Hostname", host)
    return [
        {"__name__": field, "gpu": str(gpu), "UUID": f"GPU-{host}-{gpu}", **named}
        for field in fields
        for gpu in range(count)
    ]


@pytest.fixture
def seen() -> Callable[..., Survey]:
    """Return a function that surveys some series."""

    def look(*series: list[dict[str, str]], interval: float | None = 15.0) -> Survey:
        return survey(SeriesList([own for each in series for own in each], interval), NOW)

    return look
