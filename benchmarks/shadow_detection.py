"""Detection of growing faults beside a hidden reality: the observer, thresholds and statistics.

Run: ``python benchmarks/shadow_detection.py [--save benchmarks/results/shadow.json] [--json]``.

A site of 32 racks has other parameters, noise and seed than its file says. Once it is calibrated,
ten healthy minutes count what is found wrongly; then each fault begins in four sizes, one a rack,
all at once, and stays for an hour. Beside the observer the same readings are judged by the limits
of the shipped rules, and by a CUSUM on each series' own mean and deviation, at the same rate of
false alarms. Time is simulated, so the figures are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.alerts.thresholds import THRESHOLDS
from twin.bench.hidden_reality import KNOWN, HiddenReality
from twin.bench.script import parser, run
from twin.catalog import GPU, UnitKind
from twin.plant import Conditions
from twin.shadow.detection import Detector

_CALIBRATION, _HEALTHY, _FAULTY = 1_350, 600, 3_600
_PROVING = 40
"""Blocks in which statistics learn mean and deviation: as many as the observer has."""
_LIMITS = {own.name: own.value for own in THRESHOLDS}
_SITE = KNOWN.replace("racks: 6", "racks: 32")
Columns = dict[str, NDArray[np.float64]]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a shipped rule compares.

    Attributes:
        alert: its name.
        value: of a reading of all racks, (racks,).
        limit: name of its threshold.
        hold: seconds beyond it after which the rule fires, means over five minutes included.
        over: whether the limit is a multiple of the racks' median.
    """

    alert: str
    value: Callable[[Columns], NDArray[np.float64]]
    limit: str
    hold: float
    over: bool = False


def _heat_off(columns: Columns) -> NDArray[np.float64]:
    rise = columns["cdu.return_temperature"] - columns["cdu.supply_temperature"]
    heat = columns["cdu.flow"] * _LIMITS["coolant_heat_capacity"] / 60.0 * rise
    off: NDArray[np.float64] = np.abs(heat / columns["cdu.facility_heat"] - 1.0)[:, 0]
    return off


def _above_others(columns: Columns) -> NDArray[np.float64]:
    supply = columns["cdu.supply_temperature"][:, 0]
    above: NDArray[np.float64] = supply - np.median(supply)
    return above


def _shaking(columns: Columns) -> NDArray[np.float64]:
    normal: NDArray[np.float64] = columns["pump.vibration"] / columns["pump.speed_ratio"] ** 2
    most: NDArray[np.float64] = normal.max(axis=1)
    return most


_THERMOMETER = _Rule("CoolantThermometerOff", _heat_off, "heat_balance", 300.0)
_HOT = _Rule("GpuTooHot", lambda c: c["gpu.gpu_temp"].max(axis=1), "gpu_hot", 60.0)
_MEMORY = _Rule("GpuMemoryTooHot", lambda c: c["gpu.memory_temp"].max(axis=1), "gpu_memory_hot",
                60.0)  # fmt: skip
_CLOGGED = _Rule("CoolantFilterClogged", lambda c: c["cdu.filter_pressure"][:, 0],
                 "filter_pressure", 60.0)  # fmt: skip
_WORN = _Rule("CoolantPumpWorn", _shaking, "pump_vibration", 60.0, over=True)
_APART = _Rule("CoolantAboveOthers", _above_others, "coolant_above_others", 120.0)
_RULES = (_THERMOMETER, _HOT, _MEMORY, _CLOGGED, _WORN, _APART)


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
    rules: tuple[_Rule, ...] = ()


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
           "gpu.gpu_temp", 5, harm=_plate, rules=(_HOT, _MEMORY)),
    _Fault("pump has lost head", "%", (2.0, 5.0, 10.0, 20.0), "pump2", ("pump_wear",),
           "pump.flow", 1, harm=_pump, rules=(_WORN,)),
    _Fault("filter resists more", "%", (10.0, 20.0, 50.0, 100.0), "", ("filter_clogged",),
           "cdu.filter_pressure", 0, harm=_filter, rules=(_CLOGGED,)),
    _Fault("heat exchanger resists more", "%", (5.0, 10.0, 15.0, 30.0), "", ("heat_exchanger",),
           "cdu.supply_temperature", 0, harm=_exchanger, rules=(_APART,)),
    _Fault("flow meter reads too little", "%", (2.0, 5.0, 10.0, 20.0), "", ("flow_meter",),
           "cdu.flow", 0, alter=_flow, rules=(_THERMOMETER,)),
    _Fault("supply thermometer reads too much", "K", (0.5, 1.0, 2.0, 4.0), "",
           ("supply_temperature_sensor",), "cdu.supply_temperature", 0, alter=_supply_sensor,
           rules=(_THERMOMETER, _APART)),
    _Fault("power supply loses more, of its output", "%", (0.2, 0.5, 1.0, 2.0), "n2/psu2",
           ("supply_loss",), "psu.input_power", 5, alter=_loss),
    _Fault("power sensor of a GPU reads too little", "%", (5.0, 10.0, 15.0, 20.0), "n2/gpu4",
           ("gpu_power_sensor",), "gpu.power_usage", 12, alter=_power_sensor),
)  # fmt: skip


class _Limits:
    """Shipped rules over the readings of all racks.

    Attributes:
        fired: when each rule first fired on each rack, in s; infinite where it has not.
    """

    def __init__(self, racks: int) -> None:
        self.fired = {own.alert: np.full(racks, np.inf) for own in _RULES}
        self._beyond = {own.alert: np.zeros(racks) for own in _RULES}

    def judge(self, columns: Columns, since: float, interval: float) -> None:
        """Compare the readings of an instant."""
        for own in _RULES:
            value = own.value(columns)
            limit = _LIMITS[own.limit] * (np.median(value) if own.over else 1.0)
            beyond = np.where(value > limit, self._beyond[own.alert] + interval, 0.0)
            self._beyond[own.alert] = beyond
            first = self.fired[own.alert]
            first[:] = np.where((beyond > own.hold) & np.isinf(first), since, first)


class _Statistics:
    """CUSUMs on the means of some readings over blocks, each less its own mean.

    Args:
        limit: of the CUSUMs.
        names: of the readings.
    """

    def __init__(self, limit: float, names: set[str]) -> None:
        self._limit = limit
        self._sums: dict[str, dict[int, NDArray[np.float64]]] = {name: {} for name in names}
        self._samples = 0
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
            detector = self._detectors.setdefault(name, Detector(mean.shape, _PROVING))
            floor = 1e-4 * np.abs(mean) + 1e-9
            detector.take(mean, np.ones_like(mean), floor, self._limit, 0.01)
            sums.clear()
        self._samples = 0
        return {name: own.alarmed.copy() for name, own in self._detectors.items()}


@dataclass
class _Trial:
    """One fault of one size in one rack, and when each method first saw it, in s."""

    kind: _Fault
    size: float
    rack: int
    observer: float | None = None
    named: bool | None = None
    statistics: float | None = None

    def ruled(self, limits: _Limits) -> float | None:
        """Return when the first of the shipped rules fired."""
        first = min((limits.fired[own.alert][self.rack] for own in self.kind.rules), default=np.inf)
        return float(first) if np.isfinite(first) else None

    def note(self, reality: HiddenReality, alarms: Mapping[str, Flags], since: float) -> None:
        """Take note of what the observer and the statistics say after a block of time."""
        name = reality.layout.unit_name(UnitKind.RACK, self.rack)
        own = [it for it in reality.shadow.findings if it.rack == self.rack]
        if own and self.observer is None:
            self.observer = since
            place = f"{name}/{self.kind.place}".rstrip("/")
            self.named = any(it.cause in self.kind.causes and it.place == place for it in own)
        if self.statistics is None and alarms[self.kind.reading][self.rack, self.kind.device]:
            self.statistics = since


def measure() -> Mapping[str, Any]:
    """Return seconds to detection by fault, size and method, and what was found wrongly."""
    reality = HiddenReality(21, known=_SITE, more=("pump.vibration",))
    kinds = [(kind, size) for kind in _FAULTS for size in kind.sizes]
    trials = [_Trial(kind, size, rack) for rack, (kind, size) in enumerate(kinds)]
    statistics = _Statistics(reality.shadow.limit, {own.reading for own in _FAULTS})
    wrong = {"observer": 0, "statistics": 0}
    begins, interval = _CALIBRATION + _HEALTHY, reality.layout.site.telemetry.interval_seconds
    limits, instant = _Limits(reality.layout.site.racks), list[Columns]()
    last, blocks = reality.layout.site.racks - 1, 0
    for rack, snapshot in reality.frames(begins + _FAULTY):
        columns, since = reality.columns(snapshot), reality.second - begins
        statistics.add(rack, columns)
        instant.append(columns)
        reality.shadow.take(rack, snapshot)
        if rack != last:
            continue
        if since > 0:
            together = {name: np.array([own[name] for own in instant]) for name in columns}
            limits.judge(together, since, interval)
        instant.clear()
        if since == 0:
            _strike(reality, trials)
        if reality.shadow.blocks == blocks:
            continue
        blocks = reality.shadow.blocks
        alarms = statistics.close()
        if _CALIBRATION < reality.second <= begins:
            wrong["observer"] = max(wrong["observer"], len(reality.shadow.findings))
            wrong["statistics"] = max(
                wrong["statistics"], sum(int(own.sum()) for own in alarms.values())
            )
        for trial in trials if since > 0 else ():
            trial.note(reality, alarms, since)
    return {
        "racks": reality.layout.site.racks,
        "gpus": reality.layout.site.racks * reality.layout.per_unit(GPU),
        "interval_seconds": interval,
        "wrong": wrong,
        "trials": [
            {
                "fault": own.kind.name, "unit": own.kind.unit, "size": own.size,
                "observer": own.observer, "named": own.named,
                "rules": [rule.alert for rule in own.kind.rules], "ruled": own.ruled(limits),
                "statistics": own.statistics,
            }
            for own in trials
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
    return "\n".join([*lines, f"found wrongly: {figures['wrong']}"])


def main() -> None:
    """Print the times."""
    options = parser(__doc__).parse_args()
    run(options, measure, _table)


if __name__ == "__main__":
    main()
