"""Frames: what goes in comes out, and nothing else is let in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.catalog import GPU, DeviceClass, Signal, UnitKind, devices_of
from twin.errors import FrameError
from twin.site import Layout, load_site
from twin.wire import MAX_FRAME_BYTES, Decoder, Encoder, Snapshot

MakeOutputs = Callable[[UnitKind, int], dict[str, dict[str, NDArray[np.float64]]]]
MakeMask = Callable[[DeviceClass, int], NDArray[np.bool_]]

REASONS = {"oversized", "malformed", "version", "schema", "shape", "value"}
fast = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
seeds = st.integers(0, 2**32 - 1)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([2**63, -(2**63) - 1, 1e308, -1e-308, "1.5", "1e5"])
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def valid(layout: Layout, outputs: MakeOutputs) -> bytes:
    """A frame of a rack as an emulator sends it."""
    encoder = Encoder(layout, UnitKind.RACK)
    encoder.load(outputs(UnitKind.RACK, 1))
    return encoder.encode(1, 1_700_000_000.5, 42)


def wired(layout: Layout, device: DeviceClass) -> list[Signal]:
    """Return the signals of a class that travel in the frames of a site."""
    return [signal for signal in layout.reported[device.name] if signal.on_wire]


def refusal(decoder: Decoder, payload: bytes) -> str:
    """Return the reason for which ``payload`` is refused."""
    with pytest.raises(FrameError) as caught:
        decoder.decode(payload)
    assert len(str(caught.value)) < 400, "a refusal is logged, so it must be short"
    return caught.value.reason


def test_frame_round_trip_keeps_every_value_and_every_gap(
    layout: Layout, outputs: MakeOutputs, missing: MakeMask
) -> None:
    """What the plant gives comes out of the decoder at the catalogue's resolution."""

    @fast
    @given(kind=st.sampled_from(UnitKind), seed=seeds, seq=st.integers(0, 2**53))
    def check(kind: UnitKind, seed: int, seq: int) -> None:
        plant = outputs(kind, seed)
        for device in layout.devices_of(kind):
            for values in plant[device.name].values():
                values[missing(device, seed)] = np.nan
        encoder = Encoder(layout, kind)
        encoder.load(plant)
        unit = layout.units(kind) - 1

        snapshot = Decoder(layout, kind).decode(encoder.encode(unit, 1234.5678, seq))

        assert (snapshot.ts, snapshot.seq) == (1234.568, seq)
        for device in layout.devices_of(kind):
            expected = [
                np.round(plant[device.name][signal.name][unit], signal.decimals)
                for signal in wired(layout, device)
            ]
            np.testing.assert_allclose(snapshot.groups[device.name], expected, rtol=1e-12)

    check()


def test_frame_gap_of_one_signal_is_kept(layout: Layout, outputs: MakeOutputs) -> None:
    """One missing value of one device leaves its neighbours alone."""
    plant = outputs(UnitKind.RACK, 3)
    plant["gpu"]["power_usage"][0, 1] = np.nan
    plant["gpu"]["energy"][0, 2] = np.inf
    encoder = Encoder(layout, UnitKind.RACK)
    encoder.load(plant)

    gpu = json.loads(encoder.encode(0, 1.0, 0))["gpu"]

    assert [value is None for value in gpu["power_usage"]] == [False, True, False, False]
    assert [value is None for value in gpu["energy"]] == [False, False, True, False]


def test_frame_has_whole_numbers_where_the_catalogue_has_no_decimals(
    layout: Layout, valid: bytes
) -> None:
    """A reader of the bus sees 1980 MHz, not 1980.0."""
    frame = json.loads(valid)
    for signal in wired(layout, GPU):
        if signal.decimals == 0 and not signal.listed:
            assert {type(value) for value in frame["gpu"][signal.name]} == {int}, signal.name


def test_frame_of_a_site_without_extra_signals_lacks_them() -> None:
    """What a site does not report, its frames neither have nor accept."""
    lean = Layout(
        load_site("demo").model_copy(
            update={"telemetry": load_site("colossus-100k").telemetry, "racks": 3}
        )
    )
    full = Layout(load_site("demo").model_copy(update={"racks": 3}))
    random = np.random.default_rng(0)
    plant = {
        device.name: {s.name: random.random(lean.shape(device)) for s in device.wire_signals}
        for device in devices_of(UnitKind.RACK)
    }
    encoder = Encoder(lean, UnitKind.RACK)
    encoder.load(plant)
    payload = encoder.encode(0, 0.0, 0)

    assert "sm_active" not in json.loads(payload)["gpu"]
    Decoder(lean, UnitKind.RACK).decode(payload)
    assert refusal(Decoder(full, UnitKind.RACK), payload) == "schema"


def test_frame_of_a_full_rack_is_far_below_the_limit() -> None:
    """The greatest rack that a site may have still fits the limit of a frame."""
    site = load_site("demo")
    layout = Layout(site.model_copy(update={"racks": 1}))
    plant = {
        device.name: {
            s.name: np.full(layout.shape(device), 1234567.890123) for s in device.wire_signals
        }
        for device in devices_of(UnitKind.RACK)
    }
    encoder = Encoder(layout, UnitKind.RACK)
    encoder.load(plant)
    assert len(encoder.encode(0, 1.7e9, 2**40)) < MAX_FRAME_BYTES / 10


def _with(frame: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(frame), **changes}).encode()


def _column(frame: bytes, column: object, name: str = "power_usage") -> bytes:
    data = json.loads(frame)
    data["gpu"][name] = column
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("oversized", lambda frame: frame + b" " * MAX_FRAME_BYTES),
        ("malformed", lambda frame: frame[:-1]),
        ("malformed", lambda _: b""),
        ("malformed", lambda frame: b"\xff" + frame),
        ("malformed", lambda frame: b"[" + frame + b"]"),
        ("malformed", lambda _: b"null"),
        ("version", lambda frame: _with(frame, v=2)),
        ("version", lambda frame: _with(frame, v=True)),
        ("version", lambda frame: _with(frame, v="1" * 5000)),
        ("version", lambda _: b"{}"),
        ("version", lambda _: b'{"v":' + b"[" * 1000 + b"]" * 1000 + b"}"),
        ("schema", lambda _: b'{"v":1}'),
        ("schema", lambda frame: _with(frame, extra={})),
        ("schema", lambda frame: _with(frame, **{"x" * 5000: 1})),
        ("schema", lambda frame: _with(frame, gpu=[])),
        ("schema", lambda frame: _with(frame, gpu={})),
        ("shape", lambda frame: _column(frame, [1.0] * 3)),
        ("shape", lambda frame: _column(frame, [1.0] * 5)),
        ("shape", lambda frame: _column(frame, 1.0)),
        ("shape", lambda frame: _column(frame, {"0": 1.0})),
        ("shape", lambda frame: _column(frame, None)),
        ("value", lambda frame: _with(frame, ts=-1)),
        ("value", lambda frame: _with(frame, ts=1e11)),
        ("value", lambda frame: _with(frame, ts="now")),
        ("value", lambda frame: _with(frame, ts=None)),
        ("value", lambda frame: _with(frame, ts=True)),
        ("value", lambda frame: _with(frame, seq=-1)),
        ("value", lambda frame: _with(frame, seq=1.5)),
        ("value", lambda frame: _with(frame, seq=2**63)),
        ("value", lambda frame: _with(frame, seq="x" * 5000)),
        ("value", lambda frame: _column(frame, [1.0, 2.0, 3.0, "4.0"])),
        ("value", lambda frame: _column(frame, [1.0, 2.0, 3.0, True])),
        ("value", lambda frame: _column(frame, [True] * 4)),
        ("value", lambda frame: _column(frame, [1.0, 2.0, 3.0, []])),
        ("value", lambda frame: _column(frame, [1.0, 2.0, 3.0, {}])),
        ("value", lambda frame: _column(frame, [[1.0], [2.0], [3.0], [4.0]])),
        ("value", lambda frame: _column(frame, [1.0, 2.0, 3.0, 5000.1])),
        ("value", lambda frame: _column(frame, [1.0, None, 3.0, -0.1])),
        ("value", lambda frame: _column(frame, [1, 2, 3, -(2**63)], "energy")),
        ("value", lambda frame: _column(frame, [None, 2, 3, "x"], "energy")),
    ],
)
def test_frame_is_refused_with_its_reason(
    layout: Layout, valid: bytes, reason: str, spoil: Callable[[bytes], bytes]
) -> None:
    """Every way to be wrong has one word, and the drop counter is labelled with it."""
    assert reason == refusal(Decoder(layout, UnitKind.RACK), spoil(valid))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_frame_never_carries_what_is_no_finite_number(
    layout: Layout, valid: bytes, number: str
) -> None:
    """An infinite value is refused even where the catalogue has no upper end."""
    text = json.dumps(json.loads(valid)).encode()
    energy = json.dumps(json.loads(valid)["gpu"]["energy"]).encode()
    spoilt = text.replace(energy, f"[1,2,3,{number}]".encode())
    assert spoilt != text
    assert refusal(Decoder(layout, UnitKind.RACK), spoilt) in {"malformed", "value"}


@pytest.mark.parametrize("kind", UnitKind)
def test_frame_of_another_kind_is_refused(
    layout: Layout, outputs: MakeOutputs, kind: UnitKind
) -> None:
    """A frame under the wrong topic is not taken for what the topic says."""
    encoder = Encoder(layout, kind)
    encoder.load(outputs(kind, 0))
    payload = encoder.encode(0, 0.0, 0)
    for other in UnitKind:
        if other is not kind:
            assert refusal(Decoder(layout, other), payload) == "schema"


def test_frame_may_arrive_in_any_buffer(layout: Layout, valid: bytes) -> None:
    """MQTT clients hand over bytes, bytearrays or memory views."""
    decoder = Decoder(layout, UnitKind.RACK)
    expected = decoder.decode(valid)
    for buffer in (bytearray(valid), memoryview(valid)):
        assert decoder.decode(buffer).seq == expected.seq


def test_frame_decoder_survives_random_bytes(layout: Layout) -> None:
    """Whatever comes over the bus, only FrameError comes out."""
    decoder = Decoder(layout, UnitKind.RACK)

    @fast
    @given(payload=st.binary(max_size=200) | trees.map(lambda tree: json.dumps(tree).encode()))
    @example(payload=b'{"v":1,"ts":0,"seq":' + b"9" * 5000 + b"}")
    @example(payload=b"[" * 100_000)
    def check(payload: bytes) -> None:
        assert refusal(decoder, payload) in REASONS

    check()


def test_frame_decoder_survives_flipped_bytes(layout: Layout, valid: bytes) -> None:
    """A damaged frame is either refused or still a frame, never an exception of another kind."""
    decoder = Decoder(layout, UnitKind.RACK)

    @fast
    @given(flips=st.lists(st.tuples(st.integers(0, len(valid) - 1), st.integers(0, 255))))
    def check(flips: list[tuple[int, int]]) -> None:
        damaged = bytearray(valid)
        for place, value in flips:
            damaged[place] = value
        survives(layout, decoder, bytes(damaged))

    check()


def test_frame_decoder_survives_mutated_trees(layout: Layout, valid: bytes) -> None:
    """Any JSON value in the place of any part of a frame is handled."""
    decoder = Decoder(layout, UnitKind.RACK)
    groups = [*(device.name for device in layout.devices_of(UnitKind.RACK)), "v", "ts", "seq"]

    @fast
    @given(group=st.sampled_from(groups), depth=st.integers(0, 2), tree=trees, data=st.data())
    def check(group: str, depth: int, tree: object, data: st.DataObject) -> None:
        frame = json.loads(valid)
        holder, key = frame, group
        for _ in range(depth):
            inner = holder[key]
            if not isinstance(inner, (dict, list)):
                break
            keys: Any = sorted(inner) if isinstance(inner, dict) else range(len(inner))
            holder, key = inner, data.draw(st.sampled_from(keys))
        holder[key] = tree
        survives(layout, decoder, json.dumps(frame).encode())

    check()


def survives(layout: Layout, decoder: Decoder, payload: bytes) -> None:
    """Assert that ``payload`` is refused for a known reason or decoded into its ranges."""
    try:
        snapshot = decoder.decode(payload)
    except FrameError as error:
        reason: str | None = error.reason
    else:
        reason = None
        check_ranges(layout, snapshot)
    assert reason in {None, *REASONS}


def check_ranges(layout: Layout, snapshot: Snapshot) -> None:
    """Assert that every value is a gap or within the catalogue's range."""
    for device in layout.devices_of(UnitKind.RACK):
        signals = wired(layout, device)
        for row, signal in zip(snapshot.groups[device.name], signals, strict=True):
            known = row[~np.isnan(row)]
            assert np.isfinite(known).all()
            assert signal.low is None or (known >= signal.low).all()
            assert signal.high is None or (known <= signal.high).all()
