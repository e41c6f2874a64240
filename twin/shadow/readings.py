"""Readings of all racks: the columns that relations use, and what the site file says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.catalog import DEVICES, MetricType, UnitKind, device_class
from twin.parameters import CoolingParameters, ServerParameters
from twin.plant.exchanger import Exchanger
from twin.plant.gpu import ModelValues
from twin.plant.heat_paths import PlateShares
from twin.plant.hydraulics import PumpCurve
from twin.plant.units import Floats
from twin.shadow.placement import JobPlacement
from twin.site import Layout
from twin.wire import Snapshot

__all__ = [
    "ENERGY",
    "LONGEST_GAP",
    "Moment",
    "Rounding",
    "SiteModel",
    "UnitReadings",
    "split",
    "step_of",
]

Flags = NDArray[np.bool_]
LONGEST_GAP = 90.0
"""Seconds without a frame after which what came before tells no more about the present."""
ENERGY = "gpu.energy"
"""Counter of the energy of a GPU, from which its mean power follows."""
_POWER, _MEAN_POWER = "gpu.power_usage", "gpu.mean_power"
_MOST_WATTS = 1e4
"""Power of a GPU that no model reaches: its counter has jumped."""
_WANDERS = 0.8
"""Deviation of a reading within a block, in steps, above which its mean is as good as unrounded:
one that goes to and fro between two steps has half a step at most."""


def split(name: str) -> tuple[str, str]:
    """Return device class and signal of a reading such as ``gpu.power_usage``."""
    device, _, signal = name.partition(".")
    return device, signal


def _rate_of(counter: str) -> str:
    """Return the name under which the rate of a counter is kept."""
    return f"{counter}/s"


def step_of(name: str) -> float:
    """Return the step in which a reading is shown, in its unit."""
    device, signal = split(name)
    return float(10.0 ** -device_class(device)[signal].decimals)


def _is_counter(name: str) -> bool:
    device, signal = split(name)
    return device_class(device)[signal].kind is MetricType.COUNTER


class Rounding:
    """What rounding may make of the mean of a reading over a block.

    A reading that wanders over its steps averages to what is measured; one that stands still may be
    wrong by half a step for as long as it does.

    Args:
        layout: the site.
        names: of the readings that are shown in coarse steps.
    """

    def __init__(self, layout: Layout, names: Iterable[str]) -> None:
        self._sums = {
            name: np.zeros((3, *layout.shape(device_class(split(name)[0])))) for name in names
        }

    def sample(self, moment: Moment) -> None:
        """Take in the readings of an instant."""
        for name, sums in self._sums.items():
            there = np.isfinite(moment[name])
            value = np.where(there, moment[name], 0.0)
            sums[0] += there
            sums[1] += value
            sums[2] += value * value

    def close(self) -> dict[str, Floats]:
        """End a block and return what rounding may make, by the name of the reading."""
        found: dict[str, Floats] = {}
        for name, own in self._sums.items():
            count, total, square = own
            count = np.maximum(count, 1.0)
            step, mean = step_of(name), total / count
            wanders = np.sqrt(np.maximum(square / count - mean**2, 0.0)) / (_WANDERS * step)
            found[name] = 0.5 * step * np.maximum(1.0 - wanders, 0.0)
            self._sums[name] = np.zeros_like(own)
        return found


@dataclass(frozen=True, slots=True)
class SiteModel:
    """Parameters of the site file, as the plant's functions take them.

    Attributes:
        layout: the site.
        gpu: of the GPU models, one for all or (racks, 1).
        server: of the servers.
        cooling: of the coolant units.
        curve: of the pumps.
        exchanger: of the coolant units, clean.
        shares: of the heat that coolant takes.
        liquid: racks that have a coolant unit, (racks, 1).
        jobs: which of them serve which job, as it is now.
    """

    layout: Layout
    gpu: ModelValues
    server: ServerParameters
    cooling: CoolingParameters
    curve: PumpCurve
    exchanger: Exchanger
    shares: PlateShares
    liquid: Flags
    jobs: JobPlacement

    @classmethod
    def of(cls, layout: Layout) -> SiteModel:
        """Return the model of a site."""
        site = layout.site
        return cls(
            layout=layout,
            gpu=ModelValues.of(layout),
            server=site.server,
            cooling=site.cooling,
            curve=PumpCurve.of(site.cooling),
            exchanger=Exchanger.of(site.cooling),
            shares=PlateShares.of(site),
            jobs=JobPlacement(layout),
            liquid=~np.array(site.air_racks, dtype=np.bool_)[:, None],
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """The readings of one instant; arrays are (racks, devices a rack).

    Attributes:
        model: of the site.
        values: of each reading, NaN where there is none.
        known: readings that a rack has ever given, (racks, 1).
        dt: seconds since the rack's last instant, NaN for the first, (racks, 1).
        ts: unix time of the rack's last frame, (racks, 1).
    """

    model: SiteModel
    values: Mapping[str, Floats]
    known: Mapping[str, Flags]
    dt: Floats
    ts: Floats = field(default_factory=lambda: np.zeros((1, 1)))

    def __getitem__(self, name: str) -> Floats:
        return self.values[name]

    def over(self, name: str, parts: int) -> Floats:
        """Return a reading summed over the devices of each of so many parts of a rack."""
        return self.sum_of(self.values[name], parts)

    def sum_of(self, values: Floats, parts: int) -> Floats:
        """Return values of the devices of a rack, summed over each of so many parts of it."""
        if values.shape[1] < parts:
            return np.full((values.shape[0], parts), np.nan)
        total: Floats = values.reshape(values.shape[0], parts, -1).sum(axis=2)
        return total

    def rate(self, counter: str) -> Floats:
        """Return what a counter rose by a second since the last instant; NaN where it is not told.

        Not where it began anew, or where its last frame is too old.
        """
        return self.values.get(_rate_of(counter), np.full_like(self.values[counter], np.nan))

    @property
    def mean_power(self) -> Floats:
        """Power of the GPUs since the last instant, by their counters of energy; else as read.

        A reading that is sampled meets some phases of a job's steps more often than others.
        """
        return self.values.get(_MEAN_POWER, self.values[_POWER])

    def assumed(self, name: str, usual: float) -> Floats:
        """Return a reading, or the usual value where a rack has never given it."""
        return np.where(self.known[name], self.values[name], usual)


class UnitReadings:
    """The last readings of every rack, or of every unit of another kind.

    Args:
        layout: the site.
        names: of the readings that relations use; those of other units are left out.
        kind: of the units.
    """

    def __init__(
        self, layout: Layout, names: Iterable[str], kind: UnitKind = UnitKind.RACK
    ) -> None:
        self.units = layout.units(kind)
        self.values: dict[str, Floats] = {}
        self._known: dict[str, Flags] = {}
        self._rows: dict[str, list[tuple[int, Floats, Flags]]] = {}
        travelling = {
            device.name: [own.name for own in layout.reported[device.name] if own.on_wire]
            for device in DEVICES
        }
        for name in sorted(set(names)):
            device, signal = split(name)
            if device_class(device).frame is not kind:
                continue
            shape = layout.shape(device_class(device))
            # A site without such devices has a reading that is never there.
            values = self.values[name] = np.full((self.units, max(shape[1], 1)), np.nan)
            known = self._known[name] = np.zeros((self.units, 1), dtype=np.bool_)
            if shape[1] and signal in travelling[device]:
                row = travelling[device].index(signal)
                self._rows.setdefault(device, []).append((row, values, known))
        self._counted: dict[str, Floats] = {
            name: np.full_like(values, np.nan)
            for name, values in self.values.items()
            if name != ENERGY and _is_counter(name)
        }
        self._energy: Floats | None = None
        if ENERGY in self.values:
            self._energy = np.full_like(self.values[ENERGY], np.nan)
        self.ts = np.full((self.units, 1), np.nan)
        self._last = self.ts.copy()
        self.pending = np.zeros(self.units, dtype=np.bool_)

    def take(self, rack: int, snapshot: Snapshot) -> None:
        """Take over a frame of a rack."""
        for device, rows in self._rows.items():
            group = snapshot.groups.get(device)
            for row, values, _ in rows:
                values[rack] = np.nan if group is None else group[row]
        self.ts[rack] = snapshot.ts
        self.pending[rack] = True

    def moment(self, model: SiteModel) -> Moment:
        """Return the readings since the last moment; those of racks without a frame are NaN."""
        silent = ~self.pending
        for rows in self._rows.values():
            for _, values, known in rows:
                if silent.any():
                    values[silent] = np.nan
                np.logical_or(known, np.isfinite(values).any(axis=1, keepdims=True), out=known)
        dt = np.where(self.pending[:, None], self.ts - self._last, np.nan)
        self._last[self.pending] = self.ts[self.pending]
        self._average(dt)
        self._count(dt)
        self.pending[:] = False
        return Moment(model, self.values, self._known, dt, self.ts)

    def _average(self, dt: Floats) -> None:
        """Work out the power of the GPUs since their last frame."""
        if self._energy is None:
            return
        energy, sampled = self.values[ENERGY], self.values[_POWER]
        mean = (energy - self._energy) * 1e-3 / dt
        told = (mean > 0.0) & (mean < _MOST_WATTS) & (dt <= LONGEST_GAP) & np.isfinite(sampled)
        self.values[_MEAN_POWER] = np.where(told, mean, sampled)
        self._energy[self.pending] = energy[self.pending]

    def _count(self, dt: Floats) -> None:
        """Work out what counters rose by a second since the last frame."""
        for name, before in self._counted.items():
            now = self.values[name]
            passed = now - before
            told = (passed >= 0.0) & (dt <= LONGEST_GAP)
            self.values[_rate_of(name)] = np.where(told, passed / dt, np.nan)
            before[self.pending] = now[self.pending]

    def forget(self, rack: int) -> None:
        """Begin a rack anew, as after its clock was set back."""
        self.ts[rack] = self._last[rack] = np.nan
        self.pending[rack] = False
