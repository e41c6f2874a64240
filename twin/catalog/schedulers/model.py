"""Metrics of exporters that tell of a scheduler's objects: jobs, pods and nodes.

Unlike a device's signal, such a metric has a series for each object that there is at the
moment, and its value follows from what the scheduler says, not from physics.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.catalog.model import MetricType

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["CPUS_A_NODE", "MEMORY_A_NODE", "StateExporter", "StateMetric", "pod_uid"]

CPUS_A_NODE = 224
"""Logical CPUs of a GPU server: two Xeon 8480C of 56 cores, as in a DGX H100."""
MEMORY_A_NODE = 2_160_000_000_000
"""Bytes of its memory: 2 TiB without what firmware and kernel keep."""

_UIDS = uuid.UUID("0d6a3a53-52d5-4d8e-9d2e-8f6f0a2a7c11")


def pod_uid(account: str, pod: str) -> str:
    """Return the uid of a pod, the same for the same name in the same namespace."""
    return str(uuid.uuid5(_UIDS, f"{account}/{pod}"))


@dataclass(frozen=True, slots=True)
class StateMetric:
    """A metric of such an exporter.

    Attributes:
        name: metric name.
        help: help text.
        of: what has a series: ``node``, ``pod``, ``job``, ``user``, ``account``, ``partition``,
            or ``site``.
        labels: label names, in the exporter's order.
        series: series of one object.
        kind: Prometheus type.
    """

    name: str
    help: str
    of: str
    labels: tuple[str, ...] = ()
    series: int = 1
    kind: MetricType = MetricType.GAUGE

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its samples."""
        if self.kind is not MetricType.HISTOGRAM:
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))


@dataclass(frozen=True, slots=True)
class StateExporter:
    """An exporter of a scheduler.

    Attributes:
        key: its name inside the twin.
        title: what a person calls it.
        job: the ``job`` label of its scrape target.
        instance: the ``instance`` label.
        source: the public project that names, types and labels follow.
        present: whether a site runs it.
        metrics: by their names.
    """

    key: str
    title: str
    job: str
    instance: str
    source: str
    present: Callable[[Site], bool]
    metrics: tuple[StateMetric, ...] = field(repr=False)

    def __getitem__(self, name: str) -> StateMetric:
        """Return the metric of that name.

        Raises:
            KeyError: there is none.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(f"{self.title} has no metric {name!r}")

    def series(self, of: str) -> int:
        """Return the series that one object has."""
        return sum(metric.series for metric in self.metrics if metric.of == of)
