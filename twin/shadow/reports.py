"""Reports of the observer: a message an array."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from twin.catalog import UnitKind
from twin.plant.units import Floats
from twin.shadow.calibration import Watch
from twin.shadow.causes import Finding
from twin.shadow.core import ShadowCore, ToldDevices
from twin.wire import (
    MOST_FINDINGS,
    OutboundMessage,
    ShadowDevices,
    ShadowFinding,
    ShadowRelation,
    ShadowReport,
)

__all__ = ["reports", "series_told"]

_OF_A_DEVICE = 3
"""Series of a device and relation: expected, residual, sigmas."""


def series_told(core: ShadowCore) -> int:
    """Return how many series reports give at most beside those of arrays and findings."""
    told, watches = core.settings.told, core.watches.values()
    if told == "off":
        return 0
    of_racks = core.of_units(UnitKind.RACK).values()
    racks = sum(int(watch.applies.sum()) for watch in of_racks)
    devices = sum(int(watch.applies.sum()) * watch.shape[1] for watch in watches)
    return racks + (_OF_A_DEVICE * devices if told == "devices" else 0)


def reports(core: ShadowCore) -> Iterator[OutboundMessage]:
    """Yield what the observer says of each array, and of the site, after a block has ended."""
    layout, told = core.layout, core.settings.told
    found = defaultdict[int, list[Finding]](list)
    of_site = [own for own in core.findings if own.frame is not UnitKind.RACK]
    for own in core.findings:
        if own.frame is UnitKind.RACK:
            found[layout.array_of(own.rack)].append(own)
    watches = core.of_units(UnitKind.RACK).values()
    for array in range(layout.site.arrays):
        racks = layout.racks_of(array)
        part = slice(racks.start, racks.stop)
        name = layout.unit_name(UnitKind.ARRAY, array)
        relations = tuple(_relation(watch, part, told) for watch in watches)
        yield _report(core, name, relations, found[array])
    beside = core.of_units(*core.kinds).values()
    if beside:
        relations = tuple(_relation(watch, slice(None), told) for watch in beside)
        name = layout.unit_name(UnitKind.GRID, 0)
        yield _report(core, name, relations, of_site)


def _report(
    core: ShadowCore, name: str, relations: tuple[ShadowRelation, ...], found: list[Finding]
) -> OutboundMessage:
    ts = max(core.block_end, 0.0)
    report = ShadowReport(
        ts=ts,
        block=core.block,
        false_alarms=core.settings.false_alarms_a_week,
        limit=core.limit,
        relations=relations,
        findings=tuple(_finding(own, ts, core.block) for own in found[:MOST_FINDINGS]),
    )
    return OutboundMessage(core.topics.shadow(name), report.encode())


def _relation(watch: Watch, part: slice, told: ToldDevices) -> ShadowRelation:
    covered, of_racks = watch.covered[part], watch.relation.frame is UnitKind.RACK
    z = watch.own.z[part]
    there = np.isfinite(z)
    residual = (watch.measured[part] - watch.expected[part])[covered]
    drift = watch.own.drift[part][watch.own.watching[part]]
    return ShadowRelation(
        relation=watch.relation.name,
        unit=watch.relation.unit,
        devices=int(watch.applies[part].sum()) * watch.each,
        covered=int(covered.sum()),
        residual=_number(residual.mean()) if residual.size else None,
        sigmas=_number(np.sqrt((z[there] ** 2).mean())) if there.any() else None,
        drift=_number(_farthest(drift)) if drift.size else None,
        racks=() if told == "off" or not of_racks else _numbers(_surprises(watch, part)),
        each=_devices(watch, part) if told == "devices" else None,
    )


def _surprises(watch: Watch, part: slice) -> Floats:
    """Return the largest deviation of each rack's devices, or of them all, with its sign."""
    each = np.concatenate([
        np.where(own.watching[part], own.smooth[part], np.nan) for own in watch.parts.values()
    ], axis=1)  # fmt: skip
    there = np.isfinite(each)
    first = np.argmax(np.where(there, np.abs(each), -1.0), axis=1)
    largest: Floats = each[np.arange(len(each)), first]
    return largest


def _devices(watch: Watch, part: slice) -> ShadowDevices:
    expected, own = watch.expected[part], watch.own
    return ShadowDevices(
        device=watch.relation.device.name,
        expected=_numbers(expected),
        residual=_numbers(watch.measured[part] - expected),
        sigmas=_numbers(np.where(own.watching[part], own.smooth[part], np.nan)),
    )


def _numbers(values: Floats) -> tuple[float | None, ...]:
    return tuple(_number(value) for value in values.ravel().tolist())


def _farthest(values: Floats) -> float:
    return float(values[int(np.argmax(np.abs(values)))])


def _finding(own: Finding, ts: float, block: float) -> ShadowFinding:
    return ShadowFinding(
        cause=own.cause,
        target=own.place,
        relation=own.relation,
        unit=own.unit,
        expected=_number(own.expected),
        measured=_number(own.measured),
        residual=_number(own.residual) or 0.0,
        sigmas=_number(own.sigmas) or 0.0,
        drift=_number(own.ratio) or 0.0,
        since=max(ts - own.blocks * block, 0.0),
        text=own.text[:300],
    )


def _number(value: float) -> float | None:
    """Return a number as it travels: finite, and to five digits."""
    return float(f"{value:.5g}") if np.isfinite(value) and abs(value) < _MOST else None


_MOST = 1e15
