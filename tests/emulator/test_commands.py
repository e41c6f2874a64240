"""Commands and their answers, without a broker."""

from __future__ import annotations

import pytest

from twin.emulator import Commands
from twin.faults import FAULTS, FaultSchedule
from twin.site import Layout, load_site
from twin.wire import Clear, Inject, SetDetail, Topics

TOPICS = Topics("demo")


@pytest.fixture
def commands() -> Commands:
    """Commands on the demo site."""
    return Commands(FaultSchedule(Layout(load_site("demo")), FAULTS), TOPICS)


def inject(target: str = "r0003/pump1", identifier: str = "one", **fields: float) -> bytes:
    """Return an encoded command."""
    return Inject.model_validate(
        {"id": identifier, "fault": "pump-failure", "target": target, **fields}
    ).encode()


def test_inject_is_answered_and_reported(commands: Commands) -> None:
    """An accepted fault is acknowledged under its id and listed as active."""
    ack = commands.handle(TOPICS.command("inject"), inject(duration=60.0), now=500.0)
    assert ack is not None
    assert (ack.id, ack.accepted) == ("one", True)
    (active,) = commands.report().active
    assert (active.fault, active.target) == ("pump-failure", "r0003/pump1")
    assert (active.since, active.until) == (500.0, 560.0)


def test_a_wrong_target_is_answered_with_the_remedy(commands: Commands) -> None:
    """A target that does not exist is refused in a sentence, and nothing strikes."""
    ack = commands.handle(TOPICS.command("inject"), inject("r0099/pump1"), now=0.0)
    assert ack is not None
    assert not ack.accepted
    assert "the last of its racks is r0016" in ack.detail
    assert commands.report().active == ()


def test_clear(commands: Commands) -> None:
    """Clearing tells how many faults ended."""
    commands.handle(TOPICS.command("inject"), inject(), now=0.0)
    ack = commands.handle(TOPICS.command("clear"), Clear(id="two").encode(), now=1.0)
    assert ack is not None
    assert ack.detail == "1 fault cleared"
    assert commands.report().active == ()


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPICS.command("inject"), b"{"),
        (TOPICS.command("inject"), b'{"v":2}'),
        (TOPICS.command("inject"), b'{"v":1,"id":"a","fault":"x","target":"y","extra":1}'),
        (TOPICS.command("explode"), inject()),
        (TOPICS.command("detail"), SetDetail(id="one", detail=("rack",)).encode()),
        ("twin/v1/demo/grid", inject()),
        ("elsewhere", inject()),
    ],
)
def test_nonsense_is_not_answered(commands: Commands, topic: str, payload: bytes) -> None:
    """What is no command gets no answer and does no harm."""
    assert commands.handle(topic, payload, now=0.0) is None
    assert commands.report().active == ()
