"""Commands and their answers, without a broker."""

from __future__ import annotations

import pytest

from twin.emulator import Commands
from twin.faults import FAULTS, FaultSchedule
from twin.site import Layout, load_site
from twin.wire import (
    ActiveFault,
    Clear,
    Faults,
    Inject,
    SetDetail,
    Topics,
    decode_message,
)
from twin.wire.messages import MAX_MESSAGE_BYTES

TOPICS = Topics("demo")


@pytest.fixture
def commands() -> Commands:
    """Commands on the demo site."""
    return Commands(FaultSchedule(Layout(load_site("demo")), FAULTS), TOPICS)


def inject(target: str | None = "r0003/pump1", identifier: str = "one", **fields: float) -> bytes:
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


def test_the_emulator_chooses_a_target(commands: Commands) -> None:
    """Without a target the first place of the site is hit, and the answer says which."""
    ack = commands.handle(TOPICS.command("inject"), inject(None, duration=60.0), now=500.0)
    assert ack is not None
    assert ack.detail == "pump-failure is applied to r0001/pump1 for 60 s of simulated time"


def test_a_wrong_target_is_answered_with_the_remedy(commands: Commands) -> None:
    """A target that does not exist is refused in a sentence, and nothing strikes."""
    ack = commands.handle(TOPICS.command("inject"), inject("r0099/pump1"), now=0.0)
    assert ack is not None
    assert not ack.accepted
    assert "the last of its racks is r0016" in ack.detail
    assert commands.report().active == ()


def test_a_retained_command_is_refused(commands: Commands) -> None:
    """What the broker kept would be carried out anew at every start, so it is not carried out."""
    topic = TOPICS.command("inject")
    assert commands.handle(topic, inject(), now=0.0, retain=True) is None
    assert commands.report().active == ()
    assert commands.handle(topic, inject(), now=0.0) is not None
    commands.handle(TOPICS.command("clear"), Clear(id="two").encode(), now=1.0, retain=True)
    assert len(commands.report().active) == 1


def test_no_more_faults_than_their_list_may_hold(commands: Commands) -> None:
    """The injection whose list would be too long is refused, and every list before it is taken."""
    layout = Layout(load_site("colossus-array"))
    commands = Commands(FaultSchedule(layout, FAULTS), TOPICS)
    longest = "i" * 63
    places = [
        f"r{rack:04}/n{server}/nic{nic}"
        for rack in range(1, 9)
        for server in range(1, 9)
        for nic in range(9)
    ] + [f"r{rack:04}/n{server}/gpu{gpu}" for rack in range(1, 9) for server in range(1, 9)
         for gpu in range(8)]  # fmt: skip
    answers = []
    for number, place in enumerate(places):
        fault = "nic-down" if "nic" in place else "gpu-off-bus"
        identifier = f"{longest[: 63 - len(str(number))]}{number}"
        command = Inject(id=identifier, fault=fault, target=place, duration=1e8)
        answers.append(commands.handle(TOPICS.command("inject"), command.encode(), 1.8e9 + 0.123))
    accepted = [ack for ack in answers if ack is not None and ack.accepted]
    assert len(accepted) == FaultSchedule.MOST < len(places)
    refused = answers[-1]
    assert refused is not None
    assert "clear some first" in refused.detail
    told = commands.report(parameters=True).encode()
    assert len(decode_message(Faults, told).active) == FaultSchedule.MOST


def test_the_longest_list_of_faults_is_a_message() -> None:
    """As many faults as there may be, each with the longest words, fit what is taken."""
    parameters = max((len(fault.model_fields) for fault in FAULTS.values()), default=0)
    fault = ActiveFault(
        id="i" * 63, fault=max(FAULTS, key=len), target="t" * 64,
        since=1_800_000_000.123456, until=1_900_000_000.123456,
        parameters={f"parameter_of_some_words_{n}": 123.456789012345 for n in range(parameters)},
    )  # fmt: skip
    longest = Faults(active=(fault,) * FaultSchedule.MOST)
    assert len(longest.encode()) <= MAX_MESSAGE_BYTES


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
