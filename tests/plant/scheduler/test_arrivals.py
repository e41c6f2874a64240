"""Arrivals of jobs by measured lengths, sizes and ends."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plant.scheduler.test_scheduler import SITE, check, layout, run, scheduler
from twin.errors import ConfigError
from twin.plant import Conditions, Plant
from twin.plant.scheduler import (
    ENDED,
    HOLDING,
    BatchState,
    Lengths,
    Scheduler,
    WaitReason,
    ending_shares,
)
from twin.plant.state import PlantState, restore_plant, state_of
from twin.site import parse_site

LENGTHS = ((10.0, 20.0), (100.0, 60.0), (1000.0, 100.0))
MEASURED = "lengths: [[10, 20], [100, 60], [1000, 100]]"


def test_lengths_are_those_of_the_points() -> None:
    """A fifth of the drawn lengths is the shortest one, two fifths lie between each two points."""
    own = Lengths(LENGTHS)
    drawn = np.array([own.at(chance) for chance in np.random.default_rng(0).random(20_000)])
    assert (drawn <= 10.01).mean() == pytest.approx(0.2, abs=0.01)
    assert (drawn <= 100).mean() == pytest.approx(0.6, abs=0.01)
    assert drawn.max() <= 1000
    (kind,) = parse_site(f"{SITE}job_mix: [{{name: a, share: 1, gpus: [1], {MEASURED}}}]", "t").mix
    assert drawn.mean() == pytest.approx(kind.mean_seconds, rel=0.03)


def test_a_job_that_is_found_running_is_a_long_one() -> None:
    """Jobs found at an instant have the mean length of the jobs weighted by their length."""
    own, rng = Lengths(LENGTHS), np.random.default_rng(0)
    new = np.array([own.at(chance) for chance in rng.random(20_000)])
    found = np.array([own.found_at(*rng.random(2).tolist()) for _ in range(20_000)])
    assert found.mean() == pytest.approx((new**2).mean() / new.mean(), rel=0.03)


def test_jobs_end_as_their_length_says() -> None:
    """Between two points the shares of failed and of cancelled jobs go with the logarithm."""
    more = f"{SITE}job_mix: [{{name: a, share: 1, gpus: [1], {MEASURED},"
    (kind,) = parse_site(f"{more} ends: [[10, 0, 60], [1000, 80, 0]]}}]", "t").mix
    assert ending_shares(kind, 10.0) == pytest.approx((0.6, 0.0))
    assert ending_shares(kind, 100.0) == pytest.approx((0.3, 0.4))
    assert ending_shares(kind, 5000.0) == pytest.approx((0.0, 0.8))


def test_jobs_run_as_long_as_was_drawn_however_they_end() -> None:
    """Jobs of a minute end after a minute, start-up included: completed, cancelled or failed."""
    minute = "lengths: [[60, 100]], ends: [[1, 40, 30]]"
    own = scheduler(f"job_mix: [{{name: a, share: 1, gpus: [4], {minute}}}]")
    table, lasted, states = own.table, [], set()
    own.statistics.completed = own.statistics.failed = own.statistics.cancelled = 0
    for _ in range(600):
        own.step(1.0)
        for row in np.nonzero(table.among(*ENDED) & (table.end == own.time))[0].tolist():
            states.add(BatchState(int(table.state[row])))
            lasted.append(table.end[row] - table.start[row])
    assert states == set(ENDED)
    assert np.array(lasted[20:]) == pytest.approx(60, abs=2.0)
    ended = own.statistics
    whole = ended.completed + ended.failed + ended.cancelled
    assert ended.cancelled / whole == pytest.approx(0.4, abs=0.12)


def test_a_job_shorter_than_its_start_up_ends_in_it() -> None:
    """A job of five seconds has its GPUs for about five seconds."""
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [8], lengths: [[5, 100]]}]")
    run(own, 60)
    ended = own.table.among(*ENDED) & (own.table.start > 0)
    assert ended.any()
    assert (own.table.end - own.table.start)[ended].max() <= 7


def test_an_array_job_comes_at_once_and_the_load_stays() -> None:
    """Jobs that come together share their time of submission, and use as many GPUs in the mean."""
    mix = "job_mix: [{name: a, share: 1, gpus: [1], seconds: 60, spread: 0, together: 8}]"
    own = scheduler(mix, SITE.replace("keep", "load_ratio: 0.5, keep"))
    held, times = [], set()
    for _ in range(1500):
        own.step(4.0)
        held.append((own.owner >= 0).mean())
        times |= set(own.table.submit[own.table.submit > 0].tolist())
    assert own.statistics.submitted / len(times) == pytest.approx(8, rel=0.3)
    # Starting takes 40 s of each, which the load does not count.
    assert np.mean(held) == pytest.approx(0.5 * 100 / 60, rel=0.25)


def test_sizes_come_by_their_shares() -> None:
    """Nine of ten jobs ask for one GPU where its share is nine times the other's."""
    own = scheduler("job_mix: [{name: a, share: 1, gpus: [1, 4], gpu_shares: [9, 1], seconds: 30}]")
    sizes: dict[int, int] = {}
    for _ in range(300):
        own.step(2.0)
        known = own.table.state > 0
        numbers, gpus = own.table.number[known].tolist(), own.table.gpus[known].tolist()
        sizes |= dict(zip(numbers, gpus, strict=True))
    assert np.mean(np.array(list(sizes.values())) == 1) == pytest.approx(0.9, abs=0.05)


def test_a_kind_has_no_more_gpus_than_it_may() -> None:
    """What is beyond a kind's limit waits for it with GPUs free, and holds no other kind up."""
    mix = (
        "job_mix:\n  - {name: a, share: 20, gpus: [8], seconds: 3000, most_gpus: 16}\n"
        "  - {name: b, share: 1, gpus: [8], seconds: 60, priority: 10}\n"
    )
    own = scheduler(mix, SITE.replace("keep", "load_ratio: 2, keep"))
    for _ in range(600):
        own.step(4.0)
        check(own)
        kinds = own.table.kind[own.owner[own.owner >= 0]]
        assert (kinds == 0).sum() <= 16
    waiting = own.table.state == BatchState.PENDING
    assert (own.table.reason[waiting & (own.table.kind == 0)] == WaitReason.LIMIT).all()
    assert not (own.table.reason[waiting & (own.table.kind == 1)] == WaitReason.LIMIT).any()
    assert (own.owner < 0).any()


QUOTA = (
    "job_mix:\n  - {name: a, share: 3, gpus: [8, 16], seconds: 300, quota_ratio: 0.5}\n"
    "  - {name: b, share: 1, gpus: [1], seconds: 60, priority: 10}\n"
)
BUSY = SITE.replace("keep", "load_ratio: 2, keep")


def _asked(own: Scheduler) -> int:
    """Return the GPUs of the jobs of the first kind that wait or run."""
    there = own.holding | (own.table.state == BatchState.PENDING)
    return int(own.table.gpus[there & (own.table.kind == 0)].sum())


def test_users_with_a_quota_submit_what_fits_into_it() -> None:
    """Jobs with a quota of half the GPUs take no more, start at once and follow in their order."""
    own, most = scheduler(QUOTA, BUSY), 0
    started = []
    before = int(own.table.among(BatchState.PENDING, *HOLDING).sum())
    for _ in range(900):
        own.step(4.0)
        check(own)
        most = max(most, _asked(own))
        now = (own.table.start == own.time) & (own.table.kind == 0)
        started += list(zip(own.table.submit[now], own.table.number[now], strict=True))
        assert (own.table.submit[now] == own.time).all()
    assert 24 <= most <= 32
    assert len(started) > 10
    assert started == sorted(started)
    told, there = own.statistics, int(own.table.among(BatchState.PENDING, *HOLDING).sum())
    ended = told.completed + told.failed + told.cancelled
    assert told.submitted == there - before + ended
    assert own._arrivals.planned is not None
    assert own._arrivals.planned.state.any()


def test_a_load_beyond_the_quotas_starts_with_what_they_allow() -> None:
    """Where all users have a quota of half the GPUs, a load of all of them begins with half."""
    more = "job_mix: [{name: a, share: 1, gpus: [8], seconds: 900, quota_ratio: 0.5}]"
    own = scheduler(more, BUSY)
    assert (own.owner >= 0).sum() == _asked(own) == 32


def test_a_job_whose_servers_exceed_the_quota_runs_alone() -> None:
    """A job of 20 GPUs gets 24 of whole servers and runs though its quota is 21."""
    more = "job_mix: [{name: a, share: 1, gpus: [20], seconds: 60, spread: 0, quota_ratio: 0.33}]"
    own = scheduler(more, BUSY)
    run(own, 300)
    assert own.statistics.completed > 1
    assert _asked(own) == 24


def test_planned_jobs_outlive_a_restart() -> None:
    """A plant that takes up the state of another submits the same planned jobs as it goes on."""
    first, again = (Plant(layout(QUOTA, BUSY), seed=1) for _ in range(2))
    healthy = Conditions.healthy(layout(QUOTA, BUSY))
    for _ in range(20):
        first.step(8.0, healthy)
    taken = state_of(first)
    restore_plant(
        again, PlantState(taken.tree, {name: own.copy() for name, own in taken.arrays.items()})
    )
    for _ in range(30):
        first.step(8.0, healthy)
        again.step(8.0, healthy)
    assert first.halls.batch is not None
    assert again.halls.batch is not None
    one, other = first.halls.batch.scheduler, again.halls.batch.scheduler
    assert one._arrivals.planned is not None
    assert one._arrivals.planned.state.any()
    np.testing.assert_array_equal(one.owner, other.owner)
    np.testing.assert_array_equal(one.table.number, other.table.number)


def test_a_job_waits_until_it_is_let_in() -> None:
    """Where a scheduler takes 30 s to let a job in, no job starts sooner, and none later."""
    more = "job_mix: [{name: a, share: 1, gpus: [1], seconds: 60, admission: [[30, 100]]}]"
    own, waits = scheduler(more, SITE.replace("keep", "load_ratio: 0.2, keep")), []
    for _ in range(600):
        own.step(2.0)
        now = own.table.start == own.time
        waits += (own.table.start - own.table.submit)[now].tolist()
        waiting = own.table.state == BatchState.PENDING
        assert (own.table.reason[waiting] == WaitReason.NONE).all()
    assert len(waits) > 20
    assert set(waits) == {30.0}


def test_a_cancelled_job_of_kubernetes_is_deleted() -> None:
    """On Kubernetes a cancelled Job leaves at once, on Slurm it is shown as cancelled."""
    ends = "failure_ratio: 0, cancel_ratio: 1"
    mix = f"job_mix: [{{name: a, share: 1, gpus: [8], seconds: 60, {ends}}}]"
    for kind, shown in (("slurm", True), ("kubernetes", False)):
        own = scheduler(mix, SITE.replace("slurm", kind))
        own.table.fails[:], own.table.ending[:] = 0.0, BatchState.CANCELLED
        run(own, 200)
        assert own.statistics.cancelled > 0
        assert (own.table.state == BatchState.CANCELLED).any() == shown


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("gpus: [1]", "a: give either seconds or lengths"),
        (f"gpus: [1], seconds: 3, {MEASURED}", "a: give either seconds or lengths"),
        ("gpus: [1, 2], gpu_shares: [1], seconds: 3", "1 shares for the 2 sizes of gpus"),
        ("gpus: [1], lengths: [[10, 50], [5, 100]]", "must rise in seconds"),
        ("gpus: [1], lengths: [[10, 50], [50, 90]]", "end with 100 %"),
        ("gpus: [1], seconds: 3, admission: [[9, 50]]", "admission must rise .* end with 100 %"),
        ("gpus: [1], seconds: 3, ends: [[1, 2, 3]]", "ends are for lengths"),
        (f"gpus: [1], {MEASURED}, ends: [[1, 60, 50]]", "more than 100 %"),
        ("gpus: [1], seconds: 3, failure_ratio: 0.6, cancel_ratio: 0.6", "more than 1"),
    ],
)
def test_a_kind_that_makes_no_sense_is_refused(wrong: str, says: str) -> None:
    """The error names the kind and what is wrong with it."""
    with pytest.raises(ConfigError, match=says):
        parse_site(f"{SITE}job_mix: [{{name: a, share: 1, {wrong}}}]", "mine.yaml")
