"""Edition of a real dcgm-exporter: recognised by its metric names and its host label."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache

from twin.catalog import GPU
from twin.catalog.editions import EDITIONS, Edition

__all__ = ["all_gpu_metrics", "edition_of", "metric_in", "telling_metrics"]

_EXPORTER = "dcgm"
_HOST = "Hostname"
"""The host label by the catalogue, which editions may call otherwise."""


@cache
def _names(edition: Edition) -> frozenset[str]:
    """Return the metrics of an edition that the twin knows."""
    own = (edition.row(signal) for signal in GPU if signal.family.key == _EXPORTER)
    return frozenset(signal.metric for signal in own)


@cache
def all_gpu_metrics() -> frozenset[str]:
    """Return the metrics of all editions that the twin knows."""
    return frozenset().union(*map(_names, EDITIONS[_EXPORTER]))


@cache
def telling_metrics() -> frozenset[str]:
    """Return the metrics that some editions have and others do not."""
    common = frozenset.intersection(*map(_names, EDITIONS[_EXPORTER]))
    return all_gpu_metrics() - common


def metric_in(edition: Edition, signal: str) -> str:
    """Return what an edition calls a signal of a GPU."""
    return edition.row(GPU[signal]).metric


def edition_of(metrics: Collection[str], labels: Mapping[str, str]) -> tuple[Edition, str]:
    """Return the edition of an exporter and what was guessed of it, empty for nothing.

    Args:
        metrics: that it shows.
        labels: of one of its series.
    """
    known = EDITIONS[_EXPORTER]
    seen = telling_metrics().intersection(metrics)
    fitting = [own for own in known if seen <= _names(own)]
    guess = ""
    if not fitting:
        fitting = [max(known, key=lambda own: len(seen & _names(own)))]
        guess = f"it shows names of several editions, most of them of {fitting[0].version}"
    labelled = [own for own in fitting if own.labels.get(_HOST, _HOST) in labels]
    if not labelled and not guess:
        guess = f"its host label is of no edition with these names; {fitting[0].version} is taken"
    chosen = labelled or fitting
    if len(chosen) > 1:
        versions = " and ".join(own.version for own in chosen)
        guess = f"{versions} have the names that it shows; {chosen[0].version} is taken"
    return chosen[0], guess
