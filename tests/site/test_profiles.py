"""Workloads as data: the shipped ones, and those of a site."""

from __future__ import annotations

import pytest

from twin.errors import ConfigError
from twin.site import job_places, load_site, parse_site, profile_names, profile_of

SITE = "name: mine\nracks: 4\n"
OWN = """\
jobs:
  - {name: one, racks: 1, workload: llm-serving}
  - {name: two, racks: 1, workload: bert, training: {step_seconds: 0.5}}
  - {name: three, racks: 1, workload: mine}
workloads:
  - {name: mine, activity: [[0.1, 0.5], [0.9, 0.6]], training: {eval_seconds: 3}}
"""


@pytest.mark.parametrize("name", profile_names())
def test_each_that_ships_says_what_it_is(name: str) -> None:
    """A profile has a title, levels unless it pre-trains, and the name of its file."""
    profile = profile_of(load_site("demo"), name)
    assert profile is not None
    assert profile.name == name
    assert profile.title
    assert profile.activity or profile.kind == "training"


def test_a_job_has_the_training_of_its_workload_with_its_own_changes() -> None:
    """What a job gives goes before what its workload gives, and that before the site."""
    one, two, three = job_places(parse_site(SITE + OWN, "mine.yaml"))
    assert not one.trains
    assert two.trains
    assert (two.site.training.step_seconds, two.site.training.framebuffer_ratio) == (0.5, 0.75)
    assert three.site.training.eval_seconds == 3


def test_a_workload_that_does_not_exist_is_refused() -> None:
    """The error names the job's workload and all that may be chosen."""
    text = SITE + "jobs: [{name: one, racks: 1, workload: chess}]\n"
    with pytest.raises(ConfigError, match=r"workload 'chess' does not exist; choose .*llm-serving"):
        parse_site(text, "mine.yaml")


@pytest.mark.parametrize(
    ("workload", "error"),
    [
        ("{name: w, activity: [[0.5, 0.6], [0.4, 0.7]]}", "do not rise"),
        ("{name: w, kind: serving}", "serving needs it"),
        ("{name: w, activity: [[0.5, 7]]}", "less than or equal to 2"),
    ],
)
def test_levels_that_make_no_sense_are_refused(workload: str, error: str) -> None:
    """Quantiles rise, serving has some, and none is beyond what a GPU can draw."""
    with pytest.raises(ConfigError, match=error):
        parse_site(f"{SITE}workloads: [{workload}]\n", "mine.yaml")
