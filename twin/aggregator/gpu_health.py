"""GPU health: DCGM's health watches and P2P status, derived from the values in frames.

As in the exporter, every watch of every GPU has one series, whose ``health_error_code`` names
its incident. If a watch has several incidents, the one that DCGM checks last is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from twin.catalog import Labels
from twin.catalog.gpu_health import (
    COUNT_RULES,
    HEALTH_OK,
    HEALTH_SIGNALS,
    HEALTH_WATCHES,
    P2P_NOT_SUPPORTED,
    P2P_OK,
    PASS,
    XID_INCIDENTS,
    Incident,
)

__all__ = ["GpuHealth"]

_SAMPLE_SECONDS = 30.0
_WINDOW_SECONDS = 60.0
"""Interval of DCGM's samples, and the window over which counts are compared."""
_NVLINK_XID, _OFF_BUS_XID = 74, 79

Values = NDArray[np.float64]


class GpuHealth:
    """Health of a site's GPUs, from the samples of the last minute by rack.

    Args:
        rows: signal to its row in a frame of GPUs.
        per_rack: GPUs of a rack.
        per_host: GPUs of a host.
        linked: whether the GPUs of a host are connected by NVLink.
    """

    def __init__(
        self, rows: Mapping[str, int], per_rack: int, per_host: int, *, linked: bool
    ) -> None:
        travels = [name for name in HEALTH_SIGNALS if name in rows]
        self._rows = {name: row for row, name in enumerate(travels)}
        self._sampled = [rows[name] for name in travels]
        self._xid = rows.get("xid")
        self._per_rack, self._per_host, self._linked = per_rack, per_host, linked
        self._samples: dict[int, list[tuple[float, Values]]] = {}
        self._unlinked: dict[int, NDArray[np.bool_]] = {}

    def see(self, unit: int, after: Values, alive: NDArray[np.bool_], ts: float) -> None:
        """Take a sample of a rack, if one is due.

        Args:
            unit: index of the rack.
            after: values of its GPUs, (signals, GPUs).
            alive: GPUs whose exporter runs.
            ts: simulated time.
        """
        samples = self._samples.setdefault(unit, [])
        for _, values in samples:
            values[:, ~alive] = np.nan  # a host engine that stops loses its samples
        if not samples or not 0.0 <= ts - samples[-1][0] < _SAMPLE_SECONDS:
            samples.append((ts, after[self._sampled].copy()))
        samples[:] = [each for each in samples if 0.0 <= ts - each[0] <= _WINDOW_SECONDS]
        shown = np.isfinite(after)
        if self._xid is not None:
            shown &= ~np.isin(after[self._xid], (_NVLINK_XID, _OFF_BUS_XID))
        self._unlinked[unit] = np.logical_not(shown.any(axis=0))

    def watches(self, gpu: int, xids: Collection[int]) -> Iterator[tuple[Labels, float]]:
        """Yield the labels and result of every watch of a GPU.

        Args:
            gpu: its index among all GPUs of the store.
            xids: codes that its host engine has seen.
        """
        found = {watch: Incident(watch, PASS, HEALTH_OK) for watch in HEALTH_WATCHES}
        known = (XID_INCIDENTS[code] for code in XID_INCIDENTS if code in xids)
        for incident in (*known, *self._counted(*divmod(gpu, self._per_rack))):
            found[incident.watch] = incident
        for watch, result, error in found.values():
            yield (("health_error_code", error), ("health_watch", watch)), float(result)

    def _counted(self, unit: int, index: int) -> Iterator[Incident]:
        """Yield the incidents found in a GPU's counts, in DCGM's order."""
        samples = self._samples.get(unit)
        if not samples:
            return
        first, last = samples[0][1][:, index], samples[-1][1][:, index]
        for rule in COUNT_RULES:
            row = self._rows.get(rule.signal)
            if row is not None:
                value = last[row] - first[row] if rule.rising else last[row]
                if value >= rule.least:
                    yield rule.incident

    def peers(self, gpu: int) -> Iterator[tuple[Labels, float]]:
        """Yield the labels and status of the NVLink path to every other GPU of the host."""
        unit, index = divmod(gpu, self._per_rack)
        first = index - index % self._per_host
        lost = self._unlinked.get(unit)
        for peer in range(self._per_host):
            if first + peer == index:
                continue
            broken = not self._linked or lost is None or lost[index] or lost[first + peer]
            value, status = P2P_NOT_SUPPORTED if broken else P2P_OK
            yield (("link_status", status), ("peer_gpu", str(peer))), float(value)
