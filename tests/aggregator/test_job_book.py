"""Jobs that are told over the bus: checked, bounded, and several on one GPU."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.aggregator.conftest import SMALL, Feed
from tests.aggregator.twinning import samples
from twin.aggregator import Core
from twin.aggregator.job_book import BURST_CHANGES, CHANGE_SECONDS
from twin.catalog import UnitKind
from twin.plant import Plant
from twin.site import Layout, parse_site

JOB: dict[str, Any] = {
    "job": 7, "name": "n", "user": "u", "account": "acc", "app": "app", "pod": "n-0-abcde",
    "server": 0, "gpus": [0], "state": "running", "start": 1.0,
}  # fmt: skip
QUEUE: dict[str, Any] = {"v": 1, "ts": 1.0, "jobs": [], "nodes": {"total": 6}}
UP = {"state": "up", "ready": True}
SITE = SMALL + "scheduler: {kind: slurm}\njob_mix: [{name: a, share: 1, gpus: [1], seconds: 9}]"


@pytest.fixture
def scheduled() -> Feed:
    """A small site with a scheduler, all units reporting."""
    layout = Layout(parse_site(SITE, "test"))
    feed = Feed(Core(layout), Plant(layout).outputs())
    feed.core.connected(connected=True)
    feed.site()
    return feed


def message(*allocations: dict[str, Any], rack: str = "r0001", **fields: object) -> bytes:
    """Return a message of a rack's jobs."""
    content = {"v": 1, "rack": rack, "allocations": allocations, "nodes": [UP, UP], **fields}
    return json.dumps(content).encode()


def tell(feed: Feed, *allocations: dict[str, Any], **fields: Any) -> None:
    """Publish the jobs of rack r0001."""
    feed.send("twin/v1/small/jobs/r0001", message(*allocations, **fields), retain=True)


def power(feed: Feed, rack: str = "r0001") -> list[tuple[str, str, str | None, float]]:
    """Return host, GPU, job and value of the power of a rack's GPUs."""
    return [
        (labels["Hostname"], labels["gpu"], labels.get("hpc_job"), value)
        for name, labels, value in samples(bytes(feed.core.array(0)))
        if name == "DCGM_FI_DEV_POWER_USAGE" and labels["rack"] == rack
    ]


def refused(feed: Feed, reason: str) -> float:
    """Return how many messages were refused for a reason."""
    return next(
        value
        for name, labels, value in samples(bytes(feed.core.metrics()))
        if name == "twin_messages_refused_total" and labels["reason"] == reason
    )


def test_each_job_of_a_gpu_has_every_series(scheduled: Feed) -> None:
    """A GPU that two jobs share gives each series twice, with one value and each job's number."""
    assert [own[2] for own in power(scheduled)] == [None] * 4
    tell(scheduled, JOB, {**JOB, "job": 8, "pod": "m-0-abcde", "gpus": [0, 1]})
    shown = power(scheduled)
    assert [own[:3] for own in shown] == [
        ("r0001-n1", "0", "7"),
        ("r0001-n1", "0", "8"),
        ("r0001-n1", "1", "8"),
        ("r0001-n2", "0", None),
        ("r0001-n2", "1", None),
    ]
    assert shown[0][3] == shown[1][3]
    xids = [
        labels["hpc_job"]
        for name, labels, _ in samples(bytes(scheduled.core.array(0)))
        if name == "DCGM_FI_DEV_XID_ERRORS" and "hpc_job" in labels
    ]
    assert xids == ["7", "8", "8"]
    tell(scheduled)
    assert [own[2] for own in power(scheduled)] == [None] * 4


def test_deleted_message_ends_the_labels(scheduled: Feed) -> None:
    """A retained message that is deleted leaves the GPUs of its rack idle."""
    tell(scheduled, JOB)
    scheduled.send("twin/v1/small/jobs/r0001", b"", retain=True)
    assert [own[2] for own in power(scheduled)] == [None] * 4


def test_only_blocks_of_gpus_whose_job_changed_are_made_anew(scheduled: Feed) -> None:
    """The label blocks of all other devices stay the same objects."""
    power(scheduled)
    page = scheduled.core.exposure._arrays[0]
    before = {key: list(own.blocks) for key, own in page._labels._cached.items()}
    tell(scheduled, JOB)
    power(scheduled)
    anew = {
        key: sum(a is not b for a, b in zip(before[key], own.blocks, strict=True))
        for key, own in page._labels._cached.items()
    }
    assert {count for key, count in anew.items() if key[0] == "gpu"} == {1}
    assert {count for key, count in anew.items() if key[0] != "gpu"} == {0}


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("foreign", {"rack": "r0002"}),
        ("shape", {"allocations": [{**JOB, "server": 5}]}),
        ("shape", {"allocations": [{**JOB, "gpus": [2]}]}),
        ("shape", {"nodes": [UP]}),
        ("value", {"allocations": [JOB, JOB]}),
        ("value", {"allocations": [{**JOB, "gpus": [0, 0]}]}),
        ("value", {"allocations": [JOB, {**JOB, "job": 8}]}),
        (
            "value",
            {"allocations": [{**JOB, "job": 9 + n, "pod": f"p{n}"} for n in range(9)]},
        ),
        ("malformed", {"allocations": [{**JOB, "job": -1}]}),
        ("malformed", {"allocations": [{**JOB, "name": "n" * 129}]}),
        ("malformed", {"allocations": [{**JOB, "start": 1e99}]}),
        ("malformed", {"allocations": [{**JOB, "surprise": 1}]}),
        ("oversized", {"allocations": [JOB] * 4097}),
    ],
)
def test_what_cannot_be_is_refused(scheduled: Feed, reason: str, fields: dict[str, object]) -> None:
    """A message that does not fit the rack, or would give a series twice, changes nothing."""
    tell(scheduled, **{"rack": "r0001", **fields})
    assert refused(scheduled, reason) == 1
    assert [own[2] for own in power(scheduled)] == [None] * 4


def test_site_without_a_scheduler_takes_no_jobs(feed: Feed) -> None:
    """Neither the jobs of a rack nor a queue is taken over where there is no scheduler."""
    tell(feed, JOB)
    feed.send("twin/v1/small/queue", json.dumps(QUEUE).encode())
    assert refused(feed, "foreign") == 2


def test_flood_of_new_jobs_is_slowed_down(scheduled: Feed) -> None:
    """A rack takes some changes at once; from then on the last of them waits for its turn."""
    every = [{**JOB, "server": n, "pod": f"p-{n}", "gpus": [0, 1]} for n in (0, 1)]
    for number in range(100):
        tell(scheduled, *({**own, "job": 100 + number} for own in every))
    shown = {own[2] for own in power(scheduled)}
    assert shown == {str(100 + int(BURST_CHANGES) - 1)}
    scheduled.wait(CHANGE_SECONDS)
    scheduled.frame(UnitKind.RACK, 0, ts=scheduled.now, seq=int(scheduled.now))
    assert {own[2] for own in power(scheduled)} == {"199"}


def test_queue_that_tells_of_a_job_twice_is_refused(scheduled: Feed) -> None:
    """No job is counted twice."""
    job = {"job": 1, "name": "n", "user": "u", "account": "a", "gpus": 1, "nodes": 1,
           "state": "pending", "submit": 1.0}  # fmt: skip
    scheduled.send("twin/v1/small/queue", json.dumps({**QUEUE, "jobs": [job, job]}).encode())
    assert refused(scheduled, "value") == 1
