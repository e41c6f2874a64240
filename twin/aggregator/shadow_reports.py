"""Observer's reports as series: expected, residual and drift by relation, and what was found.

The last report of each array counts; one that is not followed by the next in time is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.text_format import ExpositionWriter, SeriesColumn, label_block, own_head
from twin.catalog import CDU, DeviceClass, Labels, OwnMetric, UnitKind, device_class, own
from twin.errors import FrameError, TargetError
from twin.site import Layout, address_of, find_target, labels_of_target, place_labels
from twin.wire import (
    ShadowDevices,
    ShadowFinding,
    ShadowRelation,
    ShadowReport,
    decode_message,
)

__all__ = ["ShadowReports"]

_TIMEOUT_BLOCKS = 3.5
_LEAST_TIMEOUT = 30.0
_MOST_TIMEOUT = 7200.0

_OF_REPORTS: dict[OwnMetric, Callable[[ShadowReport], float | None]] = {
    own.SHADOW_REPORT_TIME: lambda it: it.ts,
    own.SHADOW_BLOCK: lambda it: it.block,
    own.SHADOW_FALSE_ALARMS: lambda it: it.false_alarms,
}
_OF_RELATIONS: dict[OwnMetric, Callable[[ShadowRelation], float | None]] = {
    own.SHADOW_COVERAGE: lambda it: it.covered / it.devices if it.devices else None,
    own.SHADOW_RESIDUAL: lambda it: it.residual,
    own.SHADOW_SIGMAS: lambda it: it.sigmas,
    own.SHADOW_DRIFT: lambda it: it.drift,
}
_OF_FINDINGS: dict[OwnMetric, Callable[[ShadowFinding], float | None]] = {
    own.SHADOW_FINDING: lambda it: it.since,
    own.SHADOW_FINDING_EXPECTED: lambda it: it.expected,
    own.SHADOW_FINDING_MEASURED: lambda it: it.measured,
    own.SHADOW_FINDING_RESIDUAL: lambda it: it.residual,
    own.SHADOW_FINDING_SIGMAS: lambda it: it.sigmas,
    own.SHADOW_FINDING_DRIFT: lambda it: it.drift,
}


_OF_DEVICES: dict[OwnMetric, Callable[[ShadowDevices], Sequence[float | None]]] = {
    own.SHADOW_DEVICE_EXPECTED: lambda it: it.expected,
    own.SHADOW_DEVICE_RESIDUAL: lambda it: it.residual,
    own.SHADOW_DEVICE_SIGMAS: lambda it: it.sigmas,
}


_Shown = Mapping[int, ShadowReport]
_SITE = -1
"""Stands for the site beside its arrays: its meters and what else is in no rack."""


@dataclass(frozen=True, slots=True)
class _HeardReport:
    """A report and the elapsed time at which it came."""

    report: ShadowReport
    at: float


class ShadowReports:
    """The last report of an observer on each array, and on what stands in none.

    Args:
        layout: what is exposed of the site.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._heard: dict[int, _HeardReport] = {}
        self._labels: dict[tuple[int, str], list[bytes]] = {}
        """Labels of all devices of a relation on an array."""

    def hear(self, name: str, payload: bytes, *, retain: bool, at: float) -> None:
        """Take over a report.

        Raises:
            FrameError: it is not valid.
        """
        array = self._layout.unit_index(UnitKind.ARRAY, name)
        if self._layout.with_facility and name == UnitKind.GRID.value:
            array = _SITE
        if array is None:
            raise FrameError("foreign", f"there is no array {name[:64]!r} here")
        if retain:
            raise FrameError("stale", "reports are not retained: its age is unknown")
        report = decode_message(ShadowReport, payload)
        for finding in report.findings:
            try:
                find_target(self._layout, finding.target)
            except TargetError as error:
                raise FrameError("foreign", str(error)) from error
        for relation in report.relations:
            self._check_places(array, relation)
        self._heard[array] = _HeardReport(report, at)

    def _check_places(self, array: int, it: ShadowRelation) -> None:
        """Refuse values of other racks or devices than the array has.

        Raises:
            FrameError: their number is another.
        """
        racks = len(self._racks_of(array))
        told: list[tuple[Sequence[float | None], int]] = [(it.racks, racks)] if it.racks else []
        if it.each is not None:
            try:
                device = device_class(it.each.device)
                units = self._layout.units(device.frame) if array == _SITE else racks
                wanted = units * self._each(device)
            except KeyError:
                raise FrameError("foreign", f"no device {it.each.device!r}") from None
            told += [(values(it.each), wanted) for values in _OF_DEVICES.values()]
        for values, count in told:
            if len(values) != count:
                raise FrameError("foreign", f"{len(values)} values where {count} are due")

    def _each(self, device: DeviceClass) -> int:
        """Return how many devices a unit has; a coolant unit stands for its rack, also without."""
        each = self._layout.per_unit(device)
        return max(each, 1) if device is CDU else each

    def _racks_of(self, array: int) -> range:
        return range(0) if array == _SITE else self._layout.racks_of(array)

    def surprise(self) -> NDArray[np.float64]:
        """Return the largest deviation that the observer sees in each rack, NaN where it is not."""
        most = np.full(self._layout.site.racks, np.nan)
        for array, heard in self._heard.items():
            racks = self._racks_of(array)
            part = slice(racks.start, racks.stop)
            for it in heard.report.relations:
                if it.racks:
                    values = np.abs(np.array(it.racks, np.float64))
                    most[part] = np.fmax(most[part], values)
        return most

    def expire(self, at: float) -> None:
        """Drop the reports that were not followed by the next."""
        for array, heard in list(self._heard.items()):
            wait = max(_TIMEOUT_BLOCKS * heard.report.block, _LEAST_TIMEOUT)
            if at - heard.at > min(wait, _MOST_TIMEOUT):
                del self._heard[array]

    def write(self, text: ExpositionWriter, released: NDArray[np.bool_]) -> None:
        """Append what the reports say.

        Args:
            text: to append to.
            released: arrays that another aggregator has now.
        """
        shown = {
            array: own.report
            for array, own in self._heard.items()
            if array == _SITE or not released[array]
        }
        if not shown:
            return
        places = [(self._place(array), report) for array, report in shown.items()]
        for metric, setting in _OF_REPORTS.items():
            column = _column((labels, setting(it)) for labels, it in places)
            text.add(own_head(metric), [column])
        relations = list(self._relations(shown))
        for metric, value in _OF_RELATIONS.items():
            text.add(own_head(metric), [_column((labels, value(it)) for labels, it in relations)])
        racks = list(self._racks(shown))
        text.add(own_head(own.SHADOW_RACK_SIGMAS), [_column(racks)])
        for metric, values in _OF_DEVICES.items():
            text.add(own_head(metric), list(self._devices(shown, values)))
        findings = dict(self._findings(shown))
        for metric, number in _OF_FINDINGS.items():
            rows = ((labels, number(it)) for labels, it in findings.items())
            text.add(own_head(metric), [_column(rows)])

    def _place(self, array: int) -> Labels:
        if array == _SITE:
            return place_labels(self._layout, UnitKind.GRID, 0)
        return place_labels(self._layout, UnitKind.ARRAY, array)

    def _relations(self, shown: _Shown) -> Iterator[tuple[Labels, ShadowRelation]]:
        for array, report in shown.items():
            once = {it.relation: it for it in report.relations}
            for it in once.values():
                yield (("relation", it.relation), ("unit", it.unit), *self._place(array)), it

    def _racks(self, shown: _Shown) -> Iterator[tuple[Labels, float | None]]:
        for array, report in shown.items():
            for it in {it.relation: it for it in report.relations}.values():
                named = (("relation", it.relation), ("unit", it.unit))
                for rack, value in zip(self._racks_of(array), it.racks, strict=False):
                    yield (*named, *place_labels(self._layout, UnitKind.RACK, rack)), value

    def _devices(
        self, shown: _Shown, values: Callable[[ShadowDevices], Sequence[float | None]]
    ) -> Iterator[SeriesColumn]:
        for array, report in shown.items():
            for it in {it.relation: it for it in report.relations}.values():
                if it.each is None:
                    continue
                labels = self._labels_of(array, it, it.each)
                numbers = zip(labels, values(it.each), strict=True)
                told = [(label, value) for label, value in numbers if value is not None]
                yield SeriesColumn([label for label, _ in told], np.array([v for _, v in told]))

    def _labels_of(self, array: int, it: ShadowRelation, devices: ShadowDevices) -> list[bytes]:
        """Return the labels of each device, which stay as they are."""
        labels = self._labels.get((array, it.relation))
        if labels is None:
            labels = self._labels[array, it.relation] = []
            device, site = device_class(devices.device), ("site", self._layout.site.name)
            units = range(self._layout.units(device.frame))
            for rack in units if array == _SITE else self._racks_of(array):
                for index in range(self._each(device)):
                    target = address_of(self._layout, device, rack, index)
                    named = (("relation", it.relation), ("unit", it.unit), ("target", target))
                    place = labels_of_target(self._layout, target)
                    labels.append(label_block((*named, site, *place)))
        return labels

    def _findings(self, shown: _Shown) -> Iterator[tuple[Labels, ShadowFinding]]:
        site = ("site", self._layout.site.name)
        for report in shown.values():
            for it in report.findings:
                place = labels_of_target(self._layout, it.target)
                named = (("cause", it.cause), ("target", it.target), ("relation", it.relation))
                yield (*named, ("unit", it.unit), site, *place), it


def _column(rows: Iterable[tuple[Labels, float | None]]) -> SeriesColumn:
    found = [(label_block(labels), value) for labels, value in rows if value is not None]
    return SeriesColumn([block for block, _ in found], np.array([v for _, v in found], np.float64))
