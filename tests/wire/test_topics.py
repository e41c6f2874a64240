"""Topics: written and read by one class."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.catalog import UnitKind
from twin.wire import TopicAddress, Topics

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)


@given(
    site=names, name=names, kind=st.sampled_from([k for k in UnitKind if k is not UnitKind.GRID])
)
def test_topics_parse_is_the_inverse_of_frame(site: str, name: str, kind: UnitKind) -> None:
    """A frame's topic says which unit of which site it is from."""
    assert Topics.parse(Topics(site).frame(kind, name)) == TopicAddress(site, kind.value, name)


@given(site=names, name=names)
def test_topics_parse_is_the_inverse_of_the_others(site: str, name: str) -> None:
    """Every other topic says its kind and its name, too."""
    topics = Topics(site)
    for kind, topic, rest in [
        ("grid", topics.frame(UnitKind.GRID, name), "grid"),
        ("racks", topics.blocks(name), name),
        ("status", topics.status(name), name),
        ("meta", topics.meta(name), f"rack/{name}"),
        ("command", topics.command(name), name),
        ("ack", topics.ack(name), name),
        ("faults", topics.faults, ""),
        ("detail", topics.detail, ""),
    ]:
        assert Topics.parse(topic) == TopicAddress(site, kind, rest)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (Topics("demo").frame(UnitKind.RACK, "r0001"), "twin/v1/demo/rack/r0001"),
        (Topics("demo").frames(UnitKind.RACK), "twin/v1/demo/rack/+"),
        (Topics("demo").frames(UnitKind.GRID), "twin/v1/demo/grid"),
        (Topics("demo").frame(UnitKind.JOB, "pretrain"), "twin/v1/demo/job/pretrain"),
        (Topics("demo").blocks("a001"), "twin/v1/demo/racks/a001"),
        (Topics("demo").status("+"), "twin/v1/demo/status/+"),
        (Topics("demo").meta("r0001"), "twin/v1/demo/meta/rack/r0001"),
        (Topics("demo").command("inject"), "twin/v1/demo/command/inject"),
        (Topics("demo").ack("a1"), "twin/v1/demo/ack/a1"),
        (Topics("demo").faults, "twin/v1/demo/faults"),
        (Topics("demo").detail, "twin/v1/demo/detail"),
        (Topics("demo").everything, "twin/v1/demo/#"),
    ],
)
def test_topics_are_spelt_as_the_contract_says(topic: str, expected: str) -> None:
    """Other programs subscribe to these words, so they are pinned."""
    assert topic == expected


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "twin",
        "twin/v1",
        "twin/v1/demo",
        "twin/v1/demo/",
        "twin/v1//rack/r0001",
        "twin/v1/demo/rack/",
        "twin/v1/demo//r0001",
        "twin/v2/demo/rack/r0001",
        "/twin/v1/demo/rack/r0001",
        "twin/v1/demo/grid/1",
        "Twin/v1/demo/rack/r0001",
        "$SYS/broker/uptime",
    ],
)
def test_topics_parse_knows_what_is_foreign(topic: str) -> None:
    """A topic of another program or another version is nobody's frame."""
    assert Topics.parse(topic) is None


@given(st.text())
def test_topics_parse_never_raises(topic: str) -> None:
    """Whatever a stranger publishes to, there is an answer."""
    address = Topics.parse(topic)
    assert address is None or topic.startswith(f"twin/v1/{address.site}/{address.kind}")
