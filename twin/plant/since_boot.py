"""Counters of GPUs and NICs since their host has booted: its drivers begin them at 0.

The plant counts on, for its laws and for what is at the other end of a cable. What such a counter
was when the host had booted is taken off what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GPU, NIC, MetricType
from twin.plant.host import HostStates
from twin.plant.units import Floats, any_of
from twin.site import Layout

__all__ = ["SinceBoot"]

_IN_THE_BOARD = frozenset({
    "ecc_sbe_aggregate", "ecc_dbe_aggregate", "uncorrectable_rows", "correctable_rows",
    "nvlink_bandwidth",
})  # fmt: skip
"""What a GPU keeps without power, and what is no counter though DCGM declares it as one."""
_KINDS = (MetricType.COUNTER, MetricType.UNTYPED)
_COUNTED = {
    device.name: [s.name for s in device if s.kind in _KINDS and s.name not in _IN_THE_BOARD]
    for device in (GPU, NIC)
}
_FIRST = {"carrier_changes": 2.0}
"""What a counter has counted by the time its host has booted: a port comes up once."""


class SinceBoot:
    """Takes off the counters of hosts that have booted anew what was before."""

    def __init__(self, layout: Layout) -> None:
        server = layout.site.server
        self._each = {GPU.name: server.gpus, NIC.name: server.nics}
        self._down = np.zeros((layout.site.racks, layout.site.servers_per_rack), dtype=np.bool_)
        self._hosts = np.zeros(0, dtype=np.int64)
        """Hosts that have booted, by their number on the site."""
        self._before: dict[str, Floats] = {}
        """What the counters of these were then: class and signal, to (hosts, devices a host)."""

    def booted(self, hosts: HostStates | None) -> NDArray[np.int64]:
        """Return the numbers of the hosts that have come up in this step."""
        if hosts is None and not any_of(self._down):
            return np.zeros(0, dtype=np.int64)
        up = np.ones_like(self._down) if hosts is None else hosts.up
        fresh = np.flatnonzero(self._down & up)
        self._down = ~up
        return fresh

    def begin(self, fresh: NDArray[np.int64], outputs: Mapping[str, Mapping[str, Floats]]) -> None:
        """Let the counters of these hosts begin at what they are in these outputs."""
        known = np.union1d(self._hosts, fresh)
        kept, new = np.searchsorted(known, self._hosts), np.searchsorted(known, fresh)
        for device, each in self._each.items():
            group = outputs.get(device, {})
            for name in _COUNTED[device]:
                key = f"{device}.{name}"
                if name not in group:
                    continue
                before = np.zeros((known.size, each))
                if key in self._before:
                    before[kept] = self._before[key]
                now = group[name].reshape(-1, each)[fresh] - _FIRST.get(name, 0.0)
                before[new] = np.where(np.isnan(now), before[new], now)
                if before.any():
                    self._before[key] = before
        self._hosts = known

    def read(self, outputs: dict[str, dict[str, Floats]]) -> None:
        """Take off what was before the hosts booted."""
        for key, before in self._before.items():
            device, _, name = key.partition(".")
            if name in outputs.get(device, {}):
                own = outputs[device][name]
                shown = np.array(own, dtype=np.float64)
                shown.reshape(-1, self._each[device])[self._hosts] -= before
                outputs[device][name] = shown
