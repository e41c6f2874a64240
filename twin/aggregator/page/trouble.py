"""Rack health from its own sensors, as a level for the floor and as words.

These are the plain signs that an operator would look for first. They are no alert rules:
those have durations and thresholds of their own, and live with Prometheus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.store import Store
from twin.catalog import (
    CDU,
    CDU_PSU,
    CDU_PSU_STATES,
    GPU,
    LEAK_STATES,
    NIC,
    PDU,
    PUMP,
    PUMP_STATES,
    SERVER,
    DeviceClass,
    UnitKind,
)
from twin.site import Layout

__all__ = ["Troubles"]

_Values = NDArray[np.float64]

_DEGRADED, _SERIOUS = 1, 2
_EVERY = slice(None)


@dataclass(frozen=True, slots=True)
class _Sign:
    """One sign of trouble.

    Attributes:
        level: how much it matters.
        words: for one, and for several with ``{}`` in place of their number.
        device: device class whose values are looked at.
        signal: its signal.
        wrong: returns which of the values are signs of trouble, by the values, shape
            (racks, devices a rack), and the temperature limit of each rack's GPUs.
    """

    level: int
    words: tuple[str, str]
    device: DeviceClass
    signal: str
    wrong: Callable[[_Values, _Values], NDArray[np.bool_]]

    def exists(self, layout: Layout) -> bool:
        """Return whether the site has such a signal."""
        names = {signal.name for signal in layout.reported[self.device.name]}
        return layout.per_unit(self.device) > 0 and self.signal in names


def _equal(values: _Values, _: _Values, *, to: float) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = values == to
    return equal


def _missing(values: _Values, _: _Values) -> NDArray[np.bool_]:
    return np.isnan(values)


def _hot(values: _Values, limits: _Values) -> NDArray[np.bool_]:
    hot: NDArray[np.bool_] = values > limits[:, None]
    return hot


def _none_runs(values: _Values, _: _Values) -> NDArray[np.bool_]:
    running = np.equal(values, _code(PUMP_STATES, "running")).any(axis=1)
    known = np.isfinite(values).all(axis=1)
    stopped: NDArray[np.bool_] = np.asarray(known & ~running, bool)[:, None]
    return stopped


def _code(states: Mapping[int, str], name: str) -> int:
    return next(code for code, state in states.items() if state == name)


_failed = partial(_equal, to=_code(PUMP_STATES, "failed"))
_down = partial(_equal, to=0.0)

_SIGNS = (
    _Sign(_SERIOUS, ("no coolant pump runs", ""), PUMP, "state", _none_runs),
    _Sign(_SERIOUS, ("the coolant leaks", ""), CDU, "leak",
          partial(_equal, to=_code(LEAK_STATES, "Critical"))),
    _Sign(_SERIOUS, ("a GPU is too hot", "{} GPUs are too hot"), GPU, "gpu_temp", _hot),
    _Sign(_DEGRADED, ("a pump has failed", "{} pumps have failed"), PUMP, "state", _failed),
    _Sign(_DEGRADED, ("the leak detector warns", ""), CDU, "leak",
          partial(_equal, to=_code(LEAK_STATES, "Warning"))),
    _Sign(_DEGRADED, ("a power supply of the coolant unit has failed",
                      "{} power supplies of the coolant unit have failed"),
          CDU_PSU, "state", partial(_equal, to=_code(CDU_PSU_STATES, "failed"))),
    _Sign(_DEGRADED, ("a GPU does not report", "{} GPUs do not report"),
          GPU, "gpu_temp", _missing),
    _Sign(_DEGRADED, ("a NIC port is down", "{} NIC ports are down"), NIC, "up", _down),
    _Sign(_DEGRADED, ("a server does not answer", "{} servers do not answer"),
          SERVER, "up_node", _down),
    _Sign(_DEGRADED, ("a PDU phase is dead", "{} PDU phases are dead"), PDU, "voltage", _down),
)  # fmt: skip


class Troubles:
    """The signs of trouble of a site's racks."""

    def __init__(self, store: Store) -> None:
        layout = store.layout
        self._store = store
        self._reporting = store.units[UnitKind.RACK].reporting
        self._signs = [sign for sign in _SIGNS if sign.exists(layout)]
        self._limits = np.array(
            [
                layout.gpu_model(rack).temperature_max_operating_celsius
                for rack in range(layout.units(UnitKind.RACK))
            ]
        )

    def levels(self) -> _Values:
        """Return 0, 1 (degraded) or 2 (serious) a rack, NaN where the rack is silent."""
        levels = np.zeros(len(self._limits))
        for sign in self._signs:
            np.maximum(levels, sign.level * self._wrong(sign, _EVERY).any(axis=1), out=levels)
        return np.where(self._reporting, levels, np.nan)

    def words(self, rack: int) -> list[str]:
        """Return what one rack complains of, the most serious first."""
        if not self._reporting[rack]:
            return []
        counts = (
            (sign, int(self._wrong(sign, slice(rack, rack + 1)).sum())) for sign in self._signs
        )
        return [sign.words[count > 1].format(count) for sign, count in counts if count]

    def _wrong(self, sign: _Sign, racks: slice) -> NDArray[np.bool_]:
        return sign.wrong(self._store.column(sign.device, sign.signal)[racks], self._limits[racks])
