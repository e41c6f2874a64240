"""Readings of what stands in no rack: Megapacks, generators, feeds of the grid, the site's meters.

Relations of the site as a whole have one row. A reading of many units, also of all racks, is one
long row there: what each unit said last, as long as that is hardly older than its frames usually
are. A job's power changes from second to second, so an old reading would put the sum off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from twin.catalog import UnitKind, device_class
from twin.errors import FrameError
from twin.plant.units import Floats
from twin.shadow.readings import LONGEST_GAP, Moment, UnitReadings, split
from twin.site import Layout
from twin.wire import Decoder, Snapshot

__all__ = ["OLD_FRAMES", "SITE", "SiteUnits"]

SITE = UnitKind.GRID
"""Frames of the site's meters."""
OLD_FRAMES = 5
"""Frames of a unit in a row that are older than its last: its clock was set back."""
_MISSED = 2.5
"""Distances of a unit's last two frames after which its last one tells no more about the present:
one that is missed is bridged."""


class SiteUnits:
    """The last readings of all units that stand in no rack.

    Args:
        layout: the site.
        names: of the readings that relations of such units use, also those of racks.
    """

    def __init__(self, layout: Layout, names: Iterable[str]) -> None:
        self._layout = layout
        of_kind: dict[UnitKind, set[str]] = {}
        for name in sorted(names):
            of_kind.setdefault(device_class(split(name)[0]).frame, set()).add(name)
        self._racks = of_kind.pop(UnitKind.RACK, set[str]())
        self._readings = {
            kind: UnitReadings(layout, own, kind)
            for kind, own in of_kind.items()
            if layout.units(kind)
        }
        self._decoders = {kind: Decoder(layout, kind) for kind in self._readings}
        self._older = {kind: np.zeros(layout.units(kind), np.int64) for kind in self._readings}
        self._latest: dict[str, Floats] = {}
        self._at: dict[UnitKind, Floats] = {
            kind: np.full((layout.units(kind), 1), -np.inf)
            for kind in (UnitKind.RACK, *self._readings)
        }
        self._pace = {kind: np.full(at.shape, np.inf) for kind, at in self._at.items()}

    @property
    def kinds(self) -> tuple[UnitKind, ...]:
        """Kinds of units whose frames it reads."""
        return tuple(self._readings)

    def decode(self, kind: UnitKind, name: str, payload: bytes) -> tuple[int, Snapshot]:
        """Return the unit of a frame, and what it holds.

        Raises:
            FrameError: it is not valid, or the site has no such unit.
        """
        unit = self._layout.unit_index(kind, name)
        if unit is None or kind not in self._decoders:
            raise FrameError("foreign", f"the site has no {kind} {name[:64]!r}")
        return unit, self._decoders[kind].decode(payload)

    def take(self, kind: UnitKind, unit: int, snapshot: Snapshot) -> None:
        """Take in a frame.

        Raises:
            FrameError: it is older than the last of its unit, or the same again.
        """
        readings = self._readings[kind]
        older = snapshot.ts <= readings.ts[unit, 0]
        self._older[kind][unit] = (self._older[kind][unit] + 1) * older
        if older and self._older[kind][unit] < OLD_FRAMES:
            raise FrameError("stale", "older than the last")
        if older:
            readings.forget(unit)
        readings.take(unit, snapshot)

    def moments(self, racks: Moment, at: Floats) -> Iterator[tuple[UnitKind, Moment]]:
        """Yield the readings of each kind that has new frames, the site's meters as a whole.

        Args:
            racks: readings of the racks.
            at: unix time of each rack's last frame, (racks, 1).
        """
        if not self._readings:
            return
        self._keep(UnitKind.RACK, racks, self._racks, at)
        site: Moment | None = None
        for kind, readings in self._readings.items():
            if not readings.pending.any():
                continue
            fresh = readings.pending.copy()
            moment = readings.moment(racks.model)
            self._keep(kind, moment, readings.values, readings.ts)
            if kind is SITE:
                site = moment
            else:
                yield kind, self._beside_racks(moment, float(readings.ts[fresh].max()))
        if site is not None:
            yield SITE, Moment(racks.model, self._whole(), site.known, site.dt)

    def _beside_racks(self, moment: Moment, now: float) -> Moment:
        """Return the readings of some units with those of the racks, (racks, devices a rack)."""
        values = {name: self._known_at(name, now) for name in self._racks if name in self._latest}
        return replace(moment, values={**values, **moment.values})

    def _known_at(self, name: str, now: float) -> Floats:
        """Return the last readings of all units of a kind; NaN where they are too old."""
        kind = device_class(split(name)[0]).frame
        longest = np.minimum(_MISSED * self._pace[kind], LONGEST_GAP)
        return np.where(now - self._at[kind] > longest, np.nan, self._latest[name])

    def _keep(self, kind: UnitKind, moment: Moment, names: Iterable[str], at: Floats) -> None:
        fresh = np.zeros(at.shape, dtype=np.bool_)
        for name in names:
            values = moment[name]
            there = np.isfinite(values)
            before = self._latest.get(name)
            self._latest[name] = (
                values.copy() if before is None else np.where(there, values, before)
            )
            fresh |= there.any(axis=1, keepdims=True)
        passed = at - self._at[kind]
        self._pace[kind] = np.where(fresh & (passed > 0.0), passed, self._pace[kind])
        self._at[kind] = np.where(fresh, at, self._at[kind])

    def _whole(self) -> dict[str, Floats]:
        """Return each reading of all units in one row; NaN where it is too old."""
        now = float(self._at[SITE].max())
        return {name: self._known_at(name, now).reshape(1, -1) for name in self._latest}
