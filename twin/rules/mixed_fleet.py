"""Mixed fleet: a scenario in which half of the hosts have another edition of an exporter."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from twin.catalog.editions import EDITIONS
from twin.rules.sampling import MetricFamily, Samples

__all__ = ["mixed"]

_JOBS = frozenset(editions[0].family.job for editions in EDITIONS.values())


def mixed(first: Samples, second: Samples) -> Samples:
    """Return what is scraped when every other host has the edition of the second samples."""
    names = dict.fromkeys((*first.families, *second.families))
    families = {name: _family(name, first, second) for name in names}
    return Samples(first.interval, first.scrapes, families)


def _family(name: str, first: Samples, second: Samples) -> MetricFamily:
    labels: list[Mapping[str, str]] = []
    values = [np.empty((0, first.scrapes))]
    for samples, later in ((first, False), (second, True)):
        family = samples.families.get(name)
        if family is not None:
            keep = [i for i, own in enumerate(family.labels) if _has_later(own) is later]
            labels += [family.labels[i] for i in keep]
            values.append(family.values[keep])
    return MetricFamily(labels, np.concatenate(values))


def _has_later(labels: Mapping[str, str]) -> bool:
    """Return whether a series is of a host with the second edition."""
    if labels.get("job") not in _JOBS:
        return False
    return bool(zlib.crc32(labels.get("instance", "").encode()) % 2)
