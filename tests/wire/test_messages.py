"""Messages beside frames: strict, short in their complaints, never fatal."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twin.errors import FrameError
from twin.wire import (
    Ack,
    ActiveFault,
    Clear,
    Clock,
    DetailSetting,
    EmulatorStatus,
    Faults,
    Inject,
    RackMeta,
    SetDetail,
    decode_message,
)
from twin.wire.messages import MAX_MESSAGE_BYTES, Message

MODELS = (EmulatorStatus, RackMeta, Faults, Inject, Clear, SetDetail, DetailSetting, Ack)

EXAMPLES: tuple[Message, ...] = (
    EmulatorStatus(emulator="e1", state="online", clock=Clock(simulated=10.0, wall=1.7e9), ticks=3),
    EmulatorStatus(emulator="e1", state="lost"),
    RackMeta(
        rack="r0001",
        gpu_model="NVIDIA H100 80GB HBM3",
        gpu_uuids=("GPU-1",),
        hostnames=("r0001-n1",),
        driver_version="570",
    ),
    Faults(
        active=(
            ActiveFault(id="c1", fault="pump-failure", target="r0001/pump1", since=1.0, until=None),
        )
    ),
    Inject(id="c1", fault="pump-failure", target="r0001/pump1", duration=30.0, parameters={"n": 1}),
    Clear(id="c2"),
    SetDetail(id="c3", detail=("rack", "a001=gpu")),
    SetDetail(id="c4", reset=True),
    DetailSetting(detail=("rack", "a001-a004=gpu")),
    Ack(id="c1", accepted=False, detail="there is no such fault"),
)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_message_round_trip(message: Message) -> None:
    """A message comes back equal and says its version."""
    payload = message.encode()
    assert json.loads(payload)["v"] == 1
    assert decode_message(type(message), payload) == message


@pytest.mark.parametrize(
    ("model", "payload", "place"),
    [
        (Clear, b"", "message"),
        (Clear, b"null", "message"),
        (Clear, b"[1]", "message"),
        (Clear, b"{}", "id"),
        (Clear, b'{"id":"a","v":2}', "v"),
        (Clear, b'{"id":"a","colour":"red"}', "colour"),
        (Clear, b'{"id":"a/b"}', "id"),
        (Clear, b'{"id":"#"}', "id"),
        (Clear, b'{"id":""}', "id"),
        (Clear, b'{"id":"a\\n"}', "id"),
        (Inject, b'{"id":"a","fault":"f","target":"r0001","duration":0}', "duration"),
        (Inject, b'{"id":"a","fault":"f","target":"r0001","duration":NaN}', "duration"),
        (Inject, b'{"id":"a","fault":"f","target":"r0001","duration":Infinity}', "duration"),
        (Inject, b'{"id":"a","fault":"f","target":"r","parameters":{"n":NaN}}', "parameters.n"),
        (Inject, b'{"id":"a","fault":"f","target":"r","parameters":{"n":"x"}}', "parameters.n"),
        (Inject, b'{"id":"a","fault":"f","target":"%s"}' % (b"r" * 65), "target"),
        (EmulatorStatus, b'{"emulator":"e","state":"asleep"}', "state"),
        (EmulatorStatus, b'{"emulator":"e","state":"online","speed":0}', "speed"),
        (EmulatorStatus, b'{"emulator":"e","state":"online","frames":-1}', "frames"),
    ],
)
def test_message_refusal_names_the_place(model: type[Message], payload: bytes, place: str) -> None:
    """A command that is not understood says which key is wrong."""
    with pytest.raises(FrameError) as caught:
        decode_message(model, payload)
    assert caught.value.reason == "malformed"
    assert caught.value.detail.startswith(f"{place}: ")


def test_message_that_is_too_large_is_not_parsed() -> None:
    """Size is looked at first."""
    with pytest.raises(FrameError, match=r"^oversized: 262145 bytes, at most 262144$"):
        decode_message(Clear, b" " * (MAX_MESSAGE_BYTES + 1))


def test_message_refusal_is_short_whatever_was_sent() -> None:
    """A key of a hundred kilobytes does not reach the log."""
    with pytest.raises(FrameError) as caught:
        decode_message(Clear, json.dumps({"id": "a", "x" * 100_000: 1}).encode())
    assert len(str(caught.value)) < 400


@settings(deadline=None)
@given(
    model=st.sampled_from(MODELS),
    payload=st.binary(max_size=64)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["id", "v", "active"]), inner)
        ),
    ).map(lambda tree: json.dumps(tree).encode()),
)
@example(model=Clear, payload=b"[" * 100_000)
@example(
    model=EmulatorStatus, payload=b'{"emulator":"e","state":"online","ticks":' + b"9" * 9000 + b"}"
)
def test_message_decoder_raises_only_frame_errors(model: type[Message], payload: bytes) -> None:
    """Whatever a stranger publishes, it is a message or it is refused."""
    try:
        message: Message | None = decode_message(model, payload)
    except FrameError:
        message = None
    assert message is None or decode_message(model, message.encode()) == message


def test_message_cannot_be_changed() -> None:
    """What was received is what is handled."""
    with pytest.raises(ValueError, match="frozen"):
        EXAMPLES[0].v = 1


@pytest.mark.parametrize("wrong", [True, "1", [1]])
def test_numbers_of_a_command_are_numbers(wrong: object) -> None:
    """What only could be read as a number is refused, as the schema says."""
    body = {"v": 1, "id": "x", "fault": "nic-flap", "target": "r0001/n1/nic0"}
    for fields in ({"duration": wrong}, {"parameters": {"period": wrong}}):
        with pytest.raises(FrameError, match="should be a valid number"):
            decode_message(Inject, json.dumps({**body, **fields}).encode())
    whole = json.dumps({**body, "parameters": {"period": 1}}).encode()
    assert decode_message(Inject, whole).parameters == {"period": 1.0}
