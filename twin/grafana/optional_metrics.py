"""Optional metrics: off by default in the real exporters, or of devices that not all sites have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from twin.catalog import (
    CDU,
    CDU_PSU,
    DEVICES,
    ENGINE,
    FAN,
    GPU,
    GRACE,
    HOT_SWAP,
    INFERENCE_SERVER,
    JOB,
    LEAK_DETECTOR,
    NVLINK,
    OWN_METRICS,
    POWER_SHELF,
    PUMP,
    SERVER,
    SHELF_PSU,
    SWITCH_TRAY,
    UP,
    WATER,
    DeviceClass,
    Level,
    OwnMetric,
    Rollup,
    Signal,
)

__all__ = ["EXTRA", "OPTIONAL", "OptionalMetrics", "optional_of"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def _every(_: Rollup) -> bool:
    return True


@dataclass(frozen=True)
class OptionalMetrics:
    """Metrics that a site may leave out, all or none of them.

    Attributes:
        nothing: what a panel says where none of its metrics is there.
        belongs: whether a signal of a device class is one of them.
        own: those of them that the aggregator makes itself; the first is always there with them.
        always: names of those that a site has which has any, beside its roll-ups.
        job: of the targets that only such a site has, whose ``up`` counts as one of them.
        rollups: whether a roll-up of such a signal is one of them, and not one that every site has.
    """

    nothing: str
    belongs: Callable[[DeviceClass, Signal], bool]
    own: tuple[OwnMetric, ...] = ()
    always: tuple[str, ...] = ()
    job: str | None = None
    rollups: Callable[[Rollup], bool] = _every

    @property
    def markers(self) -> tuple[str, ...]:
        """Some of these metrics: a site that has them has one of these.

        They are roll-ups, what is always there and the first own one.
        """
        rollups = (rollup for rollup in self._rollups() if Level.SITE in rollup.levels)
        rolled = [rollup.metric(Level.SITE) for rollup in rollups]
        return (*rolled, *self.always, *(metric.name for metric in self.own[:1]))

    @cached_property
    def metrics(self) -> frozenset[str]:
        """All of these metrics, roll-ups among them."""
        rolled = {rollup.metric(level) for rollup in self._rollups() for level in rollup.levels}
        own = {metric.name for metric in self.own}
        return frozenset(
            rolled | own | {s.metric for d in DEVICES for s in d if self.belongs(d, s)}
        )

    def asked(self, query: str) -> bool:
        """Whether a query asks for any of them."""
        names = frozenset(_NAME.findall(query))
        targets = self.job is not None and UP in names and f'job="{self.job}"' in query
        return targets or not names.isdisjoint(self.metrics)

    def _rollups(self) -> Iterator[Rollup]:
        for device in DEVICES:
            for rollup in device.rollups:
                if self.belongs(device, device[rollup.signal]) and self.rollups(rollup):
                    yield rollup


def _of(*devices: DeviceClass) -> Callable[[DeviceClass, Signal], bool]:
    return lambda device, _: device in devices


_JOINED = frozenset(
    device.name
    for device in (GRACE, NVLINK, SWITCH_TRAY, POWER_SHELF, SHELF_PSU, HOT_SWAP, LEAK_DETECTOR)
)
_SMOOTHING = OptionalMetrics(
    "No power smoothing that the host may read: see smoothing in the site",
    lambda device, signal: device is GPU and signal.name.startswith("smoothing_"),
)
_RACK_SCALE = OptionalMetrics(
    "No NVL72 racks",
    lambda device, signal: (
        (device.name in _JOINED and signal.metric != UP)
        or signal.name.startswith(("fabric_", "imex_"))
    ),
    job=SWITCH_TRAY["up"].family.job,
)
EXTRA = OptionalMetrics(
    "Off by default in the exporter, and not exported here", lambda _, signal: signal.extra
)
_LIQUID = OptionalMetrics("No coolant units", _of(PUMP, CDU, CDU_PSU))
_AIR = OptionalMetrics(
    "No air-cooled servers",
    lambda device, signal: device is FAN or signal is WATER["hot_aisle"],
)
_SERVING = OptionalMetrics(
    "No job serves a model here", _of(ENGINE), job=INFERENCE_SERVER["up_vllm"].family.job
)
_OF_GPUS = frozenset(rollup.name for rollup in GPU.rollups)
_AMD = OptionalMetrics(
    "No AMD GPUs",
    lambda device, signal: device.name in ("amd_gpu", "amd_node") and signal.metric != UP,
    job=SERVER["up_amd"].family.job,
    rollups=lambda rollup: rollup.name not in _OF_GPUS,
)
_OBSERVER = OptionalMetrics(
    "No observer runs: start twin shadow",
    lambda *_: False,
    tuple(metric for metric in OWN_METRICS if metric.name.startswith("twin_shadow_")),
)
_TRAINING = OptionalMetrics("No training job here", _of(JOB), always=(JOB["gpus"].metric,))
OPTIONAL = (_SMOOTHING, _RACK_SCALE, EXTRA, _LIQUID, _AIR, _SERVING, _AMD, _OBSERVER, _TRAINING)


def optional_of(query: str) -> OptionalMetrics | None:
    """Return which optional metrics a query asks for, None where it asks for none."""
    return next((own for own in OPTIONAL if own.asked(query)), None)
