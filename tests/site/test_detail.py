"""How much of each array is exposed, in the words that a person sets it with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.catalog import Detail
from twin.errors import ConfigError
from twin.site import DetailPlan, load_site, parse_site

SITE, RACK, GPU = Detail

PLANS = st.lists(st.sampled_from(Detail), min_size=1, max_size=40).map(
    lambda levels: DetailPlan(tuple(levels))
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["rack"], [RACK] * 5),
        (["rack", "a002=gpu"], [RACK, GPU, RACK, RACK, RACK]),
        (["rack,a002=gpu"], [RACK, GPU, RACK, RACK, RACK]),
        (["rack , a002=gpu"], [RACK, GPU, RACK, RACK, RACK]),
        (["a002-a004=site", "a003=rack"], [GPU, SITE, RACK, SITE, GPU]),
        (["a002=site", "gpu"], [GPU] * 5),
        (["a005-a005=site"], [GPU, GPU, GPU, GPU, SITE]),
        ([], [GPU] * 5),
    ],
)
def test_settings_are_taken_in_order(settings: list[str], expected: list[Detail]) -> None:
    """A word is for all arrays, a name for one, a range for some; a later one wins."""
    assert list(DetailPlan.of(5, GPU).changed(settings).levels) == expected


@given(PLANS)
def test_settings_are_the_plan(plan: DetailPlan) -> None:
    """What a plan is written as makes the same plan of any other."""
    for level in Detail:
        assert DetailPlan.of(len(plan.levels), level).changed(plan.settings) == plan


def test_settings_are_short() -> None:
    """The commonest detail is said once, and arrays in a row together."""
    plan = DetailPlan((RACK, GPU, GPU, RACK, RACK, SITE))
    assert plan.settings == ("rack", "a002-a003=gpu", "a006=site")
    assert str(plan) == "rack, a002-a003=gpu, a006=site"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("full", "'full' is not valid; write site, rack, gpu for all arrays, or for example"),
        ("a001", "'a001' is not valid"),
        ("a001=", "'a001=' is not valid"),
        ("a001=GPU", "'a001=GPU' is not valid"),
        ("", "'' is not valid"),
        ("=gpu=gpu", "'=gpu' names no array"),
        ("a006=gpu", "'a006' names no array of this site"),
        ("a000=gpu", "'a000' names no array"),
        ("a1=gpu", "write a001, or a001-a005 for several; the last is a005"),
        ("a001-=gpu", "'a001-' names no array"),
        ("a001-a009=gpu", "'a001-a009' names no array"),
        ("a004-a002=gpu", "'a004-a002' ends before it begins; write a002-a004"),
        ("a\u0660\u0660\u0661=gpu", "names no array"),
    ],
)
def test_mistakes_are_told(setting: str, words: str) -> None:
    """The sentence repeats what was written and says how to write it."""
    with pytest.raises(ConfigError) as caught:
        DetailPlan.of(5, GPU).changed([setting])
    assert words in str(caught.value)
    assert str(caught.value).startswith("detail ")


@given(st.lists(st.text(max_size=20), max_size=3))
def test_nothing_else_is_raised(settings: list[str]) -> None:
    """Whatever a command carries, it is a plan or a ConfigError."""
    try:
        plan = DetailPlan.of(5, GPU).changed(settings)
    except ConfigError:
        return
    assert len(plan.levels) == 5


def test_a_site_says_its_detail() -> None:
    """A site's file gives the detail in the same words."""
    text = "{name: x, racks: 48, telemetry: {detail: 'rack, a001=gpu, a003-a004=site'}}"
    assert DetailPlan.of_site(parse_site(text, "x")).settings == (
        "rack",
        "a001=gpu",
        "a003-a004=site",
    )


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("full", "telemetry.detail 'full' is not valid"),
        ("'rack, a009=gpu'", "telemetry.detail 'a009=gpu': 'a009' names no array of this site"),
        ("3", "telemetry.detail: is 3; input should be a valid string"),
    ],
)
def test_a_site_with_a_wrong_detail_is_refused(detail: str, words: str) -> None:
    """The key, the value and what is allowed are named."""
    with pytest.raises(ConfigError) as caught:
        parse_site(f"{{name: x, racks: 40, telemetry: {{detail: {detail}}}}}", "mine.yaml")
    assert f"mine.yaml: {words}" in str(caught.value)


def test_a_million_gpus_are_not_exposed_one_by_one() -> None:
    """The largest site begins with its racks; every other one exposes all."""
    assert DetailPlan.of_site(load_site("colossus-1m")).settings == ("rack",)
    assert DetailPlan.of_site(load_site("colossus-100k")).settings == ("gpu",)
