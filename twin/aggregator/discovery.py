"""Service discovery for Prometheus: one target an array with devices to tell of, and ourselves."""

from __future__ import annotations

from typing import TypedDict

from twin.catalog import Detail
from twin.site import DetailPlan, Layout

__all__ = ["ARRAY_JOB", "OWN_JOB", "TargetGroup", "target_groups"]

ARRAY_JOB = "twin-array"
OWN_JOB = "twin"


class TargetGroup(TypedDict):
    """One element of Prometheus's ``http_sd`` format."""

    targets: list[str]
    labels: dict[str, str]


def target_groups(layout: Layout, address: str, plan: DetailPlan) -> list[TargetGroup]:
    """Return the targets of a site.

    Series carry labels of their own, which win under ``honor_labels``. The labels here
    say of which array Prometheus's own series are, such as the ``up`` of the target. An
    array whose detail is ``site`` has nothing of its own and is no target.

    Args:
        layout: the site.
        address: host and port under which Prometheus reaches the aggregator.
        plan: detail of every array.
    """
    site = layout.site.name
    own: TargetGroup = {
        "targets": [address],
        "labels": {"__metrics_path__": "/metrics", "job": OWN_JOB, "site": site},
    }
    arrays = range(layout.site.arrays)
    targets = (array for array in arrays if plan[array] is not Detail.SITE)
    return [own, *(_array(layout, array, address) for array in targets)]


def _array(layout: Layout, array: int, address: str) -> TargetGroup:
    name = layout.array_name(array)
    return {
        "targets": [address],
        "labels": {
            "__metrics_path__": f"/arrays/{name}/metrics",
            "job": ARRAY_JOB,
            "site": layout.site.name,
            "hall": layout.hall_name(array),
            "array": name,
        },
    }
