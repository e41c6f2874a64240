"""Jobs that share a site: where they stand, what they are called, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import GPU, JOB, NIC, UnitKind
from twin.errors import ConfigError, TargetError
from twin.site import (
    Layout,
    Target,
    find_target,
    job_of,
    job_places,
    load_site,
    parse_site,
    profile_names,
    series_labels,
)

THREE = """
name: mine
racks: 20
training: {eval_seconds: 9}
jobs:
  - {name: large, racks: 10}
  - {name: small, racks: 4, training: {step_seconds: 3}}
  - {name: held, racks: 2, workload: idle}
"""


@pytest.fixture(scope="module")
def layout() -> Layout:
    """Three jobs on sixteen of twenty racks."""
    return Layout(parse_site(THREE, "mine.yaml"))


def test_a_site_without_jobs_has_one(demo: Layout) -> None:
    """It has all racks, the name it always had and the site's own parameters."""
    (job,) = job_places(demo.site)
    assert (job.name, job.workload, job.racks) == ("pretrain", "training", range(16))
    assert job.site is demo.site
    assert job_of(demo.site, 15) == "pretrain"


def test_jobs_follow_each_other(layout: Layout) -> None:
    """Racks go to the jobs in order, and those left over are idle."""
    assert [job.racks for job in job_places(layout.site)] == [
        range(10),
        range(10, 14),
        range(14, 16),
    ]
    assert [job.arrays for job in job_places(layout.site)] == [range(2), range(1, 2), range(1, 2)]
    assert [job.gpus for job in job_places(layout.site)] == [640, 256, 128]
    held = [job_of(layout.site, rack) for rack in (0, 9, 10, 14, 16, 19)]
    assert held == ["large", "large", "small", "held", None, None]
    assert layout.units(UnitKind.JOB) == 3
    assert [layout.unit_name(UnitKind.JOB, unit) for unit in range(3)] == ["large", "small", "held"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 9))
def test_every_rack_has_one_job_at_most(racks: list[int], idle: int) -> None:
    """Jobs do not overlap, and together they hold what they were given."""
    jobs = ", ".join(f"{{name: job{index}, racks: {count}}}" for index, count in enumerate(racks))
    site = parse_site(f"{{name: x, racks: {sum(racks) + idle}, jobs: [{jobs}]}}", "x")
    layout = Layout(site)
    assert [len(job.racks) for job in job_places(layout.site)] == racks
    held = [rack for job in job_places(layout.site) for rack in job.racks]
    assert held == list(range(sum(racks)))
    assert all(job_of(layout.site, rack) is None for rack in range(sum(racks), site.racks))


def test_a_job_overrides_what_it_names(layout: Layout) -> None:
    """What a job does not say of its training is as the site says, and then as by default."""
    large, small, _ = (job.site.training for job in job_places(layout.site))
    assert (large.step_seconds, large.eval_seconds) == (None, 9.0)
    assert (small.step_seconds, small.eval_seconds) == (3.0, 9.0)
    assert small.checkpoint_seconds == 16.0


def test_a_job_has_the_model_of_its_racks() -> None:
    """A job on the second block of a site reckons with that block's GPUs."""
    text = (
        "name: x\nblocks: [{racks: 2, gpu: h100-sxm}, {racks: 2, gpu: h200-sxm}]\n"
        "jobs: [{name: old, racks: 2}, {name: new, racks: 2}]"
    )
    models = [job.site.gpu.key for job in job_places(parse_site(text, "x"))]
    assert models == ["h100-sxm", "h200-sxm"]


def test_gpus_carry_the_name_of_their_job(layout: Layout, demo: Layout) -> None:
    """As with dcgm-exporter's job mapping: the GPUs of a job, and nothing else."""
    signal = GPU["gpu_temp"]

    def named(place: Layout, rack: int) -> str | None:
        return dict(series_labels(place, signal, GPU, rack, 0)).get("hpc_job")

    assert [named(layout, rack) for rack in (0, 13, 15, 16)] == ["large", "small", "held", None]
    assert named(demo, 0) is None
    assert "hpc_job" not in dict(series_labels(layout, NIC["up"], NIC, 0, 0))
    labels = [name for name, _ in series_labels(layout, signal, GPU, 0, 0)]
    assert labels.index("hpc_job") == labels.index("DCGM_FI_DRIVER_VERSION") + 1


def test_series_of_a_job_carry_its_name(layout: Layout) -> None:
    """Every job is a target of its own."""
    labels = [dict(series_labels(layout, JOB["steps"], JOB, unit, 0)) for unit in range(3)]
    assert [row["training_job"] for row in labels] == ["large", "small", "held"]
    assert [row["instance"] for row in labels] == ["large:8000", "small:8000", "held:8000"]


def test_a_job_is_a_target(layout: Layout) -> None:
    """A fault finds a job by its name; who names another is told which there are."""
    assert find_target(layout, "small") == Target("small", "job", 1)
    with pytest.raises(TargetError, match=r"or a job \(large, small, held\)"):
        find_target(layout, "pretrain")


def test_many_jobs_are_not_all_named() -> None:
    """Of a site with a hundred jobs the sentence names the first."""
    jobs = ", ".join(f"{{name: job{index}, racks: 1}}" for index in range(100))
    layout = Layout(parse_site(f"{{name: x, racks: 100, jobs: [{jobs}]}}", "x"))
    with pytest.raises(TargetError, match=r"or a job \(job0, job1, job2, job3, job4, …\)"):
        find_target(layout, "pretrain")


@pytest.mark.parametrize(
    ("jobs", "sentence"),
    [
        ("[{name: a, racks: 2}, {name: b, racks: 3}]",
         "x.yaml: jobs hold 5 racks, but the site has only 4; remove some"),
        ("[{name: a, racks: 2}, {name: a, racks: 1}]",
         "x.yaml: jobs: the name 'a' is given twice; every job has its own"),
        ("[{name: grid, racks: 2}]",
         ("x.yaml: jobs: the name 'grid' is that of another place, which faults could not tell "
          "from the job; choose another")),
        ("[{name: r0001, racks: 2}]",
         ("x.yaml: jobs: the name 'r0001' is that of another place, which faults could not tell "
          "from the job; choose another")),
        ("[{name: a/b, racks: 2}]",
         ("x.yaml: jobs.0.name: is 'a/b'; string should match pattern "
          "'^[a-z0-9][a-z0-9-]{0,62}$'")),
        ("[{name: a}]", "x.yaml: jobs.0.racks: is missing and must be given"),
        ("[{name: a, racks: 0}]",
         "x.yaml: jobs.0.racks: is 0; input should be greater than or equal to 1"),
        ("[{name: a, racks: 1, workload: sleep}]",
         "x.yaml: jobs: workload 'sleep' does not exist; choose training, idle, "
         + ", ".join(profile_names())),
        ("[{name: a, racks: 1, training: {steps: 3}}]",
         ("x.yaml: jobs.0.training.steps: there is no such key; remove it or correct its "
          "spelling")),
    ],
)  # fmt: skip
def test_what_is_no_job_is_refused(jobs: str, sentence: str) -> None:
    """One sentence says the place, the value and what to do."""
    with pytest.raises(ConfigError) as caught:
        parse_site(f"{{name: x, racks: 4, jobs: {jobs}}}", "x.yaml")
    assert str(caught.value) == sentence


def test_defaults_of_a_job() -> None:
    """A job that gives only its name and its racks trains as the site does."""
    (job,) = parse_site("{name: x, racks: 1, jobs: [{name: a, racks: 1}]}", "x").jobs
    assert (job.workload, job.training.model_fields_set) == ("training", set())


def test_shipped_example() -> None:
    """Two jobs of different size and pace, and idle racks."""
    layout = Layout(load_site("shared"))
    assert [(job.name, len(job.racks)) for job in job_places(layout.site)] == [
        ("pretrain", 10),
        ("finetune", 4),
    ]
    assert job_of(layout.site, 15) is None
