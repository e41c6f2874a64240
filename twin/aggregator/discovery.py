"""Service discovery for Prometheus: one target an array, and the aggregator itself."""

from __future__ import annotations

from typing import TypedDict

from twin.aggregator.shard_assignment import Addresses
from twin.catalog import ARRAY_JOB, OWN_JOB, Detail, UnitKind
from twin.site import DetailPlan, Layout

__all__ = ["TargetGroup", "target_groups"]

_MANY_RACKS = 200
"""At some 60 series a rack, with those of its array, a scrape of the site is then 12,000: as much
as a Prometheus should take every second from one of its targets."""
_SELDOM = {"__scrape_interval__": "5s", "__scrape_timeout__": "4s"}
"""Labels by which a target asks for an interval of its own; the job's is for small sites."""


class TargetGroup(TypedDict):
    """One element of Prometheus's ``http_sd`` format."""

    targets: list[str]
    labels: dict[str, str]


def target_groups(
    layout: Layout,
    addresses: Addresses,
    plan: DetailPlan,
    shards: int = 1,
    replica: int | None = None,
) -> list[TargetGroup]:
    """Return the targets of a site.

    Series carry labels of their own, which win under ``honor_labels``. The labels here
    say of which array Prometheus's own series are, such as the ``up`` of the target. An
    array whose detail is ``site`` has no page of its own and is not a target. A site with the
    roll-ups of many racks asks to be scraped every 5 s, whatever the job says.

    Args:
        layout: the whole site.
        addresses: where Prometheus reaches the aggregators.
        plan: detail of every array.
        shards: aggregators that share the arrays.
        replica: give the targets of this replica only, for a Prometheus that has an external
            label of its own for it; None for those of all, told apart by a label.
    """
    division = addresses.division
    replicas = 1 if division is None else division.replicas
    owners = (0,) * layout.site.arrays if division is None else division.owners(shards)
    targets = [a for a in range(layout.site.arrays) if plan[a] is not Detail.SITE]
    racks = sum(len(layout.racks_of(array)) for array in targets)
    pace = _SELDOM if racks > _MANY_RACKS * shards else {}
    groups: list[TargetGroup] = []
    for number in range(replicas) if replica is None else (replica,):
        label = {"replica": str(number)} if replicas > 1 and replica is None else {}
        more = {**label, **addresses.labels}
        site = layout.site.name
        for shard in range(shards):
            own = {"__metrics_path__": "/metrics", "job": OWN_JOB, "site": site, **pace}
            if division is not None:
                own["shard"] = str(shard)
            groups.append({"targets": [addresses.of(shard, number)], "labels": {**own, **more}})
        groups += [
            _array(layout, array, addresses.of(owners[array], number), more) for array in targets
        ]
    return groups


def _array(layout: Layout, array: int, address: str, more: dict[str, str]) -> TargetGroup:
    name = layout.unit_name(UnitKind.ARRAY, array)
    return {
        "targets": [address],
        "labels": {
            "__metrics_path__": f"/arrays/{name}/metrics",
            "job": ARRAY_JOB,
            "site": layout.site.name,
            "hall": layout.hall_name(array),
            "array": name,
            **more,
        },
    }
