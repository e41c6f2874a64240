"""Repairs: nodes come back as long after a fault as was measured."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from tests.every import every
from twin.faults import FAULTS, FaultSchedule
from twin.faults.fleets import FLEETS
from twin.faults.natural import CAUSES, REPAIR, Cause, Failure, failures_of
from twin.faults.repairs import REPAIRS
from twin.site import Layout, find_target, parse_site

CLUSTER = Layout(parse_site("{name: llama, racks: 256}", "test"))
DAY = 86_400.0
_OTHERS = {"nvlink-error", "nic-flap", "gpu-cold-plate", "leaf-down"}
"""Faults that end when they are found, or are of no node."""
(STEPFUN,) = (fleet for fleet in FLEETS if fleet.name == "stepfun")


@cache
def _drawn(spec: str, days: float) -> list[Failure]:
    failures = failures_of(spec, CLUSTER, 0)
    assert failures is not None
    return failures.until(days * DAY)


@every("what", list(REPAIRS))
def test_the_table_rises(what: str) -> None:
    """Quantiles rise, and between two of them so does the time, through the measured ones."""
    repair = REPAIRS[what]
    assert list(repair.quantiles) == sorted(repair.quantiles)
    assert len(repair.quantiles) == len(repair.SHARES)
    assert repair.seconds(0.5) / 3600.0 == pytest.approx(repair.quantiles[3])
    times = [repair.seconds(share) for share in np.linspace(0.0, 1.0, 41)]
    assert times == sorted(times)
    assert times[0] >= 60.0


def test_all_measured_repairs_are_in_the_table() -> None:
    """The table has the 570 repairs of the trace, and a fleet the trace's 584 faults."""
    assert sum(own.count for own in REPAIRS.values()) == 570
    assert sum(STEPFUN.counts.values()) == 584
    assert set(STEPFUN.counts) <= {cause.name for cause in CAUSES}


@every("cause", CAUSES, lambda cause: cause.name)
def test_every_fault_of_a_node_has_a_repair(cause: Cause) -> None:
    """A cause that hits nodes names a row of the table, one that hits jobs alone none."""
    assert bool(cause.repair) == (cause.hits != "job")
    assert cause.repair in {"", *REPAIRS}


@every("what", ["GPU", "cable", "host"])
def test_nodes_come_back_as_measured(what: str) -> None:
    """Half of the failures last no longer than half of those measured, and so do nine in ten."""
    causes = {own.name for own in CAUSES if own.repair == what}
    lasting = [
        own.seconds / 3600.0
        for own in _drawn("stepfun:40", 20)
        if own.cause in causes and own.kind not in _OTHERS
    ]
    assert len(lasting) > 200
    below = [np.mean(np.array(lasting) <= REPAIRS[what].quantiles[place]) for place in (3, 5)]
    assert below == pytest.approx([0.5, 0.9], abs=0.06)


def test_a_slow_server_is_drained_and_repaired() -> None:
    """When a flapping link is found, its server is out for the repair; failures stay in order."""
    failures = _drawn("natural+repairs:50", 20)
    assert [own.at for own in failures] == sorted(own.at for own in failures)
    flaps = [own for own in failures if own.kind == "nic-flap" and own.at + own.seconds < 20 * DAY]
    out = {(own.at, own.target) for own in failures if own.cause == REPAIR}
    assert len(flaps) > 20
    for flap in flaps:
        assert (flap.at + flap.seconds, flap.target.rpartition("/")[0]) in out


def test_repairs_change_only_how_long_failures_last() -> None:
    """The same failures come at the same places and times, with or without measured repairs."""
    usual, repaired = _drawn("natural:20", 10), _drawn("natural+repairs:20", 10)
    come = [(own.at, own.kind, own.target) for own in repaired if own.cause != REPAIR]
    assert come == [(own.at, own.kind, own.target) for own in usual]
    assert REPAIR not in {own.cause for own in usual}
    software = [own.seconds for own in usual if own.cause == "software"]
    assert software == [own.seconds for own in repaired if own.cause == "software"]


def test_a_quarter_of_the_servers_has_most_faults() -> None:
    """On 400 servers in 348 days about 169 have no fault, and the 20 worst a quarter of all."""
    layout = Layout(parse_site("{name: stepfun, racks: 50}", "test"))
    clean, worst = [], []
    for seed in range(3):
        failures = failures_of("stepfun", layout, seed)
        assert failures is not None
        places = [own.target.split("/") for own in failures.until(348 * DAY) if own.cause != REPAIR]
        struck = Counter(tuple(place[:2]) for place in places if place[0].startswith("r"))
        clean.append(400 - len(struck))
        worst.append(sum(count for _, count in struck.most_common(20)) / struck.total())
    assert np.mean(clean) == pytest.approx(169, abs=20)
    assert np.mean(worst) == pytest.approx(0.24, abs=0.04)


def test_repairs_begin_in_the_schedule() -> None:
    """A site with many failures has nodes out for days, all at places that exist."""
    layout = Layout(parse_site("{name: small, racks: 4}", "test"))
    schedule, failures = FaultSchedule(layout, FAULTS), failures_of("stepfun:200", layout, 3)
    assert failures is not None
    struck = failures.apply(schedule, DAY, epoch=1e9)
    assert any(own.seconds > 2 * DAY for own in struck)
    for own in struck:
        assert find_target(layout, own.target).kind == FAULTS[own.kind].target
