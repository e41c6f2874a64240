"""The table of causes: which deviations each leaves, and the sentence that names it.

A cause is told from others by redundancy: a cold plate that conducts less warms die and memory
alike, a die sensor that reads too much leaves the memory too cool for it, a power sensor that reads
too little makes the server draw too much as well. Of all causes the one counts whose signs agree
best with what relations of the same place show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from twin.catalog import CDU, GPU, PSU, PUMP, SERVER, DeviceClass
from twin.shadow.calibration import Watch
from twin.site import Layout, address_of
from twin.wire import ShadowUnit

__all__ = ["CAUSES", "Culprit", "DeviationCause", "Finding", "findings"]

_MOST_FINDINGS = 500
"""Findings that are told at a time; the strongest first."""
_MOST_ALARMS = 2_000
"""Devices in alarm of which the causes are looked for."""

Sign = tuple[str, str, int]
"""Relation, its part (``own`` or ``common``), and the sign of the deviation."""


@dataclass(frozen=True, slots=True)
class DeviationCause:
    """A cause of deviations.

    Attributes:
        name: of the cause, a label of its series.
        device: class of the culprit; a coolant unit stands for its rack.
        signs: deviations that it leaves; the first is the one that it is measured by.
        text: sentence about it; takes place, change in percent, residual, unit, direction.
        mirrored: whether all signs may be the other way round too.
    """

    name: str
    device: DeviceClass
    signs: tuple[Sign, ...]
    text: str
    mirrored: bool = False


_KELVIN = "{residual:.1f} K {direction} expected"
_DIE_SENSOR = (
    "temperature sensor of {place} is wrong: it reads " + _KELVIN + ", and the memory does not "
    "follow"
)
_POWER_SENSOR = (
    "power sensor of {place} is wrong: for its reading the GPU is " + _KELVIN + ", and its server "
    "draws more or less power alike"
)
_TOO_COOL = "temperature or power sensor of {place} is wrong: the GPU reads " + _KELVIN
CAUSES = (
    DeviationCause("cold_plate", GPU, (("gpu_temperature", "own", 1),),
          "cold plate of {place} conducts {less:.0f} % less than when calibrated; the GPU is "
          + _KELVIN),
    DeviationCause("gpu_temperature_sensor", GPU,
          (("gpu_temperature", "own", 1), ("memory_temperature", "own", -1)),
          _DIE_SENSOR, mirrored=True),
    DeviationCause("heat_sink", GPU, (("gpu_temperature_in_air", "own", 1),),
          "heat sink of {place} conducts {less:.0f} % less than when calibrated; the GPU is "
          + _KELVIN),
    DeviationCause("gpu_temperature_sensor", GPU,
          (("gpu_temperature_in_air", "own", 1), ("memory_temperature", "own", -1)),
          _DIE_SENSOR, mirrored=True),
    DeviationCause("gpu_power_sensor", GPU,
          (("gpu_temperature_in_air", "own", 1), ("host_load", "own", 1)),
          _POWER_SENSOR, mirrored=True),
    DeviationCause("gpu_too_cool", GPU, (("gpu_temperature_in_air", "own", -1),), _TOO_COOL),
    DeviationCause("air_to_heat_sinks", SERVER, (("gpu_temperature_in_air", "common", 1),),
          "air reaches the heat sinks of {place} less than its fans tell: all its GPUs are "
          + _KELVIN),
    DeviationCause("air_filter", SERVER,
          (("gpu_temperature_in_air", "common", 1), ("outlet_temperature", "own", 1)),
          "less air goes through {place} than its fans tell, or its inlet sensor reads too little: "
          "GPUs and outlet are warmer, " + _KELVIN),
    DeviationCause("inlet_temperature_sensor", SERVER,
          (("gpu_temperature_in_air", "common", -1), ("outlet_temperature", "own", -1)),
          "inlet temperature sensor of {place} is wrong: for its reading GPUs and outlet are cool, "
          + _KELVIN),
    DeviationCause("server_sensors", SERVER, (("gpu_temperature_in_air", "common", -1),),
          "a sensor that all GPUs of {place} share is wrong: they read " + _KELVIN),
    DeviationCause("outlet_temperature_sensor", SERVER, (("outlet_temperature", "own", 1),),
          "outlet temperature sensor of {place} is wrong: it reads " + _KELVIN, mirrored=True),
    DeviationCause("gpu_power_sensor", GPU,
          (("gpu_temperature", "own", 1), ("host_load", "own", 1)),
          _POWER_SENSOR, mirrored=True),
    DeviationCause("memory_contact", GPU, (("memory_temperature", "own", 1),),
          "memory of {place} has less contact than when calibrated: " + _KELVIN + " for its die"),
    DeviationCause("memory_temperature_sensor", GPU, (("memory_temperature", "own", -1),),
          "memory temperature sensor of {place} is wrong: it reads " + _KELVIN + " for its die"),
    DeviationCause("gpu_too_cool", GPU, (("gpu_temperature", "own", -1),), _TOO_COOL),
    DeviationCause("supply_temperature_sensor", CDU,
          (("return_temperature", "own", -1), ("gpu_temperature", "common", -1)),
          "supply temperature sensor of {place} is wrong: the coolant returns " + _KELVIN
          + ", and all GPUs deviate alike", mirrored=True),
    DeviationCause("flow_meter", CDU,
          (("coolant_flow", "own", 1), ("return_temperature", "own", 1),
           ("gpu_temperature", "common", 1)),
          "flow meter of {place} is wrong: it reads {percent:.0f} % {more} than the pumps give",
          mirrored=True),
    DeviationCause("flow_meter", CDU,
          (("coolant_flow", "own", 1), ("return_temperature", "own", 1)),
          "flow meter of {place} is wrong: it reads {percent:.0f} % {more} than the pumps give",
          mirrored=True),
    DeviationCause("flow_meter", CDU, (("coolant_flow", "own", 1),),
          "flow meter of {place} is wrong: it reads {percent:.0f} % {more} than the pumps give",
          mirrored=True),
    DeviationCause("return_temperature_sensor", CDU, (("return_temperature", "own", 1),),
          "return temperature sensor of {place} is wrong, or heat is missing: it reads " + _KELVIN,
          mirrored=True),
    DeviationCause("coolant_to_plates", CDU, (("gpu_temperature", "common", 1),),
          "coolant reaches the cold plates of {place} less than when calibrated: all its GPUs are "
          + _KELVIN),
    DeviationCause("coolant_to_plates", CDU,
          (("gpu_temperature", "common", 1), ("return_temperature", "own", -1)),
          "coolant passes the cold plates of {place} by: all its GPUs are " + _KELVIN),
    DeviationCause("rack_sensors", CDU, (("gpu_temperature", "common", -1),),
          "a sensor that all GPUs of {place} share is wrong: they read " + _KELVIN),
    DeviationCause("rack_memory", CDU, (("memory_temperature", "common", 1),),
          "memories of {place} are all " + _KELVIN + " for their dies: what they do has changed",
          mirrored=True),
    DeviationCause("pump_wear", PUMP, (("pump_flow", "own", -1),),
          "pump {place} gives {percent:.0f} % less than its speed and head ask for: it is worn"),
    DeviationCause("pump_sensor", PUMP, (("pump_flow", "own", 1),),
          "flow or speed sensor of {place} is wrong: the pump gives {percent:.0f} % more than it "
          "can"),
    DeviationCause("pump_sensor", PUMP, (("pump_flow", "own", -1), ("coolant_flow", "own", 1)),
          "flow sensor of {place} is wrong: it reads {percent:.0f} % {more} than its speed and the "
          "flow meter of the rack ask for", mirrored=True),
    DeviationCause("loop_blocked", CDU, (("loop_pressure", "own", 1),),
          "loop of {place} resists {percent:.0f} % more than when calibrated: something blocks it"),
    DeviationCause("pressure_sensor", CDU, (("loop_pressure", "own", 1), ("pump_flow", "own", 1)),
          "differential pressure sensor of {place} is wrong: it reads {percent:.0f} % {more} than "
          "the pumps give", mirrored=True),
    DeviationCause("pressure_sensor", CDU, (("loop_pressure", "own", -1),),
          "differential pressure sensor of {place} is wrong, or its loop is bypassed: it reads "
          "{percent:.0f} % {more} than expected"),
    DeviationCause("filter_clogged", CDU, (("filter_pressure", "own", 1),),
          "filter of {place} resists {percent:.0f} % more than when calibrated: it clogs"),
    DeviationCause("filter_bypassed", CDU, (("filter_pressure", "own", -1),),
          "filter of {place} resists {percent:.0f} % less than when calibrated: it leaks, or its "
          "sensor is wrong"),
    DeviationCause("supply_loss", PSU, (("supply_input", "own", 1),),
          "power supply {place} loses {percent:.0f} % more than when calibrated: {residual:.0f} W"),
    DeviationCause("supply_sensor", PSU, (("supply_input", "own", -1),),
          "power sensors of supply {place} are wrong: it takes {residual:.0f} W {direction} "
          "expected"),
    DeviationCause("supply_sensor", PSU, (("supply_input", "own", 1), ("server_power", "own", -1)),
          "input power sensor of supply {place} is wrong: it reads {residual:.0f} W {direction} "
          "expected, and the server's meter does not", mirrored=True),
    DeviationCause("host_load", SERVER, (("host_load", "own", 1),),
          "server {place} draws {residual:.0f} W {direction} what its GPUs explain",
          mirrored=True),
    DeviationCause("server_meter", SERVER, (("server_power", "own", 1),),
          "power meter of {place} reads {residual:.0f} W {direction} the sum of its supplies",
          mirrored=True),
    DeviationCause("pdu_meter", CDU, (("pdu_power", "own", 1),),
          "PDU meters of {place} read {residual:.0f} W {direction} the sum of what hangs on them",
          mirrored=True),
)  # fmt: skip
"""All causes; of those that agree alike the first counts."""


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
        rack: index of its rack.
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
    relation: str
    unit: ShadowUnit
    expected: float
    measured: float
    residual: float
    sigmas: float
    ratio: float
    blocks: int
    text: str


def findings(layout: Layout, watches: Mapping[str, Watch]) -> list[Finding]:
    """Return what the detectors have found, each culprit and cause once, the strongest first."""
    found: dict[tuple[str, str], Finding] = {}
    for strength, relation, part, rack, device in nlargest(_MOST_ALARMS, _alarms(watches)):
        if len(found) >= _MOST_FINDINGS:
            break
        culprit = _culprit(layout, watches[relation], part, rack, device)
        own = _explain(layout, watches, relation, part, culprit, strength)
        found.setdefault((own.cause, own.place), own)
    return list(found.values())


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
    if kind is PUMP:
        return Culprit(rack, None, (kind.name, device))
    if kind is SERVER:
        return Culprit(rack, device, (kind.name, device))
    per_server = site.server.gpus if kind is GPU else site.server.psus
    return Culprit(rack, device // per_server, (kind.name, device))


def _explain(
    layout: Layout,
    watches: Mapping[str, Watch],
    relation: str,
    part: str,
    culprit: Culprit,
    strength: float,
) -> Finding:
    """Return the finding of an alarm, by the cause whose signs agree best."""
    seen = {
        (name, own): _seen(layout, watch, own, culprit)
        for name, watch in watches.items()
        for own in watch.parts
    }
    mine = (relation, part)
    sign = seen[mine][0] or _sign_of(watches[relation], part, seen[mine][1], culprit)
    seen[mine] = (sign, seen[mine][1])
    fits = (own for own in _fits(mine, sign) if all(s[:2] in seen for s in own[0].signs))
    best = max(fits, key=lambda own: _agreement(own[0], own[1], seen))
    cause = best[0]
    place = _place(layout, cause, culprit, seen)
    first = cause.signs[0][:2]
    if seen[first][0]:  # a cause is measured by its first sign, where that is seen
        relation, part = first
    watch, index = watches[relation], (culprit.rack, seen[relation, part][1])
    detector = watch.parts[part]
    residual, ratio = float(detector.shift[index]), float(detector.ratio[index])
    each = watch.shape[1] // detector.z.shape[1]
    last = culprit.rack, index[1] * each
    words = _words(residual, _relative(watch, part, index, residual, ratio))
    return Finding(
        cause=cause.name,
        place=place,
        rack=culprit.rack,
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


def _relative(
    watch: Watch, part: str, index: tuple[int, int], residual: float, ratio: float
) -> float:
    """Return the change of the parameter over its calibrated value."""
    gain = float(watch.gain[index]) if part == "own" else 0.0
    return ratio / max(1.0 + gain, 0.1) if np.isfinite(ratio) else np.sign(residual)


def _words(residual: float, change: float) -> dict[str, object]:
    return {
        "residual": abs(residual),
        "direction": "above" if residual > 0 else "below",
        "more": "more" if residual > 0 else "less",
        "percent": 100.0 * abs(change),
        "less": 100.0 * (1.0 - 1.0 / max(1.0 + change, 1e-3)),
    }


def _sign_of(watch: Watch, part: str, device: int, culprit: Culprit) -> int:
    return 1 if watch.parts[part].shift[culprit.rack, device] > 0 else -1


def _seen(layout: Layout, watch: Watch, part: str, culprit: Culprit) -> tuple[int, int]:
    """Return the sign that a relation shows at a place, and the device there that shows most."""
    detector, rack = watch.parts[part], culprit.rack
    devices = _devices(layout, watch, part, culprit)
    if not devices:
        return 0, 0
    smooth = detector.smooth[rack, devices.start : devices.stop]
    most = devices.start + int(np.argmax(np.abs(smooth)))
    return int(detector.evidence[rack, most]), most


def _devices(layout: Layout, watch: Watch, part: str, culprit: Culprit) -> range:
    """Return the devices of a relation that a place has something to do with."""
    kind, count = watch.relation.device, watch.parts[part].smooth.shape[1]
    if culprit.device is not None and part == "own" and culprit.device[0] == kind.name:
        return range(culprit.device[1], culprit.device[1] + 1)
    if part == "common" and watch.relation.shared is SERVER:
        kind = SERVER
    elif part == "common" or kind in (CDU, PUMP):
        # What a single server does cannot be told from the readings of its rack.
        return range(count) if culprit.server is None else range(0)
    if culprit.server is None:
        return range(0)
    each = count // max(layout.site.servers_per_rack, 1)
    return range(culprit.server * each, (culprit.server + 1) * each)


def _fits(mine: tuple[str, str], sign: int) -> Iterator[tuple[DeviationCause, int]]:
    """Yield the causes that leave this deviation, and whether with their signs turned."""
    for cause in CAUSES:
        for relation, part, own in cause.signs:
            if (relation, part) != mine:
                continue
            turned = 1 if own == sign else -1
            if turned == 1 or cause.mirrored:
                yield cause, turned


def _agreement(
    cause: DeviationCause, turned: int, seen: Mapping[tuple[str, str], tuple[int, int]]
) -> float:
    """Return how many signs agree, less those that do not."""
    wanted = {(relation, part): turned * own for relation, part, own in cause.signs}
    score = 0.0
    for place, (sign, _) in seen.items():
        asked = wanted.get(place, 0)
        if asked:
            score += 1.0 if sign == asked else -1.0
        elif sign:
            score -= 1.0
    return score


def _place(
    layout: Layout,
    cause: DeviationCause,
    culprit: Culprit,
    seen: Mapping[tuple[str, str], tuple[int, int]],
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
