"""A Prometheus that answers from a list of series, for tests of what is read from one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
import pytest

from twin.aggregator import Core
from twin.catalog import UnitKind
from twin.fleet.survey import Survey, survey
from twin.site import Layout, parse_site
from twin.wire import Encoder, Outputs, Topics

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


SITE = """
name: small
racks: 3
racks_per_array: 2
servers_per_rack: 2
pdus_per_rack: 2
server: {gpus: 2, nics: 2, psus: 2}
telemetry: {interval_seconds: 10, exporters: {dcgm: EDITION}}
"""
MEASURED = """
measured:
  - {rack: 1, name: r0001, hosts: [r0001-n1, r0001-n2]}
  - {rack: 2, hosts: [r0002-n1, r0002-n2]}
  - {rack: 3, hosts: [r0003-n1, r0003-n2]}
"""
LABEL = re.compile(r'(\w+)="([^"]*)"')
Show = Callable[..., tuple[Layout, Core]]
Series = list[tuple[dict[str, str], float, str]]
"""Labels, time and value."""


def layout_of(edition: str = "4.8.2", measured: str = MEASURED) -> Layout:
    """Return the small site with racks that are measured."""
    return Layout(parse_site(SITE.replace("EDITION", edition) + measured, "small"))


def exposed(layout: Layout, outputs: Outputs, ts: float = NOW) -> Core:
    """Return an aggregator that shows one frame of each rack."""
    core = Core(layout)
    encoder = Encoder(layout, UnitKind.RACK)
    encoder.load(outputs)
    for rack in range(3):
        name = layout.unit_name(UnitKind.RACK, rack)
        topic = Topics("small").frame(UnitKind.RACK, name)
        core.handle(topic, encoder.encode(rack, ts, 1), False, 1000.0)
    return core


def lines(core: Core) -> list[str]:
    """Return all series of the racks, values included."""
    pages = (bytes(core.array(array)).decode().splitlines() for array in range(2))
    return sorted(line for page in pages for line in page if 'rack="' in line)


def scraped(core: Core, ts: float = NOW) -> Series:
    """Return what a Prometheus has of these pages."""
    return [
        ({"__name__": line.partition("{")[0], **dict(LABEL.findall(line))}, ts, line.split()[-1])
        for line in lines(core)
    ]


def answer(series: Iterable[tuple[Mapping[str, str], float, str]], **more: object) -> bytes:
    """Return the answer of a Prometheus to the query of a range."""
    result = [{"metric": own, "values": [[time, value]]} for own, time, value in series]
    data = {"resultType": "matrix", "result": result}
    return orjson.dumps({"status": "success", "data": data, **more})


@pytest.fixture
def shown(outputs: Callable[[Layout], Outputs]) -> Callable[..., tuple[Layout, Core]]:
    """Return a function that shows the small site by an edition of dcgm-exporter."""

    def show(edition: str = "4.8.2") -> tuple[Layout, Core]:
        layout = layout_of(edition)
        return layout, exposed(layout, outputs(layout))

    return show
