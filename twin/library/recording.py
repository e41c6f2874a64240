"""Recordings: the values of chosen signals, sample after sample, as every frame rounds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.catalog import DeviceClass, Signal, UnitKind
from twin.errors import ConfigError
from twin.library.axes import device_of, signal_of
from twin.site import Layout
from twin.wire.schema import ColumnGroup, Outputs

__all__ = ["SampleStore", "chosen_signals"]

Values = NDArray[np.floating[Any]]
Chosen = Mapping[str, tuple[Signal, ...]]

_MOST_BYTES = 4 * 2**30
_SINGLE = 2.0**24
"""Up to here a float32 is every whole number."""


def chosen_signals(layout: Layout, record: Iterable[str] | None) -> Chosen:
    """Return the signals that are recorded, by device class.

    Args:
        layout: the site.
        record: ``gpu`` for a class, ``gpu.power_usage`` for a signal; None for all there is.

    Raises:
        ConfigError: there is no such class or signal.
    """
    if record is None:
        record = [own.name for own in layout.devices if layout.units(own.frame)]
    elif isinstance(record, str):
        record = [record]
    chosen: dict[str, dict[str, Signal]] = {}
    for entry in record:
        name, _, signal = entry.partition(".")
        device = device_of(layout, name)
        wanted = [signal_of(layout, device, signal)] if signal else layout.reported[name]
        # Of a sum the parts travel, and of a constant the first signal tells who reports.
        parts = [device[part] for own in wanted for part in own.sum_of]
        anchor = next(own for own in layout.reported[name] if own.on_wire)
        travelling = (own for own in (anchor, *wanted, *parts) if own.on_wire)
        chosen.setdefault(name, {}).update({own.name: own for own in travelling})
    return {name: tuple(signals.values()) for name, signals in chosen.items()}


class SampleStore:
    """The samples of a run.

    Args:
        layout: the site.
        chosen: the signals.
        samples: how many there will be.

    Attributes:
        chosen: the signals.
        times: seconds after the start of each sample so far.

    Raises:
        ConfigError: so many samples would take too much memory.
    """

    def __init__(self, layout: Layout, chosen: Chosen, samples: int) -> None:
        self._layout = layout
        self.chosen = chosen
        self._devices = {device.name: device for device in layout.devices}
        self._groups = {
            name: ColumnGroup(name, signals, layout.per_unit(self._devices[name]), 0)
            for name, signals in chosen.items()
        }
        self._check(samples)
        self._values: dict[tuple[str, str], Values] = {
            (name, signal.name): np.empty((samples, *self._shape(name)), _dtype(signal))
            for name, signals in chosen.items()
            for signal in signals
        }
        self._times = np.empty(samples)
        self._count = 0

    def device(self, name: str) -> DeviceClass:
        """Return a recorded device class."""
        return self._devices[name]

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds after the start of each sample so far."""
        return self._times[: self._count]

    def values(self, device: str, signal: str) -> Values:
        """Return the samples of a signal: (samples, units, devices a unit)."""
        return self._values[device, signal][: self._count]

    def take(self, outputs: Outputs, silent: NDArray[np.bool_], now: float) -> None:
        """Keep a sample.

        Args:
            outputs: of the plant.
            silent: racks whose telemetry did not arrive, (racks,).
            now: seconds after the start.
        """
        place = self._count
        for name, group in self._groups.items():
            values = group.rounded(outputs[name])
            if silent.any() and self._devices[name].frame is UnitKind.RACK:
                values[:, silent] = np.nan
            for signal, column in zip(group.signals, values, strict=True):
                self._values[name, signal.name][place] = column
        self._times[place] = now
        self._count += 1

    def _shape(self, name: str) -> tuple[int, int]:
        return self._layout.shape(self._devices[name])

    def _check(self, samples: int) -> None:
        size = samples * sum(
            np.dtype(_dtype(signal)).itemsize * int(np.prod(self._shape(name)))
            for name, signals in self.chosen.items()
            for signal in signals
        )
        if size > _MOST_BYTES:
            raise ConfigError(
                f"{samples:,} samples of all that is recorded take {size / 2**30:.1f} GiB of "
                "memory, and 4 are the most; record fewer signals (record=), or less often (every=)"
            )


def _dtype(signal: Signal) -> type[np.floating[Any]]:
    """Return the smaller type that holds every value of a signal at its resolution."""
    if signal.high is None:
        return np.float64
    most = max(abs(signal.high), abs(signal.low or 0.0)) * 10.0**signal.decimals
    return np.float32 if most < _SINGLE else np.float64
