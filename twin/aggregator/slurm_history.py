"""History of Slurm's nodes: what soperator's exporter counts itself while it runs.

As there, the counts begin with the aggregator, a state counts from the message that tells of it,
and a duration once it is over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan

from twin.aggregator.state_series import StateSeries
from twin.catalog.schedulers import DURATION_BUCKETS
from twin.wire import Allocation, NodeReport, RackJobs

__all__ = ["Durations", "NodeHistory", "SlurmHistory", "base_state", "gpus_held", "is_away"]


_MOST_REASONS = 64
"""Reasons for which a node's failures are counted each by themselves."""


def gpus_held(allocations: Sequence[Allocation], server: int) -> int:
    """Return how many GPUs of a server have a job."""
    return len({gpu for own in allocations if own.server == server for gpu in own.gpus})


def base_state(report: NodeReport, held: int, gpus: int) -> str:
    """Return the state of a node without its flags."""
    if report.state == "down":
        return "DOWN"
    return "IDLE" if not held else "ALLOCATED" if held == gpus else "MIXED"


def is_away(base: str, report: NodeReport) -> bool:
    """Return whether a node counts as unavailable."""
    return base == "DOWN" or not report.ready or (base == "IDLE" and report.state == "drain")


@dataclass(slots=True)
class Durations:
    """A histogram of durations.

    Attributes:
        counts: by bucket, the last one for those beyond all bounds.
        total: of all in s.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BUCKETS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one more."""
        self.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class NodeHistory:
    """What became of a node.

    Attributes:
        state: its base state, and whether it is drained.
        until: simulated time up to which its GPU seconds are counted, NaN before any is known.
        gpu_seconds: by state.
        fails: by state and reason.
        away_since: begin of the time in which it is unavailable, None while it is not.
        draining_since: likewise of its draining.
        away: durations that are over.
        draining: likewise.
    """

    state: tuple[str, str]
    until: float
    gpu_seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    fails: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    away_since: float | None = None
    draining_since: float | None = None
    away: Durations = field(default_factory=Durations)
    draining: Durations = field(default_factory=Durations)

    def count(self, gpus: int, now: float) -> None:
        """Count the GPU seconds up to a moment."""
        if not isnan(self.until) and now > self.until:
            counted = self.gpu_seconds.get(self.state, 0.0)
            self.gpu_seconds[self.state] = counted + gpus * (now - self.until)
        if isnan(self.until) or now > self.until:
            self.until = now


class SlurmHistory:
    """The nodes of all racks, by the rack's index on the site.

    Args:
        gpus: of a server.
    """

    def __init__(self, gpus: int) -> None:
        self._gpus = gpus
        self._racks: dict[int, list[NodeHistory]] = {}

    def see(self, rack: int, told: RackJobs | None, now: float) -> None:
        """Take note of what the scheduler says of a rack.

        Args:
            rack: its index.
            told: its message, None where it was deleted.
            now: simulated time, unix seconds; NaN before it is known.
        """
        if told is None:
            self._racks.pop(rack, None)
            return
        known = self._racks.setdefault(rack, [])
        for server, report in enumerate(told.nodes):
            base = base_state(report, gpus_held(told.allocations, server), self._gpus)
            state = (base, "true" if report.state != "up" else "false")
            if server == len(known):
                known.append(NodeHistory(state, now))
            node = known[server]
            node.count(self._gpus, now)
            if node.state[1] == "false" and state[1] == "true":
                failure = (*state, report.reason)
                if failure in node.fails or len(node.fails) < _MOST_REASONS:
                    node.fails[failure] += 1
            node.state = state
            drains = state[1] == "true" and base in ("ALLOCATED", "MIXED")
            node.away_since = _turn(node.away_since, node.away, now, holds=is_away(base, report))
            node.draining_since = _turn(node.draining_since, node.draining, now, holds=drains)

    def write(self, series: StateSeries, rack: int, names: Sequence[str], now: float) -> None:
        """Add what is known of a rack's nodes.

        Args:
            series: to which it is added.
            rack: its index.
            names: of its nodes in Slurm.
            now: simulated time, unix seconds.
        """
        for name, node in zip(names, self._racks.get(rack, ()), strict=False):
            node.count(self._gpus, now)
            for (base, drain), seconds in node.gpu_seconds.items():
                labels = (name, base, drain, "false", "false")
                series.add("slurm_node_gpu_seconds_total", labels, seconds)
            for (base, drain, reason), count in node.fails.items():
                labels = (name, base, drain, "false", "false")
                series.add("slurm_node_fails_total", (*labels, reason), count)
            for what, durations in (("unavailability", node.away), ("draining", node.draining)):
                if sum(durations.counts):
                    series.add_durations(
                        f"slurm_node_{what}_duration_seconds", (name,), durations.counts,
                        durations.total,
                    )  # fmt: skip


def _turn(since: float | None, durations: Durations, now: float, *, holds: bool) -> float | None:
    """Return since when something holds, and count its duration where it has ended."""
    if holds:
        return now if since is None else since
    if since is not None and not isnan(since):
        durations.observe(max(0.0, now - since))
    return None
