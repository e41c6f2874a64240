"""Service discovery for Prometheus: one target an array, and the aggregator itself."""

from __future__ import annotations

from typing import TypedDict

from twin.site import Layout

__all__ = ["ARRAY_JOB", "OWN_JOB", "TargetGroup", "target_groups"]

ARRAY_JOB = "twin-array"
OWN_JOB = "twin"


class TargetGroup(TypedDict):
    """One element of Prometheus's ``http_sd`` format."""

    targets: list[str]
    labels: dict[str, str]


def target_groups(layout: Layout, address: str) -> list[TargetGroup]:
    """Return the targets of a site.

    Series carry labels of their own, which win under ``honor_labels``. The labels here
    say of which array Prometheus's own series are, such as the ``up`` of the target.

    Args:
        layout: the site.
        address: host and port under which Prometheus reaches the aggregator.
    """
    site = layout.site.name
    own: TargetGroup = {
        "targets": [address],
        "labels": {"__metrics_path__": "/metrics", "job": OWN_JOB, "site": site},
    }
    return [own, *(_array(layout, array, address) for array in range(layout.site.arrays))]


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
