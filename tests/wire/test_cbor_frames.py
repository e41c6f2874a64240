"""CBOR frames: the same numbers as JSON, for any reader, and nothing else is let in."""

from __future__ import annotations

import io
import resource
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.every import every
from twin.catalog import DEVICES, DeviceClass, Signal, UnitKind
from twin.errors import FrameError
from twin.site import Layout
from twin.wire import MAX_FRAME_BYTES, Codec, Decoder, Encoder, Snapshot
from twin.wire.cbor_form import DTYPES, FLOAT32, FLOAT64, exact, grows
from twin.wire.schema import rounded

MakeOutputs = Callable[[UnitKind, int], dict[str, dict[str, NDArray[np.float64]]]]
MakeMask = Callable[[DeviceClass, int], NDArray[np.bool_]]
Spoil = Callable[[dict[str, Any]], None]

REASONS = {"oversized", "malformed", "version", "schema", "shape", "value"}
SIGNALS = [signal for device in DEVICES for signal in device.wire_signals]
fast = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
seeds = st.integers(0, 2**32 - 1)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=40)
    | st.builds(cbor2.CBORTag, st.sampled_from([2, 64, 84, 85, 86, 40, 99999]), st.binary())
    | st.sampled_from([cbor2.undefined, 2**70, -(2**5000)])
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
    return encoded(layout, UnitKind.RACK, outputs(UnitKind.RACK, 1), 1)


def encoded(
    layout: Layout,
    kind: UnitKind,
    plant: dict[str, dict[str, NDArray[Any]]],
    unit: int,
    codec: Codec = Codec.CBOR,
) -> bytes:
    """Return the frame of one unit."""
    encoder = Encoder(layout, kind, codec)
    encoder.load(plant)
    return encoder.encode(unit, 1_700_000_000.5, 42)


def same(one: Snapshot, other: Snapshot) -> None:
    """Assert that two snapshots are equal to the last bit, gaps included."""
    assert (one.ts, one.seq, one.groups.keys()) == (other.ts, other.seq, other.groups.keys())
    for name, group in one.groups.items():
        np.testing.assert_array_equal(group, other.groups[name], err_msg=name)


def refusal(decoder: Decoder, payload: bytes) -> str:
    """Return the reason for which ``payload`` is refused."""
    with pytest.raises(FrameError) as caught:
        decoder.decode(payload)
    assert len(str(caught.value)) < 400, "a refusal is logged, so it must be short"
    return caught.value.reason


def test_cbor_and_json_carry_the_same_numbers(
    layout: Layout, outputs: MakeOutputs, missing: MakeMask
) -> None:
    """Whatever the plant gives, both codecs decode to the same snapshot to the last bit."""
    decoders = {kind: Decoder(layout, kind) for kind in UnitKind}

    @fast
    @given(kind=st.sampled_from(UnitKind), seed=seeds, single=st.booleans())
    def check(kind: UnitKind, seed: int, single: bool) -> None:
        plant: dict[str, dict[str, NDArray[Any]]] = dict(outputs(kind, seed))
        for device in layout.devices_of(kind):
            for name, values in plant[device.name].items():
                values[missing(device, seed)] = np.nan
                if single:
                    plant[device.name][name] = values.astype(np.float32)
        unit = layout.units(kind) - 1
        frames = [encoded(layout, kind, plant, unit, codec) for codec in Codec]
        same(*(decoders[kind].decode(frame) for frame in frames))

    check()


def test_cbor_of_an_infinite_value_is_a_gap(layout: Layout, outputs: MakeOutputs) -> None:
    """What is no number in the plant is no number on the bus, in either codec."""
    plant = outputs(UnitKind.RACK, 3)
    plant["gpu"]["power_usage"][0, 1] = np.inf
    plant["gpu"]["energy"][0, 2] = -np.inf
    frames = [encoded(layout, UnitKind.RACK, plant, 0, codec) for codec in Codec]
    snapshots = [Decoder(layout, UnitKind.RACK).decode(frame) for frame in frames]
    same(*snapshots)
    assert np.isnan(snapshots[0].groups["gpu"]).sum() == 2


@every("signal", SIGNALS, lambda signal: signal.metric)
def test_cbor_float32_keeps_the_resolution(signal: Signal) -> None:
    """Every step that a signal can take in float32 is the same number after its way.

    A bit error rate of 1.5e-254 has no such step, and is no 0 either.
    """
    if signal.decimals > 37:
        assert not exact(np.array([10.0**-signal.decimals]), signal.decimals)
        return
    most = 2.0**23 / 10.0**signal.decimals
    low = max(-most, -most if signal.low is None else signal.low)
    high = min(most, most if signal.high is None else signal.high)
    steps = np.random.default_rng(1).uniform(low, high, 20_000)
    values, _ = rounded(np.concatenate((steps, [low, high])), signal.decimals)
    assert exact(values, signal.decimals)
    carried, _ = rounded(values.astype(np.float32), signal.decimals)
    np.testing.assert_array_equal(carried, values)


def test_cbor_widens_a_column_for_good(layout: Layout, outputs: MakeOutputs) -> None:
    """A counter that outgrows float32 gets float64 with the tick that needs it, and keeps it."""
    plant = outputs(UnitKind.RACK, 3)
    encoder, decoder = Encoder(layout, UnitKind.RACK, Codec.CBOR), Decoder(layout, UnitKind.RACK)
    tags, rows = [], []
    for joules in (2.0**23, 2.0**23 + 1, 1.0, np.nan):
        plant["gpu"]["energy"][:] = 5.0
        plant["gpu"]["energy"][2, 1] = joules
        encoder.load(plant)
        frame = encoder.encode(2, 1.0, 1)
        tags.append(cbor2.loads(frame)["gpu"]["energy"].tag)
        rows.append(decoder.decode(frame).groups["gpu"][_row(layout, "energy")][1])
    assert tags == [FLOAT32, FLOAT64, FLOAT64, FLOAT64]
    np.testing.assert_array_equal(rows, [2.0**23, 2.0**23 + 1, 1.0, np.nan])


@pytest.mark.parametrize("kind", UnitKind)
def test_cbor_frame_is_what_any_reader_expects(
    layout: Layout, outputs: MakeOutputs, kind: UnitKind
) -> None:
    """A plain CBOR library finds the mapping of the JSON frame, its columns typed arrays."""
    plant = outputs(kind, 5)
    frame = cbor2.loads(encoded(layout, kind, plant, 0))

    assert (frame.pop("v"), frame.pop("ts"), frame.pop("seq")) == (1, 1_700_000_000.5, 42)
    assert list(frame) == [device.name for device in layout.devices_of(kind)]
    for device in layout.devices_of(kind):
        signals = [s for s in layout.reported[device.name] if s.on_wire]
        assert list(frame[device.name]) == [signal.name for signal in signals]
        for signal in signals:
            column = frame[device.name][signal.name]
            assert column.tag == FLOAT32 or grows(signal)
            values = np.frombuffer(column.value, DTYPES[column.tag])
            expected = np.round(plant[device.name][signal.name][0], signal.decimals)
            np.testing.assert_allclose(values, expected, rtol=1e-7)


def test_cbor_frame_of_another_library_is_taken(layout: Layout, valid: bytes) -> None:
    """Other lengths, another order and other widths of the same mapping change nothing."""
    decoder = Decoder(layout, UnitKind.RACK)
    frame = cbor2.loads(valid)
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(frame.items())
    }
    widened = cbor2.loads(valid)
    widened["gpu"]["power_usage"] = cbor2.CBORTag(
        FLOAT64, np.round(_values(frame["gpu"]["power_usage"]).astype("<f8"), 1).tobytes()
    )
    endless = io.BytesIO()
    cbor2.CBOREncoder(endless, indefinite_containers=True).encode(frame)
    for other in (frame, backwards, widened):
        same(decoder.decode(cbor2.dumps(other)), decoder.decode(valid))
    same(decoder.decode(endless.getvalue()), decoder.decode(valid))


def test_cbor_frame_may_narrow_a_counter(layout: Layout, valid: bytes) -> None:
    """An emulator may spare the digits of a float64 signal; the values stay its own."""
    frame = cbor2.loads(valid)
    frame["gpu"]["energy"] = _column([1.0, 2.0, 16_777_216.0, np.nan], "<f4")
    snapshot = Decoder(layout, UnitKind.RACK).decode(cbor2.dumps(frame))
    row = snapshot.groups["gpu"][_row(layout, "energy")]
    np.testing.assert_array_equal(row, [1.0, 2.0, 16_777_216.0, np.nan])


def test_cbor_decoder_remembers_few_forms(layout: Layout, valid: bytes) -> None:
    """A stranger who writes every frame in another way makes us remember no more for it."""
    decoder = Decoder(layout, UnitKind.RACK)
    for name in cbor2.loads(valid)["nic"]:
        frame = cbor2.loads(valid)
        values = _values(frame["nic"][name])
        other = FLOAT64 if frame["nic"][name].tag == FLOAT32 else FLOAT32
        small = np.minimum(values, 1000.0).astype(DTYPES[other])
        frame["nic"][name] = cbor2.CBORTag(other, small.tobytes())
        with suppress(FrameError):
            decoder.decode(cbor2.dumps(frame))
    same(decoder.decode(valid), Decoder(layout, UnitKind.RACK).decode(valid))
    assert len(decoder._cbor._forms) == 8


def _row(layout: Layout, name: str) -> int:
    return [signal.name for signal in layout.reported["gpu"] if signal.on_wire].index(name)


def _values(column: Any) -> NDArray[Any]:
    return np.frombuffer(column.value, DTYPES[column.tag])


def _column(values: list[float], dtype: str = "<f4") -> Any:
    tag = FLOAT32 if dtype == "<f4" else FLOAT64
    return cbor2.CBORTag(tag, np.array(values, dtype).tobytes())


def _set(**changes: Any) -> Spoil:
    return lambda frame: frame.update(changes)


def _power(column: Any) -> Spoil:
    return lambda frame: frame["gpu"].update(power_usage=column)


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("version", _set(v=2)),
        ("version", _set(v=True)),
        ("version", _set(v=1.0)),
        ("version", _set(v="1" * 5000)),
        ("malformed", _set(v=2**20_000)),
        ("version", lambda frame: frame.pop("v")),
        ("schema", lambda frame: frame.pop("gpu")),
        ("schema", _set(extra={})),
        ("schema", _set(**{"x" * 5000: 1})),
        ("schema", lambda frame: frame.update({b"gpu": 2})),
        ("malformed", lambda frame: frame.update({7: 1})),
        ("schema", _set(gpu=[])),
        ("schema", _set(gpu={})),
        ("malformed", lambda frame: frame["gpu"].update({1: 2})),
        ("shape", _power(_column([1.0] * 3))),
        ("shape", _power(_column([1.0] * 5))),
        ("shape", _power(_column([1.0] * 3, "<f8"))),
        ("shape", _power([1.0] * 4)),
        ("shape", _power(1.0)),
        ("shape", _power(None)),
        ("shape", _power(_column([1.0] * 4).value)),
        ("shape", _power(cbor2.CBORTag(81, bytes(16)))),
        ("shape", _power(cbor2.CBORTag(FLOAT32, "x" * 16))),
        ("shape", _power(cbor2.CBORTag(FLOAT32, [1.0] * 4))),
        ("shape", _power(cbor2.CBORTag(FLOAT32, bytes(15)))),
        ("shape", _power(cbor2.CBORTag(40, [[1, 4], _column([1.0] * 4)]))),
        ("value", _power(_column([1.0, 2.0, 3.0, 5000.2]))),
        ("value", _power(_column([1.0, 2.0, np.nan, -1.0]))),
        ("value", _power(_column([1.0, 2.0, 3.0, np.inf]))),
        ("value", _power(_column([1.0, 2.0, 3.0, 1e300], "<f8"))),
        ("value", lambda frame: frame["gpu"].update(energy=_column([np.inf] * 4, "<f8"))),
        ("value", lambda frame: frame["gpu"].update(energy=_column([-np.inf] * 4, "<f4"))),
        ("value", _set(ts=-1.0)),
        ("value", _set(ts=1e11)),
        ("value", _set(ts=float("nan"))),
        ("value", _set(ts=float("inf"))),
        ("value", _set(ts="now")),
        ("value", _set(ts=None)),
        ("value", _set(ts=True)),
        ("value", _set(ts=cbor2.undefined)),
        ("value", _set(seq=-1)),
        ("value", _set(seq=1.5)),
        ("value", _set(seq=2**63)),
        ("malformed", _set(seq=2**20_000)),
        ("malformed", _power(cbor2.CBORTag(35, "(a+)+$"))),
        ("malformed", _set(ts=cbor2.CBORTag(1, 5))),
        ("malformed", _set(ts=cbor2.CBORTag(4, [10**9, 5]))),
    ],
)
def test_cbor_frame_is_refused_with_its_reason(
    layout: Layout, valid: bytes, reason: str, spoil: Spoil
) -> None:
    """Every way to be wrong has one word, and it is the word that JSON has for it."""
    frame = cbor2.loads(valid)
    spoil(frame)
    assert refusal(Decoder(layout, UnitKind.RACK), cbor2.dumps(frame)) == reason


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("oversized", lambda frame: frame + bytes(MAX_FRAME_BYTES)),
        ("malformed", lambda frame: frame + b"\x00"),
        ("malformed", lambda frame: b"\x81" + frame),
        ("malformed", lambda frame: b"\xd9\xd9\xf7" + frame),
        ("malformed", lambda _: b"\xa1\x61v\x01\xff"),
        ("malformed", lambda _: b"\xa2\x61v\x01\x61v\x01"),
        ("malformed", lambda _: b"\xa1\x81\x01\x01"),
        ("malformed", lambda _: b"\xa1\x61\xff\x01"),
        ("version", lambda _: b"\xa0"),
        ("version", lambda _: b"\xbf\xff"),
        ("schema", lambda _: b"\xa1\x61v\x01"),
    ],
)
def test_cbor_bytes_are_refused_with_their_reason(
    layout: Layout, valid: bytes, reason: str, spoil: Callable[[bytes], bytes]
) -> None:
    """What no mapping of the catalogue is has its word, too."""
    assert refusal(Decoder(layout, UnitKind.RACK), spoil(valid)) == reason


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xbb" + b"\xff" * 8,
        b"\xa1\x61v\x9b" + struct.pack(">Q", 2**40),
        b"\xa1\x61v" + (b"\x9b" + struct.pack(">Q", 2**30)) * 100,
        b"\xa1\x61v\x5b" + struct.pack(">Q", 2**62),
        b"\xa1\x61v\x7b" + struct.pack(">Q", 2**34),
        b"\xa1\x61v\xd8\x55\x5a" + struct.pack(">I", 2**32 - 1),
        b"\xa1\x61v" * 100_000,
        b"\xa1\x61v" + b"\x81" * 500_000,
        b"\xa1\x61v" + b"\xd8\x55" * 400_000,
        b"\xa1\x61v" + b"\xd9\x01\x00" * 300_000,
        b"\xbf" + b"\x61v\x5f" * 200_000,
    ],
)
def test_cbor_that_declares_more_than_it_has_takes_no_memory(layout: Layout, bomb: bytes) -> None:
    """A length is a promise of a stranger: nothing is set aside for it."""
    decoder = Decoder(layout, UnitKind.RACK)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(decoder, bomb) == "malformed"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10, "KiB"


def test_cbor_decoder_survives_random_bytes(layout: Layout) -> None:
    """Whatever comes over the bus, only FrameError comes out."""
    decoder = Decoder(layout, UnitKind.RACK)
    maps = st.binary(max_size=200).map(lambda tail: b"\xb8\x0b" + tail)

    @fast
    @given(payload=st.binary(max_size=200) | maps | trees.map(cbor2.dumps))
    @example(payload=b"\xa0")
    @example(payload=b"\xbf")
    @example(payload=b"\xa1\xf6\xf6")
    def check(payload: bytes) -> None:
        assert refusal(decoder, payload) in REASONS

    check()


def test_cbor_decoder_refuses_every_truncation(layout: Layout, valid: bytes) -> None:
    """A frame that was cut off anywhere is malformed."""
    decoder = Decoder(layout, UnitKind.RACK)
    assert {refusal(decoder, valid[:end]) for end in range(1, len(valid), 7)} == {"malformed"}


def test_cbor_decoder_survives_flipped_bytes(layout: Layout, valid: bytes) -> None:
    """A damaged frame is either refused or still a frame, never an exception of another kind."""
    decoder = Decoder(layout, UnitKind.RACK)

    @fast
    @given(flips=st.lists(st.tuples(st.integers(1, len(valid) - 1), st.integers(0, 255))))
    def check(flips: list[tuple[int, int]]) -> None:
        damaged = bytearray(valid)
        for place, value in flips:
            damaged[place] = value
        survives(layout, decoder, bytes(damaged))

    check()


def test_cbor_decoder_survives_mutated_trees(layout: Layout, valid: bytes) -> None:
    """Any value in the place of any part of a frame is handled."""
    decoder = Decoder(layout, UnitKind.RACK)
    keys = [*(device.name for device in layout.devices_of(UnitKind.RACK)), "v", "ts", "seq"]

    @fast
    @given(key=st.sampled_from(keys), inner=st.booleans(), tree=trees, data=st.data())
    def check(key: str, inner: bool, tree: object, data: st.DataObject) -> None:
        frame = cbor2.loads(valid)
        holder = frame
        if inner and isinstance(frame[key], dict):
            holder, key = frame[key], data.draw(st.sampled_from(sorted(frame[key])))
        holder[key] = tree
        survives(layout, decoder, cbor2.dumps(frame))

    check()


def survives(layout: Layout, decoder: Decoder, payload: bytes) -> None:
    """Assert that ``payload`` is refused for a known reason or decoded into its ranges."""
    reason, groups = None, {}
    try:
        groups = dict(decoder.decode(payload).groups)
    except FrameError as error:
        reason = error.reason
    assert reason in {None, *REASONS}
    for device, group in groups.items():
        signals = [signal for signal in layout.reported[device] if signal.on_wire]
        for row, signal in zip(group, signals, strict=True):
            known = row[~np.isnan(row)]
            assert np.isfinite(known).all()
            assert signal.low is None or (known >= signal.low).all()
            assert signal.high is None or (known <= signal.high).all()
