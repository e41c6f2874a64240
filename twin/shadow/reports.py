"""Reports of the observer: a message an array."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from twin.catalog import UnitKind
from twin.plant.units import Floats
from twin.shadow.calibration import Watch
from twin.shadow.causes import Finding
from twin.shadow.core import ShadowCore
from twin.wire import (
    MOST_FINDINGS,
    OutboundMessage,
    ShadowFinding,
    ShadowRelation,
    ShadowReport,
)

__all__ = ["reports"]


def reports(core: ShadowCore) -> Iterator[OutboundMessage]:
    """Yield what the observer says of each array after a block of time has ended."""
    layout, found = core.layout, defaultdict[int, list[Finding]](list)
    for own in core.findings:
        found[layout.array_of(own.rack)].append(own)
    ts = max(core.block_end, 0.0)
    for array in range(layout.site.arrays):
        racks = layout.racks_of(array)
        part = slice(racks.start, racks.stop)
        report = ShadowReport(
            ts=ts,
            block=core.block,
            false_alarms=core.settings.false_alarms_a_week,
            limit=core.limit,
            relations=tuple(_relation(watch, part) for watch in core.watches.values()),
            findings=tuple(_finding(own, ts, core.block) for own in found[array][:MOST_FINDINGS]),
        )
        topic = core.topics.shadow(layout.unit_name(UnitKind.ARRAY, array))
        yield OutboundMessage(topic, report.encode())


def _relation(watch: Watch, part: slice) -> ShadowRelation:
    covered = watch.covered[part]
    z = watch.own.z[part]
    there = np.isfinite(z)
    residual = (watch.measured[part] - watch.expected[part])[covered]
    drift = watch.own.drift[part][watch.own.watching[part]]
    return ShadowRelation(
        relation=watch.relation.name,
        unit=watch.relation.unit,
        devices=int(watch.applies[part].sum()) * covered.shape[1],
        covered=int(covered.sum()),
        residual=_number(residual.mean()) if residual.size else None,
        sigmas=_number(np.sqrt((z[there] ** 2).mean())) if there.any() else None,
        drift=_number(_farthest(drift)) if drift.size else None,
    )


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
