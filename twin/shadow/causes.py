"""Findings: of each lasting deviation the cause that explains it best, and its culprit.

Of all causes of the table (:mod:`twin.shadow.cause_table`) the one counts whose signs agree best
with what relations of the same place show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from twin.catalog import CDU, GPU, SERVER, DeviceClass, UnitKind
from twin.shadow.calibration import Watch
from twin.shadow.cause_table import CAUSES, DeviationCause
from twin.shadow.job_functions import SLOWEST
from twin.shadow.relations import RELATIONS
from twin.site import Layout, address_of
from twin.wire import ShadowUnit

__all__ = ["Alarm", "Culprit", "Finding", "findings"]

_MOST_FINDINGS = 500
"""Findings that are told at a time; the strongest first."""
_MOST_ALARMS = 2_000
"""Devices in alarm of which the causes are looked for."""


_UNITS = {own.name: own.unit for own in RELATIONS}
Alarm = tuple[str, str, int, int]
"""Relation, its part, rack and device."""
Seen = tuple[int, int, int, float]
"""Sign of a deviation beyond chance and the model's error, the device that shows most, the sign
beyond chance alone, and the present deviation in units of the effect."""
_AS_TOLD = 1.5
"""What it counts that a deviation goes with the load as a cause has it: more than a name held."""
_AS_MUCH = 0.5
"""Share of the deviation that a cause is measured by, which another in its unit shows at least."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """A place of the site: a rack, and as far as it is told the devices in it."""

    rack: int
    server: int | None = None
    device: tuple[str, int] | None = None
    """Device class and index in the rack."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A lasting deviation and what explains it best.

    Attributes:
        cause: name of the cause.
        place: address of the culprit.
        rack: index of its rack, or of its unit where that is none.
        frame: kind of that unit.
        relation: by which it was found.
        unit: of expected, measured and residual.
        expected: mean of the last block, by the relation.
        measured: likewise.
        residual: mean deviation since it began, in units of the effect.
        sigmas: the same over the standard deviation of a block.
        ratio: change of the relation's parameter since calibration.
        blocks: since it began.
        text: one sentence.
    """

    cause: str
    place: str
    rack: int
    frame: UnitKind
    relation: str
    unit: ShadowUnit
    expected: float
    measured: float
    residual: float
    sigmas: float
    ratio: float
    blocks: int
    text: str


def findings(
    layout: Layout, watches: Mapping[str, Watch], before: Mapping[Alarm, str] | None = None
) -> tuple[list[Finding], dict[Alarm, str]]:
    """Return what the detectors have found, each culprit and cause once, the strongest first.

    A deviation that the cause of a stronger one leaves as well is not told beside it.

    Args:
        layout: the site.
        watches: each relation over its devices.
        before: causes that alarms had in the last block; they stay unless others agree better.

    Returns:
        The findings, and the cause of each alarm that was looked at.
    """
    held: dict[Alarm, str] = {}
    before = before or {}
    found: dict[tuple[str, str], Finding] = {}
    explained: dict[Alarm, str] = {}
    for strength, relation, part, rack, device in nlargest(_MOST_ALARMS, _alarms(watches)):
        if len(found) >= _MOST_FINDINGS:
            break
        alarm = relation, part, rack, device
        if alarm in explained:
            # It keeps to that cause, even if it is the stronger one in the next block.
            held[alarm] = explained[alarm]
            continue
        culprit = _culprit(layout, watches[relation], part, rack, device)
        held_cause = before.get(alarm)
        own, left = _explain(layout, watches, relation, part, culprit, strength, held_cause)
        explained |= dict.fromkeys(left, own.cause)
        held[alarm] = own.cause
        found.setdefault((own.cause, own.place), own)
    return list(found.values()), held


def _alarms(watches: Mapping[str, Watch]) -> Iterator[tuple[float, str, str, int, int]]:
    """Yield strength and place of every alarm.

    A device that deviates by less than its whole rack or server does is not told beside it.
    """
    for name, watch in watches.items():
        for part, detector in watch.parts.items():
            alarmed = detector.alarmed
            if part == "own" and watch.common is not None and watch.common.alarmed.any():
                each = watch.shape[1] // watch.common.z.shape[1]
                whole = np.where(watch.common.alarmed, np.abs(watch.common.shift), 0.0)
                alarmed = alarmed & (np.abs(detector.shift) > np.repeat(whole, each, axis=1))
            for rack, device in zip(*np.nonzero(alarmed), strict=True):
                sigmas = abs(detector.shift[rack, device] / detector.deviation[rack, device])
                yield float(sigmas), name, part, int(rack), int(device)


def _culprit(layout: Layout, watch: Watch, part: str, rack: int, device: int) -> Culprit:
    kind, site = watch.relation.device, layout.site
    if part == "common":
        kind = watch.relation.shared or CDU
    if kind is CDU:
        return Culprit(rack)
    if _of_rack(kind):
        return Culprit(rack, None, (kind.name, device))
    if kind is SERVER:
        return Culprit(rack, device, (kind.name, device))
    per_server = layout.per_unit(kind) // max(site.servers_per_rack, 1)
    return Culprit(rack, device // per_server, (kind.name, device))


def _of_rack(kind: DeviceClass) -> bool:
    """Return whether such a device stands in no server."""
    return kind is not SERVER and (kind.address is None or not kind.address.in_server)


def _explain(
    layout: Layout,
    watches: Mapping[str, Watch],
    relation: str,
    part: str,
    culprit: Culprit,
    strength: float,
    before: str | None,
) -> tuple[Finding, set[Alarm]]:
    """Return the finding of an alarm, by the cause whose signs agree best, and all it explains."""
    seen = {
        (name, own): _seen(layout, watch, own, culprit)
        for name, watch in watches.items()
        for own in watch.parts
    }
    mine = (relation, part)
    sign = seen[mine][0] or _sign_of(watches[relation], part, seen[mine][1], culprit)
    seen[mine] = (sign, seen[mine][1], sign, seen[mine][3])
    fits = [own for own in _fits(mine, sign) if all(s[:2] in seen for s in own[0].signs)]
    fits = [own for own in fits if _measured(own[0], own[1], seen)] or fits
    cause, turned = max(
        fits,
        key=lambda own: (
            _agreement(own[0], own[1], seen)
            + _manner(own[0], watches, (culprit.rack, seen[own[0].signs[0][:2]][1]))
            + (own[0].name == before)
        ),
    )
    explained = {
        (name, own, culprit.rack, seen[name, own][1])
        for name, own, asked in cause.leaves
        if turned * asked in (seen[name, own][0], seen[name, own][2])
    }
    place = _place(layout, cause, culprit, seen)
    first = cause.signs[0][:2]
    if (
        seen[first][0] or seen[first][2]
    ):  # a cause is measured by its first sign, where that is seen
        relation, part = first
    watch, index = watches[relation], (culprit.rack, seen[relation, part][1])
    detector = watch.parts[part]
    residual, ratio = float(detector.shift[index]), float(detector.ratio[index])
    if cause.follows:
        ratio = float(detector.course.slope[index])
    each = watch.shape[1] // detector.z.shape[1]
    last = culprit.rack, index[1] * each
    words = _words(residual, _relative(watch, part, index, residual, ratio))
    words["slowest"] = _slowest(layout, watch, culprit.rack)
    found = Finding(
        cause=cause.name,
        place=place,
        rack=culprit.rack,
        frame=watch.relation.frame,
        relation=relation,
        unit=watch.relation.unit,
        expected=float(watch.expected[last]),
        measured=float(watch.measured[last]),
        residual=residual,
        sigmas=strength,
        ratio=ratio,
        blocks=int(detector.blocks[index]),
        text=cause.text.format(place=place, **words),
    )
    return found, explained


def _relative(
    watch: Watch, part: str, index: tuple[int, int], residual: float, ratio: float
) -> float:
    """Return the change of the parameter over its calibrated value."""
    gain = float(watch.gain[index]) if part == "own" else 0.0
    return ratio / max(1.0 + gain, 0.1) if np.isfinite(ratio) else np.sign(residual)


def _slowest(layout: Layout, watch: Watch, job: int) -> str:
    """Return the address of the GPU that paces a job; of other relations nothing."""
    paced = watch.memory.get(SLOWEST)
    if paced is None:
        return ""
    rack, gpu = divmod(int(paced[job, 0]), layout.per_unit(GPU))
    return address_of(layout, GPU, rack, gpu)


def _words(residual: float, change: float) -> dict[str, object]:
    return {
        "residual": abs(residual),
        "direction": "above" if residual > 0 else "below",
        "more": "more" if residual > 0 else "less",
        "percent": 100.0 * abs(change),
        "points": 100.0 * abs(residual),
        "millivolts": 1000.0 * abs(residual),
        "less": 100.0 * (1.0 - 1.0 / max(1.0 + change, 1e-3)),
    }


def _sign_of(watch: Watch, part: str, device: int, culprit: Culprit) -> int:
    return 1 if watch.parts[part].shift[culprit.rack, device] > 0 else -1


def _seen(layout: Layout, watch: Watch, part: str, culprit: Culprit) -> Seen:
    """Return what a relation shows at a place."""
    detector, rack = watch.parts[part], culprit.rack
    devices = _devices(layout, watch, part, culprit)
    if not devices:
        return 0, 0, 0, 0.0
    smooth = detector.smooth[rack, devices.start : devices.stop]
    most = devices.start + int(np.argmax(np.abs(smooth)))
    amount = float(detector.present[rack, most])
    return int(detector.evidence[rack, most]), most, int(detector.hint[rack, most]), amount


def _devices(layout: Layout, watch: Watch, part: str, culprit: Culprit) -> range:
    """Return the devices of a relation that a place has something to do with."""
    kind, count = watch.relation.device, watch.parts[part].smooth.shape[1]
    if culprit.device is not None and part == "own" and culprit.device[0] == kind.name:
        return range(culprit.device[1], culprit.device[1] + 1)
    if part == "common" and watch.relation.shared is SERVER:
        kind = SERVER
    elif part == "common" or _of_rack(kind):
        # What a single server does cannot be told from the readings of its rack.
        return range(count) if culprit.server is None else range(0)
    if culprit.server is None:
        return range(0)
    each = count // max(layout.site.servers_per_rack, 1)
    return range(culprit.server * each, (culprit.server + 1) * each)


def _fits(mine: tuple[str, str], sign: int) -> Iterator[tuple[DeviationCause, int]]:
    """Yield the causes that leave this deviation, and whether with their signs turned."""
    for cause in CAUSES:
        for relation, part, own in cause.leaves:
            if (relation, part) != mine:
                continue
            turned = 1 if own == sign else -1
            if turned == 1 or cause.mirrored:
                yield cause, turned


def _measured(cause: DeviationCause, turned: int, seen: Mapping[tuple[str, str], Seen]) -> bool:
    """Return whether the deviation that a cause is measured by is there."""
    relation, part, asked = cause.signs[0]
    sign, _, hint, _ = seen[relation, part]
    return turned * asked in (sign, hint)


def _agreement(cause: DeviationCause, turned: int, seen: Mapping[tuple[str, str], Seen]) -> float:
    """Return how many signs agree, less those that do not."""
    wanted = {(relation, part): turned * own for relation, part, own in cause.leaves}
    due = {sign[:2] for sign in cause.signs}
    score = 0.0
    first = cause.signs[0][:2]
    least = _AS_MUCH * abs(seen[first][3]) if seen[first][2] else np.inf
    for place, (sign, _, hint, amount) in seen.items():
        asked = wanted.get(place, 0)
        if asked:
            comparable = _UNITS[place[0]] == _UNITS[first[0]]
            large = comparable and asked * amount >= least
            if large or (asked in (sign, hint) and not (cause.alike and comparable)):
                score += 1.0
            elif sign or place in due:
                score -= 1.0
        elif sign:
            score -= 1.0
    return score


def _manner(cause: DeviationCause, watches: Mapping[str, Watch], device: tuple[int, int]) -> float:
    """Return whether the first sign goes with the load as the cause has it, 0 for no matter."""
    if cause.follows is None:
        return 0.0
    relation, part, _ = cause.signs[0]
    follows = watches[relation].parts[part].course.follows[device]
    return 0.0 if np.isnan(follows) else _AS_TOLD if follows == cause.follows else -_AS_TOLD


def _place(
    layout: Layout,
    cause: DeviationCause,
    culprit: Culprit,
    seen: Mapping[tuple[str, str], Seen],
) -> str:
    """Return the address of the culprit that a cause blames."""
    kind = cause.device
    if kind is CDU:
        return address_of(layout, CDU, culprit.rack, 0)
    if culprit.device is not None and culprit.device[0] == kind.name:
        return address_of(layout, kind, culprit.rack, culprit.device[1])
    if kind is SERVER and culprit.server is not None:
        return address_of(layout, SERVER, culprit.rack, culprit.server)
    # The relation that the cause is measured by tells which of several devices it is.
    relation, part, _ = cause.signs[0]
    return address_of(layout, kind, culprit.rack, seen[relation, part][1])
