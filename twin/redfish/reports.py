"""Telemetry: reports of many values in one resource, as HGX baseboards have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from twin.redfish.node import Kit, Node
from twin.redfish.schemas import ROOT, Payload, link, moment, resource, status
from twin.redfish.sensors import SensorPlace
from twin.redfish.view import BmcView

__all__ = ["REPORTS", "report_nodes"]

TELEMETRY = f"{ROOT}/TelemetryService"
REPORTS = f"{TELEMETRY}/MetricReports"
"""Path of the reports."""
_DEFINITIONS = f"{TELEMETRY}/MetricReportDefinitions"
_PORTS = "/Ports/"
_MISSING = "nan"
"""As a controller writes a value that it does not have."""

_Values = Callable[[BmcView], Iterator[tuple[str, str]]]
"""Yields the property and the value of each metric."""


@dataclass(frozen=True, slots=True)
class _Report:
    id: str
    values: _Values


def report_nodes(kit: Kit) -> Iterator[Node]:
    """Yield the telemetry service and its reports."""
    reports = list(_reports(kit))
    names = [report.id for report in reports]
    yield Node(TELEMETRY, lambda _: _service())
    for path, schema, title in (
        (REPORTS, "MetricReport", "Metric Reports"),
        (_DEFINITIONS, "MetricReportDefinition", "Metric Report Definitions"),
    ):
        yield Node.collection(path, schema, title, [f"{path}/{name}" for name in names])
    for report in reports:
        yield Node(f"{REPORTS}/{report.id}", partial(_report, report))
        yield Node(f"{_DEFINITIONS}/{report.id}", partial(_definition, report))


def _reports(kit: Kit) -> Iterator[_Report]:
    named = kit.kind.reports
    sensors = list(kit.sensors.values())
    yield _Report(named.format("PlatformEnvironmentMetrics"), partial(_of_sensors, sensors))
    ports = [own for own in kit.metrics if _PORTS in own.path]
    others = [own for own in kit.metrics if _PORTS not in own.path]
    for name, nodes in (
        ("ProcessorMetrics", [own for own in others if "/Processors/" in own.path]),
        ("ProcessorPortMetrics", ports),
        ("MemoryMetrics", [own for own in others if "/Memory/" in own.path]),
    ):
        if nodes:
            yield _Report(named.format(name), partial(_of_resources, nodes))


def _service() -> Payload:
    return resource(
        TELEMETRY,
        "TelemetryService",
        "telemetry service",
        ServiceEnabled=True,
        MinCollectionInterval="PT1S",
        SupportedCollectionFunctions=[],
        MetricReports=link(REPORTS),
        MetricReportDefinitions=link(_DEFINITIONS),
        Status=status(),
    )


def _of_sensors(sensors: list[SensorPlace], view: BmcView) -> Iterator[tuple[str, str]]:
    for place in sensors:
        reading = place.read(view)
        yield f"{place.path}#/Reading", _MISSING if reading is None else f"{reading:g}"


def _of_resources(nodes: list[Node], view: BmcView) -> Iterator[tuple[str, str]]:
    for node in nodes:
        for pointer, value in _leaves(node.make(view)):
            yield f"{node.path}#{pointer}", value


def _leaves(value: object, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield the properties of a metrics resource that have a value, as JSON pointers."""
    if isinstance(value, dict):
        for name, own in value.items():
            if not name.startswith("@") and name not in {"Id", "Name"}:
                yield from _leaves(own, f"{pointer}/{name}")
    elif isinstance(value, bool):
        yield pointer, str(value).lower()
    elif isinstance(value, int | float):
        yield pointer, f"{value:g}" if isinstance(value, float) else str(value)
    elif isinstance(value, str):
        yield pointer, value


def _report(report: _Report, view: BmcView) -> Payload:
    at = moment(view.ts)
    return resource(
        f"{REPORTS}/{report.id}",
        "MetricReport",
        report.id.replace("_", " "),
        Timestamp=at,
        MetricReportDefinition=link(f"{_DEFINITIONS}/{report.id}"),
        MetricValues=[
            {"MetricProperty": where, "MetricValue": value, "Timestamp": at}
            for where, value in report.values(view)
        ],
    )


def _definition(report: _Report, view: BmcView) -> Payload:  # noqa: ARG001 - the same for each
    return resource(
        f"{_DEFINITIONS}/{report.id}",
        "MetricReportDefinition",
        report.id.replace("_", " "),
        MetricReportDefinitionType="OnRequest",
        MetricReportDefinitionEnabled=True,
        ReportActions=["LogToMetricReportsCollection"],
        ReportUpdates="Overwrite",
        MetricReport=link(f"{REPORTS}/{report.id}"),
        Status=status(),
    )
