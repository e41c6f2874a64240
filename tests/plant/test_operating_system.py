"""Operating systems of hosts: what a job, a reboot and faults make of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.catalog import HOST
from twin.plant import Conditions, Plant
from twin.plant.host_load import HostLoad, HostSize, HostTroubles
from twin.plant.operating_system import OperatingSystems
from twin.plant.workload import Demand
from twin.plant.workload.levels import STORAGE_BURST, STORAGE_QUIET
from twin.site import Layout, parse_site

SIZE = HostSize(threads=224, memory=2.164e12, root=1.8e12, data=3e13, read=4.4e10, write=2.4e10)
USUAL = HostLoad(hot=17.0, user=9.0, system=2.5, memory=2.6e11, cached=2e8, read=6e7)
WELL = HostTroubles()
COUNTERS = [signal.name for signal in HOST if signal.kind != "gauge"]


def systems(usual: HostLoad = USUAL) -> OperatingSystems:
    """Two racks of two hosts."""
    return OperatingSystems((2, 2), SIZE, usual, np.random.default_rng(3))


def test_a_site_that_shows_no_hosts_computes_none() -> None:
    """At ``off`` neither frames nor the plant know of operating systems."""
    plant = Plant(Layout(parse_site("{name: x, racks: 2, telemetry: {host: off}}", "x")))
    assert "host" not in plant.outputs()
    assert "uptime" not in plant.outputs()["storage"]


def test_all_signals_are_there() -> None:
    """The plant fills every signal of the host class."""
    layout = Layout(parse_site("{name: x, racks: 2, telemetry: {host: full}}", "x"))
    plant = Plant(layout)
    plant.step(1.0, Conditions.healthy(layout))
    assert plant.outputs()["host"].keys() == {signal.name for signal in HOST}


@pytest.mark.parametrize(
    "trouble",
    [
        WELL,
        HostTroubles(runaway=400.0),
        HostTroubles(leak=2e10),
        HostTroubles(disk_speed=0.01, fill=1e9),
    ],
)
def test_counters_never_go_back(trouble: HostTroubles) -> None:
    """Whatever happens to a host that stays up, every counter rises or stands still."""
    hosts = systems()
    before = {name: value.copy() for name, value in hosts.outputs().items()}
    for _ in range(300):
        hosts.step(USUAL, trouble, 1.0, None)
        after = {name: np.array(value) for name, value in hosts.outputs().items()}
        assert [name for name in COUNTERS if (after[name] < before[name]).any()] == []
        before = after


def test_a_second_has_a_second_of_every_thread() -> None:
    """The modes add up to the threads of a host, whatever is asked of it."""
    hosts = systems()
    for load in (USUAL, HostLoad(user=500.0, system=90.0, blocked=200.0)):
        before = sum(value for name, value in hosts.outputs().items() if name.startswith("cpu_")
                     and name != "cpu_frequency")  # fmt: skip
        before = np.array(before)
        hosts.step(load, WELL, 1.0, None)
        after = sum(value for name, value in hosts.outputs().items() if name.startswith("cpu_")
                    and name != "cpu_frequency")  # fmt: skip
        assert after - before == pytest.approx(SIZE.threads, rel=1e-6)


def test_load_averages_follow_what_runs() -> None:
    """After a minute load1 has gone 63 % of the way, load15 6 %."""
    hosts = systems(HostLoad(user=0.0, system=0.0))
    for _ in range(60):
        hosts.step(HostLoad(user=100.0, system=0.0), WELL, 1.0, None)
    values = hosts.outputs()
    assert values["load1"].mean() == pytest.approx(63.2, rel=0.05)
    assert values["load15"].mean() == pytest.approx(6.45, rel=0.1)


def test_a_reboot_begins_anew() -> None:
    """A host that was down shows nothing meanwhile, and then counts from nothing."""
    hosts = systems()
    up = np.ones((2, 2), dtype=np.bool_)
    up[0, 1] = False
    hosts.step(USUAL, WELL, 1.0, up)
    values = hosts.outputs()
    assert all(np.isnan(value[0, 1]) and np.isfinite(value[0, 0]) for value in values.values())
    for _ in range(20):
        hosts.step(USUAL, WELL, 1.0, None)
    values = hosts.outputs()
    assert values["uptime"][0, 1] == 20.0
    assert values["uptime"][0, 0] > 86_400.0
    assert values["cpu_idle"][0, 1] <= 20 * SIZE.threads


def test_memory_is_what_there_is() -> None:
    """Programs, cache and what is free make up the memory; a leak takes the cache, then all."""
    hosts = systems()
    for seconds in (1, 400):
        for _ in range(seconds):
            hosts.step(USUAL, HostTroubles(leak=1e10), 1.0, None)
        now = hosts.outputs()
        used = now["memory_anonymous"] + now["memory_shared"] + now["memory_cache"]
        assert (used <= 0.99 * SIZE.memory).all()
        assert (now["memory_available"] >= 0.0).all()
    assert (now["memory_available"] < 0.03 * SIZE.memory).all()
    assert (now["oom_kills"] > 0.0).all()
    hosts.step(USUAL, WELL, 1.0, None)
    assert (hosts.outputs()["memory_available"] > 0.5 * SIZE.memory).all()


def test_a_hang_keeps_spinning() -> None:
    """The ranks of a job that hangs use as much CPU as those of one that trains."""
    training = systems()
    hanging = systems()
    for _ in range(5):
        training.step(USUAL, WELL, 1.0, None)
        hanging.step(USUAL._replace(user=0.6, read=0.0, cached=0.0), WELL, 1.0, None)
    assert hanging.outputs()["cpu_hot"] == pytest.approx(training.outputs()["cpu_hot"])


@pytest.mark.parametrize("kind", ["slurm", "kubernetes"])
def test_hosts_of_a_scheduler_follow_its_jobs(kind: str) -> None:
    """Where jobs hold single GPUs, a host is as busy as its GPUs are taken."""
    text = f"{{name: x, racks: 2, scheduler: {{kind: {kind}}}, telemetry: {{host: full}}}}"
    layout = Layout(parse_site(text, "x"))
    plant = Plant(layout)
    for _ in range(5):
        plant.step(1.0, Conditions.healthy(layout))
    assert plant.outputs()["host"]["load1"].shape == (2, 8)


def test_a_host_waits_as_long_for_its_checkpoints_whatever_the_step() -> None:
    """In a minute with a checkpoint of 15 s a host waits as long for it in one step as in sixty."""
    layout = Layout(parse_site("{name: x, racks: 1, telemetry: {host: full}}", "x"))
    waited, conditions = [], Conditions.healthy(layout)
    for dt in (1.0, 60.0):
        plant = Plant(layout, seed=2)
        hosts, nics, inlet = plant.halls.systems, plant.nics, plant.servers.inlet
        assert hosts is not None
        before = float(hosts.outputs()["cpu_iowait"].sum())
        for second in range(round(60.0 / dt)):
            share = 0.25 if dt > 1.0 else float(second < 15)
            use = STORAGE_QUIET * (1.0 - share) + STORAGE_BURST * share
            hosts.step(replace(_demand(), storage=use), nics, inlet, conditions, None, dt)
        waited.append(float(hosts.outputs()["cpu_iowait"].sum()) - before)
    assert waited[1] == pytest.approx(waited[0], rel=0.01)


def _demand() -> Demand:
    """What a job asks for that computes all the time."""
    return Demand(
        activity=np.ones((1, 1)), wait=0.2, busy=1.0, compute=1.0, network=0.1, congestion=0.0,
        storage=0.0, framebuffer=0.9, present=1.0,
    )  # fmt: skip
