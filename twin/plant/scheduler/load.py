"""Load of scheduled jobs: their demand on every GPU, server and rack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin.plant.performance import LINE_RATE
from twin.plant.scheduler.scheduler import Scheduler
from twin.plant.scheduler.table import BatchState
from twin.plant.units import Floats
from twin.plant.workload.demand import Demand, Level
from twin.plant.workload.levels import STORAGE_BURST, STORAGE_QUIET, Levels
from twin.site import Layout

__all__ = ["BatchLoad"]

_DIP = 0.12
"""Share of a step in which the GPUs of a job exchange and wait, est."""
_QUIET_NETWORK = 0.08
"""Use of the compute NICs between the exchanges, est. below 10 %."""
_START_HELD = 0.5
"""Share of the framebuffer that a job holds while it starts, est."""


class BatchLoad:
    """What the jobs of a scheduler ask for, as means over a step of the plant.

    A level of the resulting demand has a number a GPU, (racks, GPUs a rack), those of the
    compute NICs one a server, (racks, servers), that of the storage NICs one a rack.

    Args:
        layout: the site.
        scheduler: whose jobs they are.
    """

    def __init__(self, layout: Layout, scheduler: Scheduler) -> None:
        site = layout.site
        self._scheduler = scheduler
        self._racks, self._per_server = site.racks, site.server.gpus
        self._levels = Levels(site)
        self._threshold = site.network.mark_threshold_ratio
        self._mix = {
            name: np.array([getattr(kind, name) for kind in site.mix])
            for name in ("activity", "utilization", "framebuffer_ratio", "step_seconds",
                         "checkpoint_every_seconds", "checkpoint_seconds")
        }  # fmt: skip

    def over(self, demand: Demand, dt: float) -> Demand:
        """Return the demand of the static jobs and the scheduled ones together.

        Args:
            demand: of the static jobs, zero elsewhere.
            dt: step in s.
        """
        values = self._of_jobs(dt)
        owner = self._scheduler.owner
        rows = np.where(owner < 0, self._scheduler.table.rows, owner)
        by_gpu = rows.reshape(self._racks, -1)
        by_server = rows[:, 0].reshape(self._racks, -1)
        held = by_gpu < self._scheduler.table.rows

        def gpus(name: str, static: Level) -> Floats:
            return self._spread(static, by_gpu.shape) + values[name][by_gpu]

        def servers(name: str, static: Level) -> Floats:
            return self._spread(static, by_server.shape) + values[name][by_server]

        storage = values["storage"][by_server].mean(axis=1, keepdims=True)
        return replace(
            demand,
            activity=gpus("activity", demand.activity),
            wait=np.where(held, self._levels.wait, self._spread(demand.wait, by_gpu.shape)),
            busy=gpus("busy", demand.busy),
            compute=gpus("compute", demand.compute),
            framebuffer=gpus("framebuffer", demand.framebuffer),
            present=gpus("present", demand.present),
            network=servers("network", demand.network),
            congestion=servers("congestion", demand.congestion),
            storage=self._spread(demand.storage, storage.shape) + storage,
        )

    @staticmethod
    def _spread(level: Level, shape: tuple[int, ...]) -> Floats:
        """Return a level of all, of racks or of servers as one of this shape."""
        values = np.asarray(level, np.float32)
        if values.ndim == 2 and 1 < values.shape[1] < shape[1]:  # noqa: PLR2004 - racks, devices
            values = np.repeat(values, shape[1] // values.shape[1], axis=1)
        return np.broadcast_to(values, shape)

    def _of_jobs(self, dt: float) -> dict[str, NDArray[np.float32]]:
        """Return each quantity by job, and a zero for GPUs without one, (rows + 1,)."""
        table, levels = self._scheduler.table, self._levels
        mix = {name: values[table.kind] for name, values in self._mix.items()}
        running = table.state == BatchState.RUNNING
        stalled = table.state == BatchState.STALLED
        starting = table.state == BatchState.STARTING
        every = mix["checkpoint_every_seconds"]
        saving = running & (table.done % every < mix["checkpoint_seconds"]) & (table.done >= every)
        share = _exchanging(table.phase, dt / mix["step_seconds"])
        computing = np.where(running & ~saving, 1.0 - share, 0.0)
        several = table.gpus > self._per_server
        exchange = np.where(running & ~saving & several, share, 0.0)
        use = np.where(running & ~saving & several, _QUIET_NETWORK, 0.0)
        waiting = running.astype(float) - computing + stalled
        # GPUs of a job on one server exchange over NVLink and hardly wait.
        depth = np.where(several | saving | stalled, levels.wait, mix["activity"])
        excess = max(0.0, LINE_RATE - self._threshold) / (1 - self._threshold)
        values = {
            "activity": table.level * mix["activity"] * computing * mix["utilization"]
            + depth * waiting * mix["utilization"]
            + levels.context * starting,
            "busy": (running | stalled) * np.where(stalled, 1.0, mix["utilization"]),
            "compute": computing * mix["utilization"],
            "present": running | stalled | starting,
            "framebuffer": (running | stalled | starting)
            * mix["framebuffer_ratio"]
            * np.where(starting, _START_HELD, 1.0),
            "network": use + (LINE_RATE - _QUIET_NETWORK) * exchange,
            "congestion": excess * exchange,
            "storage": STORAGE_QUIET * computing + STORAGE_BURST * saving,
        }
        return {name: np.append(value, 0.0).astype(np.float32) for name, value in values.items()}


def _exchanging(end: Floats, moved: Floats) -> Floats:
    """Return the share of the time in which jobs exchange, at the end of each of their steps.

    Args:
        end: place in the step at the end of that time.
        moved: how many steps they went on in it.
    """
    begin = end - moved

    def until(place: Floats) -> Floats:
        whole = np.floor(place)
        part: Floats = whole * _DIP + np.maximum(0.0, place - whole - (1.0 - _DIP))
        return part

    share: Floats = (until(end) - until(begin)) / np.maximum(moved, 1e-9)
    return np.clip(share, 0.0, 1.0)
