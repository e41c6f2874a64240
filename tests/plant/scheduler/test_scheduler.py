"""The scheduler: what waits, runs, is preempted, requeued and ends."""

from __future__ import annotations

import numpy as np
import pytest

from twin.errors import ConfigError
from twin.plant import Conditions, Plant
from twin.plant.scheduler import (
    ENDED,
    BatchState,
    NodeCause,
    NodeHealth,
    Scheduler,
    WaitReason,
)
from twin.plant.state import PlantState, restore_plant, state_of
from twin.site import Layout, parse_site

SITE = """
name: small
racks: 4
servers_per_rack: 2
scheduler: {kind: slurm, detect_seconds: 20, repair_seconds: 60, keep_seconds: 100}
"""
"""Eight servers of eight GPUs."""
LONG = "seconds: 1e6, spread: 0, failure_ratio: 0"


def layout(more: str = "", site: str = SITE) -> Layout:
    """Return the small site with more in its file."""
    return Layout(parse_site(site + more, "test"))


def scheduler(more: str = "", site: str = SITE, seed: int = 1) -> Scheduler:
    """Return the scheduler of the small site."""
    return Scheduler(layout(more, site), np.random.default_rng(seed))


def run(own: Scheduler, seconds: int, health: NodeHealth | None = None) -> None:
    """Let seconds pass."""
    for _ in range(seconds):
        own.step(1.0, health or NodeHealth())


def check(own: Scheduler) -> None:
    """Assert what holds at every instant: GPUs and jobs tell the same."""
    held = np.bincount(own.owner[own.owner >= 0], minlength=own.table.rows)
    np.testing.assert_array_equal(held, np.where(own.holding, own.table.gpus, 0))


def test_gpus_and_jobs_agree_at_every_instant() -> None:
    """Over half an hour each job that runs has the GPUs that it asked for, and no other has any."""
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [1, 3, 8, 16], seconds: 120}]")
    for _ in range(900):
        own.step(2.0)
        check(own)
    assert own._arrivals.submitted > 50


def test_cluster_begins_as_if_it_had_run_for_long() -> None:
    """At the start most GPUs are held by jobs that began before, each at a place of its own."""
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [4], seconds: 3600}]")
    running = own.table.state == BatchState.RUNNING
    assert (own.owner >= 0).mean() > 0.8
    assert own.table.start[running].max() < 0
    assert len(set(own.table.done[running])) == running.sum()


@pytest.mark.full
def test_load_is_what_the_site_asks_for() -> None:
    """Over three days users submit as much GPU time as the site says, within a tenth."""
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [1, 2], seconds: 600, spread: 0.3}]")
    held = []
    for _ in range(3 * 1440):
        own.step(60.0)
        held.append((own.owner >= 0).mean())
    assert np.mean(held) == pytest.approx(0.95, rel=0.1)


def test_same_seed_gives_the_same_jobs() -> None:
    """Two schedulers of one seed have the same tables after 900 s, others have not."""
    first, again, other = scheduler(), scheduler(), scheduler(seed=2)
    for own in (first, again, other):
        run(own, 900)
    for name, column in vars(first.table).items():
        np.testing.assert_array_equal(column, vars(again.table)[name])
    assert not np.array_equal(first.owner, other.owner)


def test_ended_jobs_are_shown_for_a_while() -> None:
    """A job that has ended keeps its row for keep_seconds, and then another may have it."""
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [8], seconds: 60}]")
    run(own, 400)
    ended = own.table.among(*ENDED)
    assert ended.any()
    assert (own.time - own.table.end[ended] < 100).all()


def test_node_that_does_not_answer_is_taken_out_and_its_job_requeued() -> None:
    """After the detection its jobs go on elsewhere from their checkpoint, and it is back later."""
    own = scheduler(f"job_mix: [{{name: a, share: 1, gpus: [8], {LONG}}}]")
    own.table.done[:] = 1234.0
    row, up = int(own.owner[3, 0]), np.ones(8, bool)
    up[3] = False
    down = NodeHealth(up=up)
    run(own, 10, down)
    assert own.table.state[row] == BatchState.STALLED
    assert not own.nodes.out[3]
    run(own, 15, down)
    assert own.nodes.out[3]
    assert own.nodes.cause[3] == NodeCause.NOT_RESPONDING
    assert own.table.state[row] == BatchState.PENDING
    assert own.table.cause[row] == WaitReason.NODE_FAIL
    assert own.table.done[row] == 900.0
    assert own.table.restarts[row] == 1
    assert (own.owner[3] < 0).all()
    run(own, 100)
    assert not own.nodes.out[3]


def test_link_or_gpu_that_comes_back_in_time_costs_only_the_wait() -> None:
    """A job whose GPU is lost for a few seconds stalls and goes on, with all its GPUs."""
    own = scheduler(f"job_mix: [{{name: a, share: 1, gpus: [16], {LONG}}}]")
    lost = np.zeros((8, 8), bool)
    lost[2, 5] = True
    row, done = int(own.owner[2, 5]), float(own.table.done[own.owner[2, 5]])
    run(own, 10, NodeHealth(lost=lost))
    assert own.table.state[row] == BatchState.STALLED
    run(own, 5)
    assert own.table.state[row] == BatchState.RUNNING
    assert own.table.done[row] - done == pytest.approx(5, abs=1.5)
    assert own.table.restarts[row] == 0


def test_jobs_beside_a_lost_gpu_run_on_while_the_node_drains() -> None:
    """A single lost GPU drains its node, and only the job that has it is requeued."""
    own = scheduler(f"job_mix: [{{name: a, share: 1, gpus: [1], {LONG}}}]")
    lost = np.zeros((8, 8), bool)
    lost[0, 0] = True
    struck, beside = int(own.owner[0, 0]), int(own.owner[0, 1])
    run(own, 30, NodeHealth(lost=lost))
    assert own.nodes.out[0]
    assert own.table.state[struck] == BatchState.PENDING
    assert own.table.state[beside] == BatchState.RUNNING
    assert own.owner[0, 0] == -1


PREEMPTION = f"""
job_mix:
  - {{name: low, share: 1000, gpus: [8], priority: 10, preemptible: true, {LONG}}}
  - {{name: high, share: 0.001, gpus: [32], priority: 90, {LONG}}}
"""


def test_preemption_takes_no_more_than_it_needs() -> None:
    """A job of four servers evicts the jobs of four, which are requeued, and starts at once."""
    own = scheduler(PREEMPTION + "", SITE.replace("keep", "load_ratio: 1.2, keep"))
    assert (own.owner >= 0).all()
    waiting = int((own.table.state == BatchState.PENDING).sum())
    row = own._arrivals._enter(own.table, 1, 1e6, own.time)
    assert row is not None
    own._dirty = True
    own.step(1.0)
    assert own.table.state[row] == BatchState.STARTING
    evicted = own.table.cause == WaitReason.PREEMPTED
    assert evicted.sum() == 4
    assert (own.table.state == BatchState.PENDING).sum() - waiting == 4
    check(own)


def test_job_that_waits_is_not_starved_by_smaller_ones() -> None:
    """Behind a job that waits for the whole site nothing starts that would delay it."""
    own = scheduler(
        "job_mix:\n  - {name: small, share: 1, gpus: [8], seconds: 300, spread: 0.1}\n"
        "  - {name: all, share: 0.0001, gpus: [64], seconds: 300, spread: 0, priority: 90}\n"
    )
    row = own._arrivals._enter(own.table, 1, 300.0, 0.0)
    own._dirty = True
    run(own, 3)
    assert own.table.reason[row] == WaitReason.RESOURCES
    latest = float((own.table.start + own.table.limit)[own.holding].max())
    while own.time < latest and not own.holding[row]:
        own.step(1.0)
    assert own.holding[row]


def test_queue_that_is_full_refuses_submissions() -> None:
    """No more jobs wait than the site allows, whatever users submit."""
    busy = SITE.replace("keep", "load_ratio: 2, queue_jobs: 5, keep")
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [8], seconds: 600}]", busy)
    for _ in range(1000):
        own.step(20.0)
    assert (own.table.state == BatchState.PENDING).sum() <= 6
    assert own.refused > 0


def test_slurm_is_done_with_a_failed_job_and_kubernetes_tries_again() -> None:
    """Where every job fails once, Slurm's end failed and those of Kubernetes complete."""
    mix = "job_mix: [{name: a, share: 1, gpus: [8], seconds: 60, failure_ratio: 1}]"
    own = scheduler(mix)
    own.table.fails[:] = 0.0
    run(own, 600)
    assert (own.table.state == BatchState.FAILED).any()
    kubernetes = scheduler(mix, SITE.replace("slurm", "kubernetes"))
    run(kubernetes, 600)
    assert not (kubernetes.table.state == BatchState.FAILED).any()
    assert (kubernetes.table.restarts == 1).any()


def plant(more: str = "", site: str = SITE) -> Plant:
    """Return the plant of the small site."""
    return Plant(layout(more, site), seed=1)


def test_gpus_work_where_jobs_are() -> None:
    """A GPU is busy and holds memory if and only if a job has it that is past its start-up."""
    site = SITE.replace("keep", "load_ratio: 0.6, keep")
    own = plant("job_mix: [{name: a, share: 1, gpus: [1, 2], seconds: 300, activity: 1.0}]", site)
    assert own.halls.batch is not None
    conditions = Conditions.healthy(layout())
    for _ in range(300):
        own.step(1.0, conditions)
    scheduled = own.halls.batch.scheduler
    held = scheduled.holding[scheduled.owner] & (scheduled.owner >= 0)
    starting = scheduled.table.state[scheduled.owner] == BatchState.STARTING
    out = own.outputs()["gpu"]
    shape = held.shape
    np.testing.assert_array_equal(out["fb_used"].reshape(shape) > 0, held)
    np.testing.assert_array_equal(out["gpu_util"].reshape(shape) > 0, held & ~starting)
    assert out["power_usage"].reshape(shape)[~held].max() < 80
    assert out["power_usage"].reshape(shape)[held & ~starting].mean() > 450


def test_jobs_of_several_servers_send_among_themselves() -> None:
    """NICs carry traffic between the servers of a job, and those of jobs on one server do not."""
    own = plant(f"job_mix: [{{name: a, share: 1, gpus: [16], {LONG}}}]")
    alone = plant(f"job_mix: [{{name: a, share: 1, gpus: [8], {LONG}}}]")
    conditions = Conditions.healthy(layout())
    for each in (own, alone):
        for _ in range(20):
            each.step(1.0, conditions)
    assert own.nics.sent.max() > 1e9
    assert alone.nics.sent.max() == 0


def test_static_jobs_and_the_scheduler_share_a_site() -> None:
    """A job of the site file keeps its racks, and the scheduler has the others."""
    more = f"jobs: [{{name: big, racks: 1}}]\njob_mix: [{{name: a, share: 1, gpus: [8], {LONG}}}]"
    own = plant(more)
    assert own.halls.batch is not None
    conditions = Conditions.healthy(layout(more))
    for _ in range(10):
        own.step(1.0, conditions)
    owner = own.halls.batch.scheduler.owner
    assert (owner[:2] == -2).all()
    assert (owner[2:] >= -1).all()
    out = own.outputs()
    assert out["gpu"]["gpu_util"][0].min() > 90
    assert out["job"]["steps"].shape == (1, 1)


def test_state_goes_on_to_the_bit() -> None:
    """A plant that takes up the state of another has the same jobs and values from then on."""
    mix = "job_mix: [{name: a, share: 1, gpus: [1, 8, 16], seconds: 120}]"
    first, again = plant(mix), plant(mix)
    conditions = Conditions.healthy(layout(mix))
    for _ in range(100):
        first.step(1.0, conditions)
    taken = state_of(first)
    arrays = {name: array.copy() for name, array in taken.arrays.items()}
    restore_plant(again, PlantState(taken.tree, arrays))
    for _ in range(200):
        first.step(1.0, conditions)
        again.step(1.0, conditions)
    for device, group in first.outputs().items():
        for name, values in group.items():
            np.testing.assert_array_equal(values, again.outputs()[device][name], err_msg=name)
    assert first.halls.batch is not None
    assert again.halls.batch is not None
    assert "plant.halls.batch.scheduler.table.done" in state_of(first).arrays
    assert again.halls.batch.scheduler.version == first.halls.batch.scheduler.version


def test_container_that_crashes_backs_off_and_a_black_hole_eats_slurms_queue() -> None:
    """On an unsound node Kubernetes starts a container again and again; Slurm fails job by job."""
    mix = f"job_mix: [{{name: a, share: 1, gpus: [8], {LONG}}}]"
    unsound = np.zeros(8, bool)
    unsound[1] = True
    crashes = {}
    for kind in ("slurm", "kubernetes"):
        own = scheduler(mix, SITE.replace("slurm", kind).replace("keep", "load_ratio: 2, keep"))
        row = int(own.owner[1, 0])
        for _ in range(300):
            own.crash(unsound)
            own.step(1.0)
        crashes[kind] = int(own.table.crashes[row])
        failed = int((own.table.state == BatchState.FAILED).sum())
        assert failed == 0 if kind == "kubernetes" else failed > 0
    assert crashes["kubernetes"] >= 3


def test_scheduler_that_stands_lets_jobs_run_and_wait() -> None:
    """While it places nothing, jobs end and are submitted, and none starts."""
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [8], seconds: 120}]")
    for _ in range(1500):
        own.step(1.0, placing=False)
    assert not own.holding.any()
    assert (own.table.state == BatchState.PENDING).sum() > 3
    run(own, 5)
    assert own.holding.any()


REFUSED = {
    "is none": "job_mix: [{name: a, share: 1, gpus: [1], seconds: 9}]",
    "'slurm'": "scheduler: {kind: pbs}",
    "no kind of job fits into the 64 GPUs": """
scheduler: {kind: slurm}
job_mix: [{name: a, share: 1, gpus: [128], seconds: 9}]
""",
    "given twice": """
scheduler: {kind: slurm}
job_mix:
  - {name: a, share: 1, gpus: [1], seconds: 9}
  - {name: a, share: 1, gpus: [1], seconds: 9}
""",
    "exporter 'neuron'": "gpu: trainium2\nscheduler: {kind: slurm}",
}


@pytest.mark.parametrize("says", REFUSED)
def test_site_file_that_cannot_be_is_refused(says: str) -> None:
    """One sentence says what is wrong with a scheduler and what to do."""
    with pytest.raises(ConfigError, match=says):
        parse_site("name: x\nracks: 1\n" + REFUSED[says], "test")
