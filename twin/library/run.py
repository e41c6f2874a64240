"""A run that has ended: its samples as labelled arrays and tables, its events, its figures."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from twin.catalog import DeviceClass, Signal
from twin.errors import ConfigError, not_installed
from twin.library.axes import DeviceAxes, axes_of, device_of, signal_of
from twin.library.events import RunEvent
from twin.library.recording import SampleStore, Values
from twin.library.summary import RunSummary
from twin.parameters.site import Site
from twin.site import Layout

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["FinishedRun", "library_module", "table_library"]

_TABLES = ("pandas", "polars")
_DOWN = ("absent", "nan")


def library_module(name: str) -> Any:
    """Return a library that is not installed with the twin.

    Raises:
        ConfigError: it is not there.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise not_installed("this", name) from None


class FinishedRun:
    """What :func:`twin.simulate` returns.

    Attributes:
        site: that was simulated.
        events: what happened, in order of time.
        summary: figures of the whole run.
        start: simulated unix time of its start.
    """

    def __init__(
        self,
        layout: Layout,
        recording: SampleStore,
        events: tuple[RunEvent, ...],
        summary: RunSummary,
        start: float,
    ) -> None:
        self._layout = layout
        self._recording = recording
        self.site: Site = layout.site
        self.events = events
        self.summary = summary
        self.start = start

    def __repr__(self) -> str:
        samples = self._recording.times.size
        classes = ", ".join(self._recording.chosen)
        return (
            f"<run of {self.site.name}: {self.summary.seconds:g} s, {samples} samples of {classes}>"
        )

    def signals(self, device: str) -> tuple[str, ...]:
        """Return the signals of a device class that were recorded.

        Raises:
            ConfigError: there is no such class on the site, or it was not recorded.
        """
        return tuple(signal.name for signal in self._recorded(self._device(device)))

    def __getitem__(self, key: tuple[str, str]) -> DataArray:
        """Return a signal as an array over time and devices, NaN where a device is down.

        Args:
            key: device class, and signal or metric name.

        Raises:
            ConfigError: there is no such signal, it was not recorded, or xarray is not installed.
        """
        name, wanted = _pair(key)
        device = self._device(name)
        signal = signal_of(self._layout, device, wanted)
        axes = self._axes(device)
        coordinates: dict[str, Any] = {
            "time": (
                "time",
                self._recording.times,
                {"units": "s", "long_name": "time after the start"},
            ),
            "timestamp": ("time", self._timestamps),
            **axes.names,
            **axes.beside,
        }
        array: DataArray = library_module("xarray").DataArray(
            self._values(device, signal).reshape(-1, *axes.shape),
            dims=("time", *axes.dims),
            coords=coordinates,
            name=signal.metric,
            attrs=_attributes(device, signal),
        )
        return array

    def reporting(self, device: str) -> DataArray:
        """Return which devices of a class reported at each sample.

        Raises:
            ConfigError: there is no such class on the site, or it was not recorded.
        """
        own = self._device(device)
        anchor = self._recorded(own)[0]
        values = self[device, anchor.name].notnull()
        values.name, values.attrs = f"{device} reporting", {"device": device}
        return values

    def sum(
        self, device: str, signal: str, over: str | None = None, down: str | None = None
    ) -> DataArray:
        """Return the sum of a signal over devices, where a device that is down is never a silent 0.

        Args:
            device: device class.
            signal: of it.
            over: dimension that is summed; None for all but time.
            down: ``nan``: no sum where any is down; ``absent``: the sum of the others, none where
                all are down; None for a refusal where any is down.

        Raises:
            ConfigError: there is no such signal or dimension, or a device is down and ``down`` is
                not given.
        """
        values = self[device, signal]
        dims = [str(dim) for dim in values.dims if dim != "time"]
        if over is not None and over not in dims:
            raise ConfigError(
                f"over: is {over!r}; {device} has {', '.join(dims) or 'no dimension'}"
            )
        _check_down(down)
        gone = int(values.isnull().any("time").sum())
        if gone and down is None:
            raise ConfigError(
                f"{gone} of {values[0].size:,} {device} do not report {signal} all the time; say "
                "down='nan' for no sum then, or down='absent' for the sum of the others"
            )
        total: DataArray = values.sum(
            dims if over is None else over,
            skipna=down == "absent",
            min_count=1 if down == "absent" else None,
            keep_attrs=True,
        )
        return total

    def to_dataframe(self, device: str, down: str = "absent", library: str | None = None) -> Any:
        """Return all recorded signals of a class as a table: a row for a device and a sample.

        Args:
            device: device class.
            down: ``absent``: no row of a device that does not report; ``nan``: one without values.
            library: ``pandas`` or ``polars``; None for the first of them that is installed.

        Raises:
            ConfigError: there is no such class, it was not recorded, or neither is installed.
        """
        _check_down(down or "")
        own = self._device(device)
        axes, signals = self._axes(own), self._recorded(own)
        samples, shape = self._recording.times.size, axes.shape
        columns = self._row_names(axes, (samples, *shape))
        columns |= {signal.name: self._values(own, signal).reshape(-1) for signal in signals}
        if down == "absent":
            there = np.zeros(columns["time"].size, dtype=np.bool_)
            for signal in signals:
                there |= np.isfinite(columns[signal.name])
            columns = {name: values[there] for name, values in columns.items()}
        return table_library(library).DataFrame(columns)

    # -- helpers ------------------------------------------------------------------------

    def _device(self, name: str) -> DeviceClass:
        device = device_of(self._layout, name)
        if name not in self._recording.chosen:
            raise ConfigError(
                f"{name} was not recorded; simulate with record={[name]!r}, or without record"
            )
        return device

    def _recorded(self, device: DeviceClass) -> tuple[Signal, ...]:
        return self._recording.chosen[device.name]

    def _axes(self, device: DeviceClass) -> DeviceAxes:
        return axes_of(self._layout, device)

    @cached_property
    def _timestamps(self) -> Any:
        moments = np.round((self.start + self._recording.times) * 1e3).astype(np.int64)
        return moments.astype("datetime64[ms]").astype("datetime64[ns]")

    def _values(self, device: DeviceClass, signal: Signal) -> Values:
        """Return the samples of a signal that travels, or of one that follows from such."""
        parts = [device[name] for name in signal.sum_of]
        needed = parts or ([self._recorded(device)[0]] if signal.constant is not None else [signal])
        kept = {own.name for own in self._recorded(device)}
        if any(own.name not in kept for own in needed):
            name = f"{device.name}.{signal.name}"
            raise ConfigError(f"{name} was not recorded; add it to record, or leave record out")
        values = [self._recording.values(device.name, own.name) for own in needed]
        if signal.constant is not None:
            return np.where(np.isfinite(values[0]), signal.constant, np.nan)
        return values[0] if len(values) == 1 else np.sum(values, axis=0)

    def _row_names(self, axes: DeviceAxes, shape: tuple[int, ...]) -> dict[str, Any]:
        """Return the columns that say when and what a row is of."""
        dims = ("time", *axes.dims)
        along: dict[str, tuple[tuple[str, ...], Any]] = {
            "time": (("time",), self._recording.times),
            "timestamp": (("time",), self._timestamps),
            **{name: ((name,), names) for name, names in axes.names.items()},
            **axes.beside,
        }
        return {
            name: np.broadcast_to(
                values.reshape(
                    [size if dim in own else 1 for dim, size in zip(dims, shape, strict=True)]
                ),
                shape,
            ).reshape(-1)
            for name, (own, values) in along.items()
        }


def table_library(name: str | None = None) -> Any:
    """Return pandas or polars.

    Raises:
        ConfigError: it is not installed, or the name is another.
    """
    if name is not None:
        if name not in _TABLES:
            raise ConfigError(f"library: is {name!r}; choose {' or '.join(_TABLES)}")
        return library_module(name)
    for known in _TABLES:
        if importlib.util.find_spec(known) is not None:
            return library_module(known)
    raise ConfigError(
        "a table needs pandas or polars, and neither is installed; install one with: "
        "pip install pandas"
    )


def _pair(key: object) -> tuple[str, str]:
    if isinstance(key, tuple) and len(key) == 2:  # noqa: PLR2004 - a class and a signal
        return key[0], key[1]
    raise ConfigError(
        f'run[{key!r}]: write run["gpu", "power_usage"]: a device class, and a signal'
    )


def _check_down(down: str | None) -> None:
    if down is not None and down not in _DOWN:
        raise ConfigError(f"down: is {down!r}; choose {' or '.join(_DOWN)}")


def _attributes(device: DeviceClass, signal: Signal) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "units": signal.unit.value or "1",
        "metric": signal.metric,
        "type": signal.kind.value,
        "long_name": signal.help,
        "device": device.name,
        "signal": signal.name,
        **{f"label_{name}": value for name, value in signal.labels},
    }
    words = signal.states or signal.codes
    if words:
        attributes["states"] = {int(code): word for code, word in words.items()}
    return attributes
