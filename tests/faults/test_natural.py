"""Natural failures: the published rates, reproducible, and all of them faults that exist."""

from __future__ import annotations

from collections import Counter
from math import exp

import pytest

from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.faults.fleets import FLEETS, Fleet, early_failures
from twin.faults.natural import (
    CAUSES,
    JOB_ALONE,
    REPAIR,
    USER_CODES,
    USER_XID,
    Cause,
    NaturalFailures,
    failures_of,
)
from twin.site import Layout, find_target, load_site, parse_site

DAYS = 54 * 86_400.0
CLUSTER = Layout(parse_site("{name: llama, racks: 256}", "test"))


def interval(mean: float, share: float) -> tuple[int, int]:
    """Return the central interval of a Poisson count that holds at least ``share`` of it."""
    low, high, below, count, probability = 0, 0, 0.0, 0, exp(-mean)
    while below < 1 - (1 - share) / 2:
        if below + probability <= (1 - share) / 2:
            low = count + 1
        below += probability
        high = count
        count += 1
        probability *= mean / count
    return low, high


def drawn(seed: int) -> Counter[str]:
    """Return how many failures of each cause 54 days have."""
    return Counter(failure.cause for failure in NaturalFailures(CLUSTER, seed).until(DAYS))


def test_table_is_the_published_one() -> None:
    """419 interruptions on 16,384 GPUs, of which 148 are faulty GPUs: one each 3.1 h."""
    assert CLUSTER.site.gpus == 16_384
    assert sum(cause.count for cause in CAUSES) == 419
    rate = sum(cause.rate(16_384) for cause in CAUSES)
    assert 1 / rate / 3600 == pytest.approx(3.1, abs=0.05)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_54_days_at_16384_gpus(cause: Cause) -> None:
    """Each cause comes as often as the table says, within the 99.9 % interval of Poisson."""
    low, high = interval(cause.count, 0.999)
    assert low <= drawn(0)[cause.name] <= high


def test_total_of_54_days() -> None:
    """All causes together are within the 95 % Poisson interval of 419."""
    low, high = interval(419, 0.95)
    assert (low, high) == (379, 460)
    assert low <= drawn(0).total() <= high


def test_mean_over_seeds() -> None:
    """Over many seeds the mean is the published number, within its standard error times three."""
    totals = [drawn(seed).total() for seed in range(25)]
    assert sum(totals) / 25 == pytest.approx(419, abs=3 * (419 / 25) ** 0.5)


def test_same_seed_same_failures() -> None:
    """A seed gives one list, however it is asked for; another seed gives another."""
    whole = NaturalFailures(CLUSTER, 7).until(DAYS / 10)
    source = NaturalFailures(CLUSTER, 7)
    parts = [failure for part in range(100) for failure in source.until((part + 1) * DAYS / 1000)]
    assert parts == whole
    assert [failure.at for failure in whole] == sorted(failure.at for failure in whole)
    assert NaturalFailures(CLUSTER, 8).until(DAYS / 10) != whole


def test_rate_goes_with_size_and_factor() -> None:
    """Twice the factor brings twice as many."""
    double = len(NaturalFailures(CLUSTER, 1, 2.0).until(DAYS))
    assert double == pytest.approx(838, abs=3 * 838**0.5)


def test_kinds_exist() -> None:
    """Every cause is made of faults of the catalogue, whose shares add up to 1."""
    for cause in CAUSES:
        assert {kind for kind, *_ in cause.faults} <= FAULTS.keys()
        assert sum(share for _, share, _ in cause.faults) == pytest.approx(1.0)
        assert all(seconds > 0 for *_, seconds in cause.faults)


@pytest.mark.parametrize("site", ["demo", "shared", "colossus-array", "colossus-100k"])
def test_every_failure_can_strike(site: str) -> None:
    """The schedule of any site accepts each failure: the places exist."""
    layout = Layout(load_site(site))
    failures = NaturalFailures(layout, 3, 1e4 if site != "colossus-100k" else 1.0).until(86_400.0)
    assert len(failures) > 20
    for failure in failures:
        strike = FaultSchedule(layout, FAULTS).inject(
            "natural", failure.kind, failure.target, failure.at, failure.seconds,
            failure.parameters,
        )  # fmt: skip
        assert strike.until > failure.at


SHARING = """
name: shared
racks: 16
jobs: [{name: a, racks: 9}, {name: b, racks: 3}, {name: c, racks: 2, workload: idle}]
"""


def test_software_fails_where_it_runs() -> None:
    """A job crashes the more often the larger it is; idle jobs and idle racks never do."""
    layout = Layout(parse_site(SHARING, "test"))
    failures = NaturalFailures(layout, 1, 100.0).until(10 * DAYS)
    users = [f for f in failures if f.kind == USER_XID]
    crashes = Counter(f.target for f in failures if FAULTS[f.kind].target == "job")
    crashes.update("a" if int(f.target[1:5]) <= 9 else "b" for f in users)
    assert {int(f.target[1:5]) for f in users} == set(range(1, 13))
    for code, share in USER_CODES.items():
        assert sum(f.code == code for f in users) / len(users) == pytest.approx(share, abs=0.05)
    assert crashes.keys() == {"a", "b"}
    assert crashes["a"] / crashes["b"] == pytest.approx(3.0, rel=0.15)
    rate = sum(cause.count for cause in CAUSES if cause.faults[0][0] in ("job-crash",
               "software-hang"))  # fmt: skip
    assert crashes.total() == pytest.approx(rate * 1000 * 12 * 64 / 16_384, rel=0.1)


def test_without_a_training_job_no_software_fails() -> None:
    """Hardware fails whether it is used or not."""
    text = "{name: x, racks: 16, jobs: [{name: a, racks: 1, workload: idle}]}"
    failures = NaturalFailures(Layout(parse_site(text, "test")), 1, 1e3).until(DAYS)
    targets = {FAULTS[failure.kind].target for failure in failures}
    assert "gpu" in targets
    assert "job" not in targets


def test_spec() -> None:
    """none, natural and natural:FACTOR are understood; anything else is refused."""
    assert failures_of("none", CLUSTER, 0) is None
    plain, more = failures_of("natural", CLUSTER, 0), failures_of("natural:10", CLUSTER, 0)
    assert plain is not None
    assert more is not None
    assert len(more.until(DAYS)) > 5 * len(plain.until(DAYS))
    for wrong in ("", "natural:", "natural:0", "natural:x", "natural:nan", "unnatural", "none:1",
                  "rsc-3", "rsc-1@", "natural@5", "natural+repair", "+repairs"):  # fmt: skip
        with pytest.raises(ConfigError, match="natural:100"):
            failures_of(wrong, CLUSTER, 0)


def test_strike() -> None:
    """Due failures begin in the schedule; the same fault at the same place is left out."""
    layout = Layout(parse_site("{name: small, racks: 1, servers_per_rack: 1}", "test"))
    schedule = FaultSchedule(layout, FAULTS)
    source = NaturalFailures(layout, 0, 1e4)
    struck = source.apply(schedule, 6 * 3600.0, epoch=1e9)
    assert len(struck) == len(schedule.active)
    assert 0 < len(struck) < len(NaturalFailures(layout, 0, 1e4).until(6 * 3600.0))
    assert schedule.active[0].since == pytest.approx(1e9 + struck[0].at)
    assert len({(s.fault.kind, s.target) for s in schedule.active}) == len(struck)
    assert source.apply(schedule, 6 * 3600.0, epoch=1e9) == []


def test_a_full_schedule_leaves_failures_out_and_counts_them() -> None:
    """As many faults as the schedule takes are in force; each failure beyond is counted."""
    failures, schedule = NaturalFailures(CLUSTER, factor=1e6), FaultSchedule(CLUSTER, FAULTS)
    coming = NaturalFailures(CLUSTER, factor=1e6).until(20.0)
    struck = failures.apply(schedule, 20.0, epoch=0.0)
    assert len(struck) == len(schedule.active) == FaultSchedule.MOST
    assert 0 < failures.left_out < len(coming) - len(struck)


def test_supplies_of_shelves_fail_where_there_are_shelves() -> None:
    """A rack with power shelves has no supplies in its servers, so one of a shelf fails."""
    layout = Layout(parse_site("{name: joined, racks: 2, rack: nvl72}", "joined"))
    failures = NaturalFailures(layout, seed=1, factor=1e5).until(86_400.0)
    supplies = [each for each in failures if each.cause == "power supply"]
    assert {each.kind for each in supplies} == {"shelf-psu-failure"}
    for each in supplies[:20]:
        assert find_target(layout, each.target).kind == "shelf_psu"


@pytest.mark.parametrize("fleet", FLEETS, ids=lambda fleet: fleet.name)
def test_nodes_of_a_fleet_fail_as_published(fleet: Fleet) -> None:
    """All causes together are the failures in 1,000 node-days that the source gives."""
    expected = fleet.per_1000_node_days * 2.048 * 54
    failures = NaturalFailures(CLUSTER, 2, fleet=fleet).until(DAYS)
    drawn = sum(each.cause not in {JOB_ALONE.name, REPAIR} for each in failures)
    assert drawn == pytest.approx(expected, abs=3 * expected**0.5)


@pytest.mark.parametrize(
    ("name", "gpus", "hours"),
    [
        ("llama-3", 1024, 49.5),
        ("llama-3", 16_384, 54 * 24 / 419),
        ("rsc-1", 1024, 7.9),
        ("rsc-1", 8, 47.7 * 24),
        ("rsc-2", 1024, 24_000 / (2.34 * 128)),
    ],
)
def test_a_job_runs_as_long_as_published(name: str, gpus: int, hours: float) -> None:
    """The mean time to failure of a job is that of its fleet's source, within 15 %."""
    (fleet,) = (each for each in FLEETS if each.name == name)
    assert fleet.job_hours(gpus) == pytest.approx(hours, rel=0.15)


@pytest.mark.parametrize(("name", "hours"), [("llama-3", 49.5), ("rsc-1", 7.9)])
def test_drawn_failures_leave_a_job_of_1024_gpus_its_time(name: str, hours: float) -> None:
    """A site of 1,024 GPUs with one job is struck as often as the source says, within a tenth."""
    site = Layout(parse_site("{name: one, racks: 16}", "test"))
    struck = failures_of(f"{name}:20", site, 5)
    assert struck is not None
    assert DAYS / 3600.0 / len(struck.until(DAYS)) * 20 == pytest.approx(hours, rel=0.1)


def test_lemons_fail_again_and_again() -> None:
    """A percent of the nodes of RSC-1 has 70 % of the failures of nodes, at places that exist."""
    failures = failures_of("rsc-1:10", CLUSTER, 4)
    assert failures is not None
    assert len(failures.lemons) == 25
    due = [each for each in failures.until(DAYS) if each.cause != JOB_ALONE.name]
    struck = [each.target for each in due if each.target.startswith("r")]
    names = {f"r{lemon // 8 + 1:04d}/n{lemon % 8 + 1}" for lemon in failures.lemons}
    own = sum(any(target == n or target.startswith(f"{n}/") for n in names) for target in struck)
    assert own / len(struck) == pytest.approx(0.7, abs=0.03)
    links = [f.cause for f in failures_of("rsc-1", CLUSTER, 1).until(DAYS)]  # type: ignore[union-attr]
    causes = [cause for cause, _ in Counter(links).most_common(2)]
    assert causes == [JOB_ALONE.name, "network switch or cable"]


def test_a_new_site_fails_more_often() -> None:
    """In its first days it fails three times as often as when it is old."""
    assert early_failures(0.0) == pytest.approx(3.0)
    young, old = (failures_of(spec, CLUSTER, 5) for spec in ("natural:20@0d", "natural:20"))
    assert young is not None
    assert old is not None
    ratio = len(young.until(86_400.0)) / len(old.until(86_400.0))
    assert ratio == pytest.approx(3.0, rel=0.3)
