"""Detection of growing faults beside a hidden reality: the observer, thresholds and statistics.

Run: ``python benchmarks/shadow_detection.py [--save benchmarks/results/shadow.json] [--json]``.

A site of 32 racks has other parameters, noise and seed than its file says. Once it is calibrated,
ten healthy minutes count what is found wrongly. Then the set points of half of the racks are
changed for a quarter of an hour, as operators do. At last each fault begins in four sizes, one a
rack, all at once, and stays for an hour. Beside the observer the same readings are judged by the
limits of the shipped rules, and by a CUSUM on each series' own mean and deviation, at the same rate
of false alarms. Time is simulated, so the figures are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.bench.hidden_reality import KNOWN, HiddenReality
from twin.bench.script import parser, run
from twin.bench.shipped_limits import (
    COOLANT_APART,
    FILTER_CLOGGED,
    GPU_HOT,
    MEMORY_HOT,
    PUMP_WORN,
    THERMOMETER_OFF,
    LimitRule,
    ShippedLimits,
)
from twin.catalog import GPU, UnitKind
from twin.plant import Conditions
from twin.shadow.detection import Detector

_CALIBRATION, _HEALTHY, _TURNED, _BACK, _FAULTY = 1_350, 600, 900, 1_200, 3_600
_MORE_FLOW, _WARMER_KELVIN = 1.1, 1.0
"""Set points of half of the racks while they are changed: flow over the usual one, and how much
warmer coolant is supplied."""
_PROVING = 40
"""Blocks in which statistics learn mean and deviation: as many as the observer has."""
_SITE = KNOWN.replace("racks: 6", "racks: 32")
Columns = dict[str, NDArray[np.float64]]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Fault:
    """A kind of fault: where it is, what it does, and what else might see it.

    Attributes:
        name: of the kind.
        unit: of its sizes.
        sizes: one a rack.
        place: of the culprit in its rack.
        causes: that name it rightly.
        reading: whose own statistics would show it.
        device: index there.
        harm: changes the plant: conditions, rack, size.
        alter: changes the readings: columns, size.
        rules: the shipped ones that may see it.
    """

    name: str
    unit: str
    sizes: tuple[float, ...]
    place: str
    causes: tuple[str, ...]
    reading: str
    device: int
    harm: Callable[[Conditions, int, float], None] | None = None
    alter: Callable[[Columns, float], None] | None = None
    rules: tuple[LimitRule, ...] = ()


def _plate(conditions: Conditions, rack: int, percent: float) -> None:
    conditions.gpu_thermal_resistance[rack, 5] = 1.0 / (1.0 - percent / 100.0)


def _pump(conditions: Conditions, rack: int, percent: float) -> None:
    conditions.pump_head[rack, 1] = 1.0 - percent / 100.0


def _filter(conditions: Conditions, rack: int, percent: float) -> None:
    conditions.filter_resistance[rack] = 1.0 + percent / 100.0


def _exchanger(conditions: Conditions, rack: int, percent: float) -> None:
    conditions.exchanger_fouling[rack] = 1.0 + percent / 100.0


def _flow(columns: Columns, percent: float) -> None:
    columns["cdu.flow"] *= 1.0 - percent / 100.0


def _supply_sensor(columns: Columns, kelvin: float) -> None:
    columns["cdu.supply_temperature"] += kelvin


def _loss(columns: Columns, percent: float) -> None:
    """Let a supply lose more, as all meters from bottom to top see it."""
    lost = percent / 100.0 * columns["psu.output_power"][5]
    columns["psu.input_power"][5] += lost
    columns["server.power"][1] += lost
    columns["pdu.power"] += lost / columns["pdu.power"].size


def _power_sensor(columns: Columns, percent: float) -> None:
    columns["gpu.power_usage"][12] *= 1.0 - percent / 100.0


_FAULTS = (
    _Fault("cold plate conducts less", "%", (5.0, 10.0, 20.0, 30.0), "n1/gpu5", ("cold_plate",),
           "gpu.gpu_temp", 5, harm=_plate, rules=(GPU_HOT, MEMORY_HOT)),
    _Fault("pump has lost head", "%", (2.0, 5.0, 10.0, 20.0), "pump2", ("pump_wear",),
           "pump.flow", 1, harm=_pump, rules=(PUMP_WORN,)),
    _Fault("filter resists more", "%", (10.0, 20.0, 50.0, 100.0), "", ("filter_clogged",),
           "cdu.filter_pressure", 0, harm=_filter, rules=(FILTER_CLOGGED,)),
    _Fault("heat exchanger resists more", "%", (5.0, 10.0, 15.0, 30.0), "", ("heat_exchanger",),
           "cdu.supply_temperature", 0, harm=_exchanger, rules=(COOLANT_APART,)),
    _Fault("flow meter reads too little", "%", (2.0, 5.0, 10.0, 20.0), "", ("flow_meter",),
           "cdu.flow", 0, alter=_flow, rules=(THERMOMETER_OFF,)),
    _Fault("supply thermometer reads too much", "K", (0.5, 1.0, 2.0, 4.0), "",
           ("supply_temperature_sensor",), "cdu.supply_temperature", 0, alter=_supply_sensor,
           rules=(THERMOMETER_OFF, COOLANT_APART)),
    _Fault("power supply loses more, of its output", "%", (0.2, 0.5, 1.0, 2.0), "n2/psu2",
           ("supply_loss",), "psu.input_power", 5, alter=_loss),
    _Fault("power sensor of a GPU reads too little", "%", (5.0, 10.0, 15.0, 20.0), "n2/gpu4",
           ("gpu_power_sensor",), "gpu.power_usage", 12, alter=_power_sensor),
)  # fmt: skip


class _Statistics:
    """CUSUMs on the means of some readings over blocks, each less its own mean.

    Args:
        limit: of the CUSUMs.
        names: of the readings.

    Attributes:
        means: of the last block, by reading.
    """

    def __init__(self, limit: float, names: set[str]) -> None:
        self._limit = limit
        self._sums: dict[str, dict[int, NDArray[np.float64]]] = {name: {} for name in names}
        self._samples = 0
        self.means: dict[str, NDArray[np.float64]] = {}
        self._detectors: dict[str, Detector] = {}

    def add(self, rack: int, columns: Columns) -> None:
        """Take in the readings of a rack."""
        self._samples += rack == 0
        for name, sums in self._sums.items():
            sums[rack] = sums.get(rack, 0.0) + columns[name]

    def close(self) -> dict[str, Flags]:
        """End a block and return what is in alarm."""
        for name, sums in self._sums.items():
            mean = np.array([sums[rack] for rack in sorted(sums)]) / max(self._samples, 1)
            self.means[name] = mean
            detector = self._detectors.setdefault(name, Detector(mean.shape, _PROVING))
            floor = 1e-4 * np.abs(mean) + 1e-9
            detector.take(mean, np.ones_like(mean), floor, self._limit, 0.01)
            sums.clear()
        self._samples = 0
        return {name: own.alarmed.copy() for name, own in self._detectors.items()}


@dataclass
class _Trial:
    """One fault of one size in one rack, and when each method first saw it, in s.

    Attributes:
        shift: what it makes of the reading whose statistics would show it, of what it was, or in K.
        turned: what the change of set points made of it.
    """

    kind: _Fault
    size: float
    rack: int
    observer: float | None = None
    named: bool | None = None
    cause: str | None = None
    statistics: float | None = None
    shift: float = 0.0
    turned: float = 0.0

    def ruled(self, limits: ShippedLimits) -> float | None:
        """Return when the first of the shipped rules fired."""
        first = min((limits.fired[own.alert][self.rack] for own in self.kind.rules), default=np.inf)
        return float(first) if np.isfinite(first) else None

    def note(self, reality: HiddenReality, alarms: Mapping[str, Flags], since: float) -> None:
        """Take note of what the observer and the statistics say after a block of time."""
        name = reality.layout.unit_name(UnitKind.RACK, self.rack)
        own = [it for it in reality.shadow.findings if it.rack == self.rack]
        if own and self.observer is None:
            self.observer, self.cause = since, own[0].cause
            place = f"{name}/{self.kind.place}".rstrip("/")
            self.named = any(it.cause in self.kind.causes and it.place == place for it in own)
        if self.statistics is None and alarms[self.kind.reading][self.rack, self.kind.device]:
            self.statistics = since

    def moved(
        self, usual: Mapping[str, NDArray[np.float64]], now: Mapping[str, NDArray[np.float64]],
        racks: slice,
    ) -> float:  # fmt: skip
        """Return by how much its reading has moved in the middle of some racks."""
        reading, device = self.kind.reading, self.kind.device
        before, after = (own[reading][racks, device] for own in (usual, now))
        step = after - before
        return float(
            np.median(step if reading.endswith(("_temp", "_temperature")) else step / before)
        )


def measure() -> Mapping[str, Any]:
    """Return seconds to detection by fault, size and method, and what was found wrongly."""
    reality = HiddenReality(21, known=_SITE, more=("pump.vibration",))
    kinds = [(kind, size) for kind in _FAULTS for size in kind.sizes]
    course = _Course(reality, [_Trial(kind, size, rack) for rack, (kind, size) in enumerate(kinds)])
    instant = list[Columns]()
    for rack, snapshot in reality.frames(course.begins + _FAULTY):
        columns = reality.columns(snapshot)
        course.statistics.add(rack, columns)
        instant.append(columns)
        reality.shadow.take(rack, snapshot)
        if rack == reality.layout.site.racks - 1:
            course.advance({name: np.array([own[name] for own in instant]) for name in columns})
            instant.clear()
    return course.figures()


def _turn(conditions: Conditions) -> None:
    """Change the set points of every second rack."""
    conditions.coolant_flow_ratio[::2] = _MORE_FLOW
    conditions.coolant_supply_offset[::2] = _WARMER_KELVIN


class _Course:
    """The hours of the site, one after the other.

    Args:
        reality: the site and its observer.
        trials: of the faults.

    Attributes:
        statistics: beside the observer.
        begins: when the faults do, in s.
    """

    def __init__(self, reality: HiddenReality, trials: Sequence[_Trial]) -> None:
        self._reality, self._trials = reality, trials
        self.statistics = _Statistics(reality.shadow.limit, {own.reading for own in _FAULTS})
        self._limits = ShippedLimits(reality.layout.site.racks)
        self._interval = reality.layout.site.telemetry.interval_seconds
        self._turns = _CALIBRATION + _HEALTHY
        self.begins = self._turns + _TURNED + _BACK
        self._blocks = 0
        self._wrong = {"observer": 0, "statistics": 0}
        self._turned = {"observer": 0, "statistics": 0}
        self._usual: dict[str, NDArray[np.float64]] = {}

    def advance(self, columns: Columns) -> None:
        """Take in the readings of all racks at an instant."""
        reality, second = self._reality, self._reality.second
        since = second - self.begins
        if since > 0:
            self._limits.judge(columns, since, self._interval)
        if second == self._turns:
            reality.conditions = _turn
        elif second == self._turns + _TURNED:
            reality.conditions = None
        elif since == 0:
            _strike(reality, self._trials)
        if reality.shadow.blocks > self._blocks:
            self._blocks = reality.shadow.blocks
            self._judge(self.statistics.close(), second, since)

    def _judge(self, alarms: Mapping[str, Flags], second: int, since: float) -> None:
        """Take note of what a block of time shows."""
        means = dict(self.statistics.means)
        if _CALIBRATION < second <= self._turns:
            self._count(self._wrong, alarms)
            self._usual = means
        elif self._turns < second <= self._turns + _TURNED:
            self._count(self._turned, alarms)
            for own in self._trials:
                own.turned = own.moved(self._usual, means, slice(0, None, 2))
        for own in self._trials if since > 0 else ():
            own.note(self._reality, alarms, since)
            own.shift = own.moved(self._usual, means, slice(own.rack, own.rack + 1))

    def _count(self, most: dict[str, int], alarms: Mapping[str, Flags]) -> None:
        most["observer"] = max(most["observer"], len(self._reality.shadow.findings))
        found = sum(int(own.sum()) for own in alarms.values())
        most["statistics"] = max(most["statistics"], found)

    def figures(self) -> Mapping[str, Any]:
        """Return what all hours have shown."""
        layout = self._reality.layout
        return {
            "racks": layout.site.racks,
            "gpus": layout.site.racks * layout.per_unit(GPU),
            "interval_seconds": self._interval,
            "wrong": self._wrong,
            "turned": self._turned,
            "flow_percent": round(100.0 * (_MORE_FLOW - 1.0), 1),
            "kelvin": _WARMER_KELVIN,
            "trials": [
                {
                    "fault": own.kind.name, "unit": own.kind.unit, "size": own.size,
                    "observer": own.observer, "named": own.named, "cause": own.cause,
                    "rules": [rule.alert for rule in own.kind.rules],
                    "ruled": own.ruled(self._limits), "statistics": own.statistics,
                    "shift": float(f"{own.shift:.3g}"), "turned": float(f"{own.turned:.3g}"),
                }
                for own in self._trials
            ],
        }  # fmt: skip


def _strike(reality: HiddenReality, trials: Sequence[_Trial]) -> None:
    """Let all faults begin."""

    def harm(conditions: Conditions) -> None:
        for own in trials:
            if own.kind.harm is not None:
                own.kind.harm(conditions, own.rack, own.size)

    def alter(rack: int, columns: Columns) -> None:
        change = trials[rack].kind.alter if rack < len(trials) else None
        if change is not None:
            change(columns, trials[rack].size)

    reality.conditions, reality.alter = harm, alter


def _table(figures: Mapping[str, Any]) -> str:
    lines = [
        f"{'fault':42} {'size':>8} {'observer':>9} {'named':>6} {'rule':>6} {'statistics':>10}"
    ]
    for own in figures["trials"]:
        times = [own["observer"], own["ruled"], own["statistics"]]
        observer, rule, statistics = ("-" if time is None else f"{time:.0f} s" for time in times)
        lines.append(
            f"{own['fault']:42} {own['size']:6g} {own['unit']:1} {observer:>9} "
            f"{own['named'] or '':>6} {rule:>6} {statistics:>10}"
        )
    told = (f"found wrongly: {figures['wrong']}", f"as set points change: {figures['turned']}")
    return "\n".join([*lines, *told])


def main() -> None:
    """Print the times."""
    options = parser(__doc__).parse_args()
    run(options, measure, _table)


if __name__ == "__main__":
    main()
