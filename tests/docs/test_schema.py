"""The published schemas describe what is really sent, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from tests.aggregator.test_shadow_reports import report
from twin.catalog import UnitKind
from twin.docs.schema import EXAMPLE_SITE, MESSAGES, frame_schema, message_schema, pages
from twin.errors import FrameError
from twin.plant import Conditions, Plant
from twin.site import Layout, load_site, parse_site
from twin.wire import (
    Ack,
    ActiveFault,
    Allocation,
    Clear,
    Clock,
    Decoder,
    DetailSetting,
    Encoder,
    Faults,
    Inject,
    NodeCounts,
    NodeReport,
    QueuedJob,
    RackJobs,
    RackMeta,
    RollupPart,
    SetDetail,
    SignalPart,
    SiteJobs,
)
from twin.wire import EmulatorStatus as StatusMessage
from twin.wire.messages import Message

TINY = Layout(
    parse_site(
        "name: tiny\nracks: 1\nservers_per_rack: 1\npdus_per_rack: 1\n"
        "server: {gpus: 2, nics: 1, psus: 1}",
        "tiny",
    )
)
_PART = SignalPart(
    reports=(1.0,),
    count=(2.0,),
    total=(3.0,),
    lowest=(None,),
    highest=(2.0,),
    risen=(0.0,),
    matching=((1.0,),),
    buckets=(((1.0,), (2.0,)),),
)
SENT: tuple[Message, ...] = (
    StatusMessage(emulator="e", state="online", clock=Clock(simulated=1.0, wall=2.0)),
    StatusMessage(emulator="e", state="lost"),
    RackMeta(rack="r0001", gpu_model="H", gpu_uuids=("a",), hostnames=("b",), driver_version="1"),
    Faults(active=(ActiveFault(id="a", fault="f", target="r0001", since=1.0, until=None),)),
    Inject(id="a", fault="nic-flap", target="r0001", duration=1.0, parameters={"down": 2.0}),
    Clear(id="a"),
    SetDetail(id="a", detail=("rack", "a001=gpu")),
    DetailSetting(detail=("rack", "a001=gpu")),
    Ack(id="a", accepted=True, detail="done"),
    report(),
    RollupPart(shard="0/2", ready=True, arrays=((0, 3),), halls=("h1",), signals={"gpu.x": _PART}),
    RackJobs(
        rack="r0001",
        allocations=(
            Allocation(
                job=1, name="n", user="u", account="a", server=0, gpus=(0, 1), state="running",
                start=1.0,
            ),
        ),
        nodes=(NodeReport(state="drain", ready=True, reason="x", since=1.0),),
    ),
    SiteJobs(
        ts=2.0,
        nodes=NodeCounts(total=2, idle=2),
        jobs=(
            QueuedJob(
                job=1, name="n", user="u", account="a", gpus=2, nodes=1, state="pending",
                reason="priority", submit=1.0,
            ),
        ),
    ),
)  # fmt: skip


def frames(layout: Layout) -> dict[UnitKind, bytes]:
    """Return a frame of every kind, as an emulator sends it after some steps of the plant."""
    plant = Plant(layout, seed=1)
    conditions = Conditions.healthy(layout)
    conditions.gpu_attached[0, 1] = False
    for _ in range(3):
        plant.step(1.0, conditions)
    payloads = {}
    for kind in UnitKind:
        if layout.units(kind):
            encoder = Encoder(layout, kind)
            encoder.load(plant.outputs())
            payloads[kind] = encoder.encode(0, 1_700_000_000.0, 7)
    return payloads


@pytest.mark.parametrize("text", pages().values(), ids=pages().keys())
@pytest.mark.parametrize("dialect", [Draft202012Validator, Draft7Validator])
def test_schema_is_a_schema_in_both_dialects(text: str, dialect: Any) -> None:
    """JSON Schema tools read it, and so do AsyncAPI's, which know draft 7."""
    dialect.check_schema(json.loads(text))


def test_schemas_cover_all_that_travels() -> None:
    """One file a kind of frame and a kind of message."""
    expected = {f"schema/{name}.json" for name in (*UnitKind, *MESSAGES)}
    assert set(pages()) == expected


def test_real_frames_validate_against_the_shipped_schemas() -> None:
    """What the plant of the example site sends is what the schemas describe."""
    payloads = frames(Layout(load_site(EXAMPLE_SITE)))
    assert set(payloads) == set(UnitKind)
    for kind, payload in payloads.items():
        schema = json.loads(pages()[f"schema/{kind.value}.json"])
        Draft202012Validator(schema).validate(json.loads(payload))


def test_gap_in_a_frame_is_null_and_valid() -> None:
    """A GPU that just fell off the bus is null in every column but that of its XID."""
    frame = json.loads(frames(TINY)[UnitKind.RACK])
    gone = {name: column[1] for name, column in frame["gpu"].items()}
    assert gone.pop("xid") == 79
    assert set(gone.values()) == {None}
    Draft202012Validator(frame_schema(TINY, UnitKind.RACK)).validate(frame)


@pytest.mark.parametrize("message", SENT, ids=lambda message: type(message).__name__)
def test_messages_validate_against_their_schemas(message: Message) -> None:
    """Every message that is sent fits the schema under its name."""
    name = next(name for name, model in MESSAGES.items() if model is type(message))
    schema = json.loads(pages()[f"schema/{name}.json"])
    Draft202012Validator(schema).validate(json.loads(message.encode()))


def test_every_message_has_an_example_here() -> None:
    """A new message is not forgotten by the test above."""
    assert {type(message) for message in SENT} == set(MESSAGES.values())


def _drop(frame: dict[str, Any]) -> None:
    del frame["gpu"]["xid"]


def _add(frame: dict[str, Any]) -> None:
    frame["gpu"]["colour"] = [1.0, 2.0]


def _shorten(frame: dict[str, Any]) -> None:
    frame["gpu"]["xid"] = [0]


def _text(frame: dict[str, Any]) -> None:
    frame["gpu"]["xid"] = ["0", 0]


def _beyond(frame: dict[str, Any]) -> None:
    frame["gpu"]["gpu_temp"] = [151.0, 30.0]


@pytest.mark.parametrize("spoil", [_drop, _add, _shorten, _text, _beyond])
def test_schema_refuses_what_the_decoder_refuses(spoil: Callable[[dict[str, Any]], None]) -> None:
    """A wrong frame is wrong for both."""
    frame = json.loads(frames(TINY)[UnitKind.RACK])
    spoil(frame)
    assert not Draft202012Validator(frame_schema(TINY, UnitKind.RACK)).is_valid(frame)
    with pytest.raises(FrameError):
        Decoder(TINY, UnitKind.RACK).decode(json.dumps(frame).encode())


values = st.recursive(
    st.none() | st.booleans() | st.floats(-1e9, 1e9) | st.integers(-10, 10) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


def test_schema_and_decoder_agree() -> None:
    """Whatever stands in the place of a column or a value, both say the same of it."""
    payload = frames(TINY)[UnitKind.RACK]
    validator = Draft202012Validator(frame_schema(TINY, UnitKind.RACK))
    decoder = Decoder(TINY, UnitKind.RACK)
    places = [
        (device.name, signal.name)
        for device in TINY.devices_of(UnitKind.RACK)
        for signal in TINY.reported[device.name]
        if signal.on_wire
    ]

    @settings(deadline=None, max_examples=200)
    @given(place=st.sampled_from(places), value=values, inside=st.booleans())
    def check(place: tuple[str, str], value: object, inside: bool) -> None:
        frame = json.loads(payload)
        group, signal = place
        if inside:
            frame[group][signal][0] = value
        else:
            frame[group][signal] = value
        try:
            decoder.decode(json.dumps(frame).encode())
            accepted = True
        except FrameError:
            accepted = False
        assert validator.is_valid(frame) is accepted

    check()


def test_schema_states_the_range_and_the_unit() -> None:
    """A reader of the schema learns the metric, the unit and what is possible."""
    power = frame_schema(TINY, UnitKind.RACK)["properties"]["gpu"]["properties"]["power_usage"]
    assert power == {
        "description": "DCGM_FI_DEV_POWER_USAGE [W]",
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": {"type": ["number", "null"], "minimum": 0, "maximum": 5000},
    }


def test_columns_have_the_length_of_the_site() -> None:
    """The schema is of one site: its counts are in it."""
    for frame in UnitKind:
        schema = frame_schema(TINY, frame)
        for device in TINY.devices_of(frame):
            for column in schema["properties"][device.name]["properties"].values():
                assert column["minItems"] == column["maxItems"] == TINY.per_unit(device)


def test_message_schema_has_the_words_of_the_model() -> None:
    """Descriptions come from the model, so that they are written once."""
    schema = message_schema(Clear)
    assert schema["properties"]["target"]["description"].startswith("End the faults of this target")
    assert schema["additionalProperties"] is False
