"""Statistics of a training run's power: what the twin and a measured run are compared by.

All take the power of a run's nodes, (samples, nodes) in W, and the seconds between samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["STATISTICS", "RunStatistic", "Values", "spectrum"]

Values = NDArray[np.floating[Any]]

_LINES = {"First": (9.5, 12.5), "Second": (5.0, 6.0)}
"""Where the spectrum's first two lines are looked for, in s."""
_FINER = 8
"""Frequencies at which a line is looked for, over those that fit into the record."""
_LAGS = (10, 22)
"""Seconds after which the power of a node is compared with itself."""


@dataclass(frozen=True, slots=True)
class RunStatistic:
    """A number that tells of a run's power.

    Attributes:
        key: its name.
        quantity: what it is.
        unit: of its value.
        limit: greatest difference of the twin over the measured value.
        of: returns it.
    """

    key: str
    quantity: str
    unit: str
    limit: float
    of: Callable[[Values, float], float]


def spectrum(nodes: Values, seconds: float) -> tuple[Values, Values]:
    """Return periods in s and amplitudes in kW of the sum of all nodes' power."""
    power = nodes.sum(axis=1) / 1e3
    frequency = np.fft.rfftfreq(len(power), seconds)[1:]
    amplitude = 2 * np.abs(np.fft.rfft(power - power.mean()))[1:] / len(power)
    return 1 / frequency, amplitude


def _line(nodes: Values, seconds: float, *, name: str) -> tuple[float, float]:
    """Return period in s and amplitude in kW of a line of the spectrum.

    Behind a Hann window and between the frequencies that fit into the record: without these the
    amplitude would go by where in the record the line happens to end.
    """
    low, high = _LINES[name]
    power = nodes.sum(axis=1) / 1e3
    window, fine = np.hanning(len(power)), _FINER * len(power)
    amplitude = 2 * np.abs(np.fft.rfft((power - power.mean()) * window, fine))[1:] / window.sum()
    periods = 1 / np.fft.rfftfreq(fine, seconds)[1:]
    near = (periods >= low) & (periods <= high)
    strongest = int(np.argmax(amplitude[near]))
    return float(periods[near][strongest]), float(amplitude[near][strongest])


def _period(nodes: Values, seconds: float, *, name: str) -> float:
    return _line(nodes, seconds, name=name)[0]


def _amplitude(nodes: Values, seconds: float, *, name: str) -> float:
    return _line(nodes, seconds, name=name)[1]


def _of_nodes(nodes: Values, _seconds: float, *, percent: float) -> float:
    return float(np.percentile(nodes, percent))


def _of_array(nodes: Values, _seconds: float, *, percent: float) -> float:
    return float(np.percentile(nodes.sum(axis=1), percent)) / 1e3


def _array_ramp(nodes: Values, seconds: float, *, percent: float) -> float:
    return float(np.percentile(np.diff(nodes.sum(axis=1)), percent)) / seconds / 1e3


def _node_ramp(nodes: Values, seconds: float, *, percent: float) -> float:
    return float(np.percentile(np.diff(nodes, axis=0), percent)) / seconds


def _mean(nodes: Values, _seconds: float) -> float:
    return float(nodes.mean())


def _spread(nodes: Values, _seconds: float) -> float:
    return float(100 * nodes.mean(axis=0).std() / nodes.mean())


def _correlation(nodes: Values, _seconds: float) -> float:
    matrix: Values = np.asarray(np.corrcoef(nodes.T))
    size = len(matrix)
    return float((matrix.sum() - size) / (size * size - size))


def _autocorrelation(nodes: Values, seconds: float, *, lag: float) -> float:
    samples = round(lag / seconds)
    pairs = zip(nodes[samples:].T, nodes[:-samples].T, strict=True)
    return float(np.mean([np.corrcoef(later, earlier)[0, 1] for later, earlier in pairs]))


def _at(name: str, unit: str, limit: float, of: Callable[..., float],
        percents: tuple[int, ...], key: str) -> list[RunStatistic]:  # fmt: skip
    return [
        RunStatistic(f"{key}-{percent}", f"{name}, {percent} % quantile", unit, limit,
                     partial(of, percent=percent))
        for percent in percents
    ]  # fmt: skip


STATISTICS: tuple[RunStatistic, ...] = (
    *_at("Node power", "W", 0.03, _of_nodes, (1, 5, 25, 50, 75, 99), "node"),
    RunStatistic("mean", "Node power, mean", "W", 0.03, _mean),
    *_at("Power of 64 nodes", "kW", 0.03, _of_array, (1, 50, 99), "array"),
    RunStatistic("spread", "Spread of the nodes' means (standard deviation)", "%", 0.3, _spread),
    RunStatistic("correlation", "Correlation of two nodes' power, mean over all pairs", "", 0.15,
                 _correlation),
    *(
        RunStatistic(f"autocorrelation-{lag}",
                     f"Correlation of a node's power with itself {lag} s later", "", 0.15,
                     partial(_autocorrelation, lag=lag))
        for lag in _LAGS
    ),
    *(
        RunStatistic(f"{key}-{name.lower()}", f"{name} spectral line of 64 nodes, {key}", unit,
                     limit, partial(of, name=name))
        for name in _LINES
        for key, unit, limit, of in (
            ("period", "s", 0.02, _period), ("amplitude", "kW", 0.1, _amplitude))
    ),
    *_at("Ramp of 64 nodes", "kW/s", 0.1, _array_ramp, (1, 5, 95, 99), "array-ramp"),
    *_at("Ramp of a node", "W/s", 0.1, _node_ramp, (1, 99), "node-ramp"),
)  # fmt: skip
"""All that a run's power is compared by, in the order of the page."""
