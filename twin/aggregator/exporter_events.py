"""Families that dcgm-exporter makes itself: XIDs, clock events, health of GPUs and their peers.

Its ``DCGM_EXP_*`` families have a series for each code or reason seen, which comes and goes, so
they do not travel: they are counted here from the XID and the clocks' reasons that do. As in
``internal/pkg/collector/expcollector.go`` of NVIDIA/dcgm-exporter (4.5.3-4.8.2) and
``xid_total_collector.go`` (4.8.3):

* in the window of five minutes a GPU without events has one series of 0, without the label of
  the code; a GPU with clock samples of which none has a reason has no series at all;
* XIDs are counted as events, clock events as samples, of which DCGM takes one every 30 s;
* totals begin with the first event, count a reason when it begins, and end with the exporter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.gpu_health import GpuHealth
from twin.catalog import GPU, Labels
from twin.catalog.gpu_events import CLOCK_EVENTS, WINDOW_SECONDS, ExporterEvent
from twin.site import Layout

__all__ = ["ExporterEvents"]

_SAMPLE_SECONDS = 30.0
_WINDOW: Labels = (("window_size_in_ms", f"{WINDOW_SECONDS * 1000:.0f}"),)

Values = NDArray[np.float64]


@dataclass(slots=True)
class _GpuEvents:
    """What is remembered of one GPU: times of XIDs by code, clock samples, totals by label."""

    xids: dict[int, deque[float]] = field(default_factory=dict)
    samples: deque[tuple[float, int]] = field(default_factory=deque)
    totals: dict[tuple[str, str], int] = field(default_factory=dict)


class ExporterEvents:
    """Events of the GPUs of a store, remembered while their host's exporter runs.

    Args:
        layout: of the store.
        rows: signal to its row in a frame of GPUs.
    """

    def __init__(self, layout: Layout, rows: Mapping[str, int]) -> None:
        shown = [own for shown in layout.exposed.values() for own in shown[GPU.name]]
        labels = {own.event.label for own in shown if own.event is not None}
        self.wanted = bool(labels)
        self._size = layout.per_unit(GPU)
        self._per_host = GPU.per_host(layout.site)
        self._xid, self._reasons = rows.get("xid"), rows.get("clock_reasons")
        self._gpus: dict[int, _GpuEvents] = {}
        self._now = 0.0
        self._health = None
        if not labels.isdisjoint(("health_watch", "peer_gpu")):
            linked = layout.entire.site.has_nvlink
            self._health = GpuHealth(rows, self._size, self._per_host, linked=linked)

    def see(self, unit: int, before: Values, after: Values, ts: float) -> None:
        """Take note of what a frame of a rack changes.

        Args:
            unit: index of the rack.
            before: values of its GPUs before the frame, (signals, GPUs).
            after: those of the frame.
            ts: simulated time of the frame.
        """
        self._now = ts
        alive = np.isfinite(after).any(axis=0).reshape(-1, self._per_host).any(axis=1)
        alive = np.repeat(alive, self._per_host)
        first = unit * self._size
        for index in np.flatnonzero(~alive).tolist():
            self._gpus.pop(first + index, None)
        if self._health is not None:
            self._health.see(unit, after, alive, ts)
        if self._xid is not None:
            self._see_xids(first, before[self._xid], after[self._xid])
        if self._reasons is not None:
            self._see_reasons(first, before[self._reasons], after[self._reasons])

    def _see_xids(self, first: int, before: Values, after: Values) -> None:
        begun = (after > 0) & np.isfinite(before) & (after != before)
        for index in np.flatnonzero(begun).tolist():
            own, code = self._of(first + index), int(after[index])
            own.xids.setdefault(code, deque()).append(self._now)
            _count(own, "xid", str(code))

    def _see_reasons(self, first: int, before: Values, after: Values) -> None:
        for index in np.flatnonzero(np.isfinite(after)).tolist():
            own, now = self._of(first + index), int(after[index])
            if np.isfinite(before[index]):
                for name in _named(now & ~int(before[index])):
                    _count(own, "clock_event", name)
            if not own.samples or self._now - own.samples[-1][0] >= _SAMPLE_SECONDS:
                own.samples.append((self._now, now))
            while own.samples[0][0] < self._now - WINDOW_SECONDS:
                own.samples.popleft()

    def _of(self, gpu: int) -> _GpuEvents:
        return self._gpus.setdefault(gpu, _GpuEvents())

    def series(self, event: ExporterEvent, gpu: int) -> Iterator[tuple[Labels, float]]:
        """Yield the labels and the value of each series of a GPU.

        Args:
            event: which family.
            gpu: its index among all GPUs of the store.
        """
        own = self._gpus.get(gpu, _GpuEvents())
        if self._health is not None and event.label == "health_watch":
            yield from self._health.watches(gpu, own.xids.keys())
            return
        if self._health is not None and event.label == "peer_gpu":
            yield from self._health.peers(gpu)
            return
        if event.total:
            for (label, value), count in own.totals.items():
                if label == event.label:
                    yield ((label, value),), float(count)
            return
        counts = self._xids(own) if event.label == "xid" else self._samples(own)
        for value, count in counts.items():
            yield (*_WINDOW, (event.label, value)), float(count)
        if not counts and not (event.label == "clock_event" and own.samples):
            yield _WINDOW, 0.0

    def _xids(self, own: _GpuEvents) -> dict[str, int]:
        oldest = self._now - WINDOW_SECONDS
        counts = {code: sum(at > oldest for at in times) for code, times in own.xids.items()}
        return {str(code): count for code, count in counts.items() if count}

    def _samples(self, own: _GpuEvents) -> dict[str, int]:
        counts: dict[str, int] = {}
        for at, reasons in own.samples:
            if at > self._now - WINDOW_SECONDS:
                for name in _named(reasons):
                    counts[name] = counts.get(name, 0) + 1
        return counts


def _named(reasons: int) -> Iterator[str]:
    return (name for bit, name in CLOCK_EVENTS.items() if reasons & bit)


def _count(own: _GpuEvents, label: str, value: str) -> None:
    own.totals[label, value] = own.totals.get((label, value), 0) + 1
