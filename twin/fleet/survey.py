"""Survey of a real Prometheus: the questions of a capture, and the answers.

Labels and names come from strangers: each is cut to a length, and there are only so many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

from twin.catalog import GPU, HOST, NIC, UP
from twin.catalog.editions import EDITIONS
from twin.catalog.selectors import derived, labelled
from twin.errors import ConfigError, ServiceError
from twin.fleet.hosts import HOST_LABELS
from twin.fleet.recognise import all_gpu_metrics, telling_metrics

__all__ = ["Answers", "Survey", "survey"]

_WINDOW = 600.0
_MOST_SERIES = 400_000
_MOST_LABELS = 64
_MOST_LETTERS = 512
_ANCHORS = ("gpu_temp", "power_usage", "gpu_util", "sm_clock", "fb_used", "energy")
"""Signals of which every dcgm-exporter shows one, the first that is there."""


class Answers(Protocol):
    """What a Prometheus is asked for."""

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the series of an instant query."""

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """Return the values of a label, sorted."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a Prometheus says of its fleet.

    Attributes:
        at: its time, unix seconds.
        names: metrics that it has.
        gpus: labels of one series of each GPU.
        telling: labels of series by metric that tell editions apart, without those of GPUs.
        nodes: labels of node_exporter's hosts.
        ports: labels of RDMA ports.
        targets: scrape targets by job: how many there are, and how many do not answer.
        interval: seconds between two scrapes of a GPU, None where it is not known yet.
    """

    at: float
    names: frozenset[str]
    gpus: tuple[Mapping[str, str], ...]
    telling: tuple[Mapping[str, str], ...] = ()
    nodes: tuple[Mapping[str, str], ...] = ()
    ports: tuple[Mapping[str, str], ...] = ()
    targets: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    interval: float | None = None


def survey(prometheus: Answers, at: float, host_labels: Sequence[str] = HOST_LABELS) -> Survey:
    """Return what a Prometheus says of its fleet.

    Args:
        prometheus: answers.
        at: its time.
        host_labels: that may name a host.

    Raises:
        ConfigError: it has no GPUs.
        ServiceError: it does not answer, or in no way that can be read.
    """
    try:
        return _survey(prometheus, at, host_labels)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ServiceError(
            f"Prometheus answers in a way that cannot be read ({type(error).__name__}); is it "
            "the address of a Prometheus, and not of a proxy's page?"
        ) from error


def _survey(prometheus: Answers, at: float, host_labels: Sequence[str]) -> Survey:
    names = frozenset(prometheus.label_values("__name__", "", at - _WINDOW, at))
    shown = names & all_gpu_metrics()
    if not shown:
        raise ConfigError(
            "this Prometheus has no metric of dcgm-exporter in its last ten minutes; scrape "
            "dcgm-exporter, or give the address of the Prometheus that does"
        )
    anchor = _anchor(shown)
    gpus = _labels(prometheus.instant(_any(anchor), at))
    if not gpus:
        raise ConfigError(
            "this Prometheus has metrics of dcgm-exporter but no GPU reports now; look at the "
            "targets of dcgm-exporter"
        )
    telling = sorted(shown & telling_metrics())
    by = ", ".join(dict.fromkeys(("__name__", *host_labels)))
    return Survey(
        at=at,
        names=names,
        gpus=gpus,
        telling=_labels(prometheus.instant(f"group by ({by}) ({_any(telling)})", at)),
        nodes=_labels(prometheus.instant(derived(HOST, "uname_info"), at)),
        ports=_labels(prometheus.instant(NIC["state"].metric, at)),
        targets=_targets(prometheus, at),
        interval=_interval(prometheus, anchor[0], gpus[0], at),
    )


def _anchor(shown: frozenset[str]) -> list[str]:
    """Return the metrics of a signal that tells the GPUs, by all names that are there."""
    for signal in (*_ANCHORS, *(own.name for own in GPU)):
        metrics = {edition.row(GPU[signal]).metric for edition in EDITIONS["dcgm"]} & shown
        if metrics:
            return sorted(metrics)
    raise KeyError("no signal")


def _any(metrics: Iterable[str]) -> str:
    return f'{{__name__=~"{"|".join(metrics)}"}}'


def _labels(series: list[dict[str, Any]]) -> tuple[Mapping[str, str], ...]:
    """Return the labels of some series, as far as they are labels.

    Raises:
        ConfigError: there are too many.
    """
    if len(series) > _MOST_SERIES:
        raise ConfigError(
            f"Prometheus answers with {len(series):,} series, and at most {_MOST_SERIES:,} are "
            "taken; capture parts of the fleet from the Prometheus of each"
        )
    return tuple(
        {
            str(name): str(value)[:_MOST_LETTERS]
            for name, value in list(own["metric"].items())[:_MOST_LABELS]
        }
        for own in series
    )


def _targets(prometheus: Answers, at: float) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for own in prometheus.instant(f"count by (job) ({UP})", at):
        found[str(own["metric"].get("job", ""))[:_MOST_LETTERS]] = int(float(own["value"][1])), 0
    for own in prometheus.instant(f"count by (job) ({UP} == 0)", at):
        job = str(own["metric"].get("job", ""))[:_MOST_LETTERS]
        found[job] = found.get(job, (0, 0))[0], int(float(own["value"][1]))
    return found


def _interval(
    prometheus: Answers, metric: str, labels: Mapping[str, str], at: float
) -> float | None:
    """Return the seconds between two samples of a series, None where there are not three."""
    identity = ",".join(
        labelled(name, labels[name]) for name in ("UUID", "instance", "job") if name in labels
    )
    name = labels.get("__name__", metric)
    series = prometheus.instant(f"{name}{{{identity}}}[{_WINDOW:g}s]", at)
    if not series:
        return None
    times = [float(time) for time, _ in series[0]["values"]]
    apart = [after - before for before, after in pairwise(times)]
    return round(median(apart), 1) if len(apart) > 1 else None
