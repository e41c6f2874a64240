"""Power as instruments show it: averaged over a window, and read anew every so often.

The plant holds what a server draws at an instant of a step; no meter does. What shows in
exporters of BMCs, supplies and PDUs is the mean over each one's window, so a dip that ends
sooner is shallower there than it is, as it is beside a real one. Counters of energy and
whatever acts on power (breakers, limits, grid) go by the truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin.plant.server import Servers
from twin.plant.units import Floats, lag
from twin.site import Layout

__all__ = ["INSTRUMENTS", "Instrument", "Instruments", "WindowMean"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """How a kind of instrument shows power.

    Attributes:
        title: what it is.
        device: class of the catalogue that has its readings.
        signals: those of them that it averages.
        steps: the resolution of each, in its unit.
        window_seconds: over which it averages.
        refresh_seconds: after which it shows the next mean.
        basis: where the numbers come from.
        settle_seconds: time constant with which it follows the mean of its window; 0 for at once.
    """

    title: str
    device: str
    signals: tuple[str, ...]
    steps: tuple[float, ...]
    window_seconds: float
    refresh_seconds: float
    basis: str
    settle_seconds: float = 0.0


_SETTLE = 0.63
"""Time constant of the meters of servers and of their supplies, in s."""
INSTRUMENTS: Mapping[str, Instrument] = {
    "gpu": Instrument(
        "GPU, as DCGM reads it", "gpu", ("power_usage",), (0.001,), 1.0, 0.1,
        "NVML's reference: newer GPUs than A100 return power averaged over 1 s, in mW; the twin "
        "shows tenths of a watt",
    ),
    "bmc": Instrument(
        "Server at its BMC (DCMI)", "server", ("power",), (1.0,), 1.0, 2.0,
        "fitted to AC power of the GPT-3 run, whose nodes were asked for AC and DC at the same "
        "moment: folded over the steps, AC is DC with 0.74 of the weight on the last second, 0.17 "
        "on the one before and 0.09 on all earlier; DCMI's power reading is in whole watts (DCMI "
        "1.5, 6.6.1)",
        _SETTLE,
    ),
    "psu": Instrument(
        "Power supply at its BMC", "psu", ("input_power", "output_power"), (2.0, 2.0), 1.0, 2.0,
        "as of its server, whose sum it is part of; PMBus's LINEAR11 has 10 bits, so from 1,024 W "
        "on steps of 2 W",
        _SETTLE,
    ),
    "pdu": Instrument(
        "Phase of a rack's PDU", "pdu", ("power", "current"), (10.0, 0.1), 3.0, 3.0,
        "APC's rack PDUs (2G) tell power in hundredths of a kilowatt and current in tenths of an "
        "ampere (FA156179); window and refresh est., Raritan's measure once a second",
    ),
}  # fmt: skip
"""All kinds, by name."""
_TURN, _DRIFT = 0.618034, 0.754878
"""What spreads moments and periods of servers evenly, by their number."""
_UNEVEN = 0.02
"""Spread of the refresh of BMCs, est.: each goes by its own clock."""


class WindowMean:
    """The mean of a value over the seconds before now.

    Args:
        seconds: length of the window.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._parts: deque[tuple[float, Floats]] = deque()

    def add(self, values: Floats, dt: float) -> Floats:
        """Take in what held for the last ``dt`` seconds, and return the mean."""
        parts = self._parts
        if dt >= self._seconds:
            parts.clear()
            return values
        parts.append((dt, values))
        covered, total = 0.0, np.zeros_like(values)
        used = 0
        for seconds, part in reversed(parts):
            share = min(seconds, self._seconds - covered)
            if share <= 1e-9:  # noqa: PLR2004 - the window is full
                break
            covered, total, used = covered + share, total + share * part, used + 1
        while len(parts) > used:
            parts.popleft()
        mean: Floats = total / covered
        return mean


class Instruments:
    """All instruments that average power; arrays are (racks, servers), or (racks,) of PDUs.

    Args:
        layout: the site.
    """

    def __init__(self, layout: Layout) -> None:
        site = layout.site
        self._own_supplies = not site.shelves.count
        self._watts: Floats = np.array(
            [
                [block.gpu.power_training_watts - block.gpu.power_idle_watts]
                for block in site.all_blocks
                for _ in range(block.racks)
            ]
        ) * (site.server.gpus * (1.0 + site.server.base_power_per_gpu_watt))
        count = np.arange(site.racks * site.servers_per_rack, dtype=np.float64)
        shape = (site.racks, site.servers_per_rack)
        refresh = INSTRUMENTS["bmc"].refresh_seconds
        uneven = 1.0 + _UNEVEN * ((_DRIFT * count) % 1.0 - 0.5)
        self._periods: Floats = (refresh * uneven).reshape(shape)
        self._turns: Floats = ((_TURN * count) % 1.0).reshape(shape)
        self._gpus = WindowMean(INSTRUMENTS["gpu"].window_seconds)
        self._servers = WindowMean(INSTRUMENTS["bmc"].window_seconds)
        self._racks = WindowMean(INSTRUMENTS["pdu"].window_seconds)
        self._gpu: Floats | None = None
        self._settled: Floats | None = None
        self._server: Floats | None = None
        self._rack: Floats | None = None
        self._until_refresh = 0.0

    def step(self, gpus: Floats, servers: Servers, flicker: Floats | float, dt: float) -> None:
        """Take in the last ``dt`` seconds.

        Args:
            gpus: power of each GPU in W, (racks, GPUs a rack).
            servers: which have stepped, their PDUs too.
            flicker: activity of each server that is too fast for them.
            dt: step in s.
        """
        self._gpu = self._gpus.add(gpus, dt)
        power = servers.power
        hidden = self._hidden(servers, flicker)
        shown = self._settle(self._servers.add(power - hidden, dt), dt)
        before = np.floor(self._turns)
        self._turns = self._turns + dt / self._periods
        if self._server is not None:
            shown = np.where(np.floor(self._turns) > before, shown, self._server)
        # What is off shows nothing at once.
        self._server = np.where(power > 0.0, shown, 0.0)
        load = servers.rack_load
        mean = self._racks.add(load - hidden.sum(axis=1), dt)
        self._until_refresh -= dt
        if self._rack is None or self._until_refresh <= 0.0:
            self._until_refresh = INSTRUMENTS["pdu"].refresh_seconds
            self._rack = mean
        self._rack = np.where(load > 0.0, self._rack, 0.0)

    def _settle(self, means: Floats, dt: float) -> Floats:
        """Return what the servers' meters have come to as they follow these means."""
        before, share = self._settled, lag(dt, INSTRUMENTS["bmc"].settle_seconds)
        settled = means if before is None else before + share * (means - before)
        self._settled = settled
        return settled

    def _hidden(self, servers: Servers, flicker: Floats | float) -> Floats:
        """Return what of each server's power is too fast to be shown, in W."""
        power = servers.power
        if not np.any(flicker):
            return np.zeros_like(power)
        supplied = power / np.maximum(servers.output, 1.0)
        hidden: Floats = self._watts * supplied * flicker
        return hidden

    def read(self, outputs: dict[str, dict[str, Floats]], servers: Servers) -> None:
        """Write into ``outputs`` what the instruments show in place of the truth."""
        if self._gpu is None or self._server is None or self._rack is None:
            return
        if "gpu" in outputs and "power_usage" in outputs["gpu"]:
            group = outputs["gpu"]
            silent = np.where(np.isnan(group["power_usage"]), np.nan, 0.0)
            group["power_usage"] = self._gpu + silent  # steps of mW are finer than what is shown
        if self._own_supplies:
            ratio = self._server / np.maximum(servers.power, 1.0)
            _scale(outputs, "bmc", ratio)
            _scale(outputs, "psu", ratio)
        load = servers.rack_load
        _scale(outputs, "pdu", (self._rack / np.maximum(load, 1.0))[:, None])


def _scale(outputs: dict[str, dict[str, Floats]], kind: str, ratio: Floats) -> None:
    """Multiply the readings of a kind by what it shows over what is."""
    instrument = INSTRUMENTS[kind]
    group = outputs[instrument.device]
    for name, step in zip(instrument.signals, instrument.steps, strict=True):
        values = group[name]
        each = np.repeat(ratio, values.shape[1] // ratio.shape[1], axis=1)
        group[name] = np.round(values * each / step) * step
