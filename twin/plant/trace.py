"""Measured power traces that the twin can replay.

The traces ship with the package; ``traces/NOTICE`` has their attribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from twin.errors import ConfigError

__all__ = ["PowerTrace", "load_trace", "trace_names"]

_FILES = {"gpt3-512xh100": "mlperf-v4.0-smc-gpt3-64x8h100-dc-power-2s.csv"}


@dataclass(frozen=True)
class PowerTrace:
    """DC power of every node of a training run.

    Attributes:
        name: name of the trace.
        times: (samples,), seconds since the first sample.
        watts: (samples, nodes), DC power of each node in W.
    """

    name: str
    times: NDArray[np.float64]
    watts: NDArray[np.float64]

    @property
    def duration(self) -> float:
        """Length of the trace in seconds; a replay begins anew after it."""
        return float(self.times[-1])

    @property
    def nodes(self) -> int:
        """Nodes of the trace."""
        return int(self.watts.shape[1])

    def at(self, seconds: float) -> NDArray[np.float64]:
        """Return the power of every node, (nodes,) in W, interpolated between samples.

        Args:
            seconds: time since the replay began; wraps around at the trace's end.
        """
        time = seconds % self.duration
        after = min(int(np.searchsorted(self.times, time, side="right")), len(self.times) - 1)
        first, last = self.times[after - 1], self.times[after]
        share = (time - first) / (last - first)
        row: NDArray[np.float64] = self.watts[after - 1] * (1 - share) + self.watts[after] * share
        return row


def trace_names() -> tuple[str, ...]:
    """Return the names of the shipped traces."""
    return tuple(_FILES)


def load_trace(name: str) -> PowerTrace:
    """Return the shipped trace of that name.

    Raises:
        ConfigError: there is no such trace.
    """
    if name not in _FILES:
        raise ConfigError(f"trace {name!r} does not exist; the traces are {', '.join(_FILES)}")
    entry = resources.files("twin.plant") / "traces" / _FILES[name]
    with entry.open(encoding="utf-8") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=2)
    return PowerTrace(name, table[:, 0], np.ascontiguousarray(table[:, 1:]))
