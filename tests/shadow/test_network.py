"""The observer beside the NICs of jobs: what a port carries, from its peers in the same job."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest

from tests.every import every
from twin.bench.hidden_reality import KNOWN, readings
from twin.catalog import DEVICES, NIC, UnitKind
from twin.plant.nic import Nics
from twin.plant.units import Floats
from twin.plant.workload import Demand
from twin.shadow import RELATIONS, ShadowCore
from twin.shadow.network_functions import median_of_others
from twin.shadow.placement import NO_JOB, JobPlacement
from twin.site import Layout, parse_site
from twin.wire import Allocation, RackJobs, Snapshot

_JOBS = """
jobs:
  - {name: first, racks: 5}
  - {name: second, racks: 5}
"""
_SITE = KNOWN.replace("racks: 6", "racks: 10") + _JOBS
_INTERVAL = 7.5
_RACKS = 10


class Ports:
    """NICs of two jobs that carry unlike each other, and an observer.

    Attributes:
        nics: the reality.
        shadow: the observer.
        second: how far it is.
        use: of the rails by each rack's job, over the line rate.
        share: what each port counts of what it carries, (racks, ports); sent, received.
    """

    def __init__(self, seed: int) -> None:
        self.layout = Layout(parse_site(_SITE, "known"))
        self._rng = np.random.default_rng(seed)
        self.nics = Nics(self.layout, self._rng)
        self.shadow = ShadowCore(self.layout)
        kept = ("nic_sent", "nic_received")
        self.shadow.watches = {name: self.shadow.watches[name] for name in kept}
        self.second = 0.0
        self.use = np.full((_RACKS, 1), 0.08)
        shape = self.layout.shape(NIC)
        # The ends of a tree or of a pipeline carry less than what lies between.
        self.share = 1.0 + 0.03 * self._rng.standard_normal((2, *shape))
        self._last = np.zeros((2, *shape))
        self._counted = np.full((2, *shape), 1e15)
        self._rows = readings(self.layout)

    def run(self, seconds: float) -> Iterator[float]:
        """Let the observer see so many seconds and yield each at which a block ended."""
        link = np.ones(self.layout.shape(NIC), dtype=np.bool_)
        for _ in range(round(seconds / _INTERVAL)):
            # Steps end anywhere within a frame: what a job exchanges in one differs.
            swing = 1.0 + 0.15 * np.repeat(self._rng.standard_normal((2, 1)), _RACKS // 2, axis=0)
            self.nics.step(_demand(self.use * swing), link, _INTERVAL)
            self.second += _INTERVAL
            before = self.shadow.blocks
            counted = self._count()
            for rack in range(_RACKS):
                self.shadow.take(rack, self._frame(counted[:, rack]))
            if self.shadow.blocks > before:
                yield self.second

    def _count(self) -> Floats:
        now = np.stack((self.nics.tx_bytes, self.nics.rx_bytes))
        noise = 1.0 + 0.01 * self._rng.standard_normal(now.shape)
        if self._last.any():
            self._counted += np.maximum((now - self._last) * self.share * noise, 0.0)
        self._last = now.copy()
        counted: Floats = np.floor(self._counted)
        return counted

    def _frame(self, counted: Floats) -> Snapshot:
        signals = sum(own.on_wire for own in self.layout.reported[NIC.name])
        group = np.full((signals, counted.shape[1]), np.nan)
        for name, values in zip(("nic.tx_bytes", "nic.rx_bytes"), counted, strict=True):
            group[self._rows[name][1]] = values
        return Snapshot(1e9 + self.second, round(self.second * 2), {NIC.name: group})

    def place(self, rack: int, job: int | None, state: str = "running") -> None:
        """Let a scheduler say which job a rack has."""
        name = self.layout.unit_name(UnitKind.RACK, rack)
        own = [] if job is None else [_allocation(job, server, state) for server in range(2)]
        message = RackJobs(rack=name, allocations=tuple(own), nodes=())
        self.shadow.handle(self.shadow.topics.jobs(name), message.encode(), retain=True)


def _demand(use: Floats) -> Demand:
    return Demand(
        activity=np.ones((1, 1)), wait=0.3, busy=1.0, compute=1.0, network=use, congestion=0.0,
        storage=0.002, framebuffer=0.9,
    )  # fmt: skip


def _allocation(job: int, server: int, state: str = "running") -> Allocation:
    return Allocation.model_validate(
        {"job": job, "name": "gpt", "user": "root", "account": "ml", "server": server,
         "gpus": tuple(range(8)), "state": state, "start": 1e9}
    )  # fmt: skip


@pytest.fixture(scope="module")
def calibrated() -> Ports:
    """Return ports of two jobs whose observer has calibrated them, and was silent."""
    ports = Ports(5)
    for _ in ports.run(1_500):
        assert not ports.shadow.findings
    return ports


@pytest.fixture
def known(calibrated: Ports) -> Ports:
    """Return them as they go on by themselves; tables are told by identity and stay."""
    kept = (*DEVICES, *RELATIONS, calibrated.layout)
    return deepcopy(calibrated, {id(own): own for own in kept})


def _causes(ports: Ports, seconds: float) -> list[tuple[str, str]]:
    for _ in ports.run(seconds):
        pass
    return [(own.cause, own.place) for own in ports.shadow.findings]


def test_healthy_hours_are_silent(known: Ports) -> None:
    """Jobs that slow down, stall, write checkpoints and get more to exchange raise no finding."""
    covered = known.shadow.watches["nic_sent"].covered
    assert covered.reshape(-1, 3).all(axis=0).tolist() == [True, True, False]
    uses = (0.08, 0.03, 0.0, 0.08, 0.16, 0.08)
    for number, use in enumerate(uses):
        known.use[:5], known.use[5:] = use, uses[-number]
        for _ in known.run(600):
            assert not known.shadow.findings, known.shadow.findings


def test_port_that_carries_less_is_named(known: Ports) -> None:
    """Of a port whose peers carry as before, an eighth less is found within ten minutes."""
    known.share[:, 1, 4] *= 0.88
    assert _causes(known, 600) == [("nic_behind", "r0002/n2/nic1")]
    assert known.shadow.findings[0].ratio == pytest.approx(-0.12, abs=0.05)


def test_port_that_loses_packets_is_told_from_one_that_is_slow(known: Ports) -> None:
    """What is lost on a cable is missing in what is received, not in what is sent."""
    known.share[1, 8, 0] *= 0.9
    assert _causes(known, 600) == [("nic_loses", "r0009/n1/nic0")]


def test_traffic_on_another_rail_shows_on_both(known: Ports) -> None:
    """A port that has its neighbour's traffic carries more, and the neighbour less."""
    known.share[:, 0, 0] *= 0.6
    known.share[:, 0, 1] *= 1.4
    assert set(_causes(known, 600)) == {
        ("nic_behind", "r0001/n1/nic0"), ("nic_ahead", "r0001/n1/nic1")
    }  # fmt: skip


def test_whole_job_that_is_slow_is_no_finding_of_a_nic(known: Ports) -> None:
    """Where all ports of a job carry a third of what they did, none is behind its peers."""
    known.use[5:] /= 3.0
    assert _causes(known, 900) == []
    assert known.shadow.watches["nic_sent"].covered[7, 0]


def test_ports_of_another_job_are_calibrated_anew(known: Ports) -> None:
    """Where a scheduler gives racks to another job, their ports are learnt again, silently."""
    watch = known.shadow.watches["nic_sent"]
    for rack in range(5):
        known.place(rack, 17)
    known.share[:, :5] = known.share[:, 4::-1]
    assert not watch.own.watching[:5].any()
    assert watch.own.watching[5:].reshape(-1, 3)[:, :2].all()
    assert _causes(known, 1_500) == []
    assert watch.own.watching[:5].reshape(-1, 3)[:, :2].all()
    for rack in range(5):
        known.place(rack, 17, "starting")  # the same job again
    assert _causes(known, 90) == []
    assert not watch.covered[:5].any()
    for rack in range(5):
        known.place(rack, 17)
    assert _causes(known, 300) == []
    assert watch.covered[0, 0]


def test_server_of_several_jobs_or_of_none_is_not_judged() -> None:
    """What is shared, starts, or has no job is placed nowhere; a wrong message changes nothing."""
    layout = Layout(parse_site(_SITE, "known"))
    placement = JobPlacement(layout)
    assert placement.servers[0].tolist() == [1, 1]
    two = RackJobs(
        rack="r0001",
        allocations=(_allocation(5, 0), _allocation(6, 0), _allocation(7, 1, "starting")),
        nodes=(),
    )
    assert not placement.take(0, two).any()
    assert placement.servers[0].tolist() == [NO_JOB, NO_JOB]
    assert placement.take(
        1, RackJobs(rack="r0002", allocations=(_allocation(9, 1),), nodes=())
    ).tolist() == [False, True]
    assert not placement.take(1, None).any()
    assert placement.servers[1].tolist() == [NO_JOB, NO_JOB]
    measured = parse_site(_SITE + "measured: [{rack: 2, hosts: [a, b]}]\n", "real")
    assert JobPlacement(Layout(measured)).servers[:3, 0].tolist() == [1, NO_JOB, 1]
    core = ShadowCore(layout)
    for rack, payload in (("r0003", two.encode()), ("r9999", two.encode()), ("r0001", b"{")):
        core.handle(core.topics.jobs(rack), payload, retain=True)
    wide = RackJobs(rack="r0004", allocations=(_allocation(5, 2),), nodes=())
    core.handle(core.topics.jobs("r0004"), wide.encode(), retain=True)
    assert core.refused == {"foreign": 2, "malformed": 1, "shape": 1}


@every("rows", [2, 5, 6, 11], str)
def test_median_of_others_leaves_itself_out(rows: int) -> None:
    """It is that of all other values that are there, also among equal ones."""
    rng = np.random.default_rng(rows)
    values = rng.integers(0, 4, (rows, 3)).astype(float)
    values[rng.random(values.shape) < 0.15] = np.nan
    found = median_of_others(values, 3)
    for row, column in np.ndindex(values.shape):
        others = np.delete(values[:, column], row)
        others = others[np.isfinite(others)]
        if others.size < 3:
            assert np.isnan(found[row, column])
        else:
            assert found[row, column] == np.median(others)
