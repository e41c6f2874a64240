"""Blocks: each rack says what it would say alone, and nothing else is let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.catalog import GPU, DeviceClass, UnitKind, devices_of
from twin.errors import FrameError
from twin.site import Layout, load_site
from twin.wire import (
    MAX_FRAME_BYTES,
    BlockDecoder,
    BlockEncoder,
    BlockRow,
    Codec,
    Decoder,
    Encoder,
    Snapshot,
    block_encoder,
    largest_block,
)
from twin.wire.block_form import BlockForm
from twin.wire.cbor_form import FLOAT32, FLOAT64
from twin.wire.schema import Schema

Plant = dict[str, dict[str, NDArray[np.float64]]]
MakeOutputs = Callable[[UnitKind, int], Plant]
MakeMask = Callable[[DeviceClass, int], NDArray[np.bool_]]

NAMES = ("r0001", "r0002", "r0003")
STAMPS = {place: (1_700_000_000.0 + place, 40 + place) for place in range(3)}
seeds = st.integers(0, 2**32 - 1)
fast = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def encoded(layout: Layout, plant: Plant, places: tuple[int, ...] = (0, 1, 2)) -> bytes:
    """Return a block of the site's racks, or of some of them."""
    encoder = BlockEncoder(layout, [BlockRow(0, NAMES)])
    encoder.load(plant)
    return encoder.encode(0, {place: STAMPS[place] for place in places})


def alone(layout: Layout, plant: Plant, place: int) -> Snapshot:
    """Return what the frame of one rack says."""
    encoder = Encoder(layout, UnitKind.RACK, Codec.CBOR)
    encoder.load(plant)
    return Decoder(layout, UnitKind.RACK).decode(encoder.encode(place, *STAMPS[place]))


def same(one: Snapshot, other: Snapshot) -> None:
    """Assert that two snapshots are equal to the last bit, gaps included."""
    assert (one.ts, one.seq, one.groups.keys()) == (other.ts, other.seq, other.groups.keys())
    for name, group in one.groups.items():
        np.testing.assert_array_equal(group, other.groups[name], err_msg=name)


@fast
@given(seed=seeds, places=st.sets(st.integers(0, 2), min_size=1))
def test_a_block_says_what_its_frames_say(
    layout: Layout, outputs: MakeOutputs, missing: MakeMask, seed: int, places: set[int]
) -> None:
    """Decoded, each rack of a block has the time, number and values of its own frame."""
    plant = outputs(UnitKind.RACK, seed)
    for device in devices_of(UnitKind.RACK):
        for number, values in enumerate(plant[device.name].values()):
            values[missing(device, seed + number)] = np.nan
    chosen = tuple(sorted(places))
    decoder, payload = BlockDecoder(layout), encoded(layout, plant, chosen)
    for block in (decoder.decode(payload), decoder.decode(payload)):  # any form, then a known one
        assert tuple(block.racks) == tuple(NAMES[place] for place in chosen)
        for number, place in enumerate(chosen):
            same(block.snapshot(number), alone(layout, plant, place))


def test_any_encoding_of_a_block_is_read(layout: Layout, outputs: MakeOutputs) -> None:
    """Keys in another order and lengths of another form say the same."""
    plant = outputs(UnitKind.RACK, 1)
    tree = cbor2.loads(encoded(layout, plant))
    other = dict(reversed(tree.items()))
    other["gpu"] = dict(reversed(other["gpu"].items()))
    block = BlockDecoder(layout).decode(cbor2.dumps(other))
    for place in range(3):
        same(block.snapshot(place), alone(layout, plant, place))


def test_a_wrong_number_is_its_rack_s_only(layout: Layout, outputs: MakeOutputs) -> None:
    """A value beyond its range and a time that is none cost the rack that sent them."""
    plant = outputs(UnitKind.RACK, 2)
    tree = cbor2.loads(encoded(layout, plant))
    column = np.frombuffer(tree["gpu"]["gpu_temp"].value, "<f4").copy()
    column[layout.per_unit(GPU)] = 1e9
    tree["gpu"]["gpu_temp"] = cbor2.CBORTag(FLOAT32, column.tobytes())
    times = np.frombuffer(tree["ts"].value, "<f8").copy()
    times[2] = np.nan
    tree["ts"] = cbor2.CBORTag(FLOAT64, times.tobytes())
    block = BlockDecoder(layout).decode(cbor2.dumps(tree))
    same(block.snapshot(0), alone(layout, plant, 0))
    with pytest.raises(FrameError, match=r"gpu\.gpu_temp is outside its range"):
        block.snapshot(1)
    with pytest.raises(FrameError, match="r0003 is no time"):
        block.snapshot(2)


def test_bounds_are_those_of_a_frame(layout: Layout, outputs: MakeOutputs) -> None:
    """A float32 just above or below what rounds into its range is judged as in a frame."""
    encoder = Encoder(layout, UnitKind.RACK, Codec.CBOR)
    encoder.load(outputs(UnitKind.RACK, 3))
    valid = cbor2.loads(encoder.encode(0, *STAMPS[0]))
    head = {
        "ts": cbor2.CBORTag(FLOAT64, np.full(1, 1.0).tobytes()),
        "seq": cbor2.CBORTag(71, np.full(1, 1, "<u8").tobytes()),
        "racks": ["r0001"],
    }
    decoder, other = Decoder(layout, UnitKind.RACK), BlockDecoder(layout)
    wrong = []
    for name, signal, value in edges(Schema(layout, UnitKind.RACK)):
        count = len(valid[name][signal].value) // (4 if valid[name][signal].tag == FLOAT32 else 8)
        column = cbor2.CBORTag(FLOAT32, np.full(count, value, "<f4").tobytes())
        tree = {**valid, name: {**valid[name], signal: column}}
        taken = accepts(partial(decoder.decode, cbor2.dumps(tree)))
        block = other.decode(cbor2.dumps({**tree, **head}))
        if taken == bool(block.wrong):
            wrong.append((name, signal, value))
    assert not wrong


def edges(schema: Schema) -> Iterator[tuple[str, str, float]]:
    """Yield numbers on either side of what rounds to a bound, for some of the signals."""
    for group, signal in schema.columns[::5]:
        step = 0.5 / 10.0**signal.decimals
        for limit in (own for own in (signal.low, signal.high) if own is not None):
            for edge in (limit, limit - step, limit + step):
                for way in (-3e38, 3e38):
                    yield group.name, signal.name, np.nextafter(np.float32(edge), np.float32(way))


def accepts(decode: Callable[[], object]) -> bool:
    """Whether a frame is taken."""
    try:
        decode()
    except FrameError:
        return False
    return True


@fast
@given(data=st.data())
def test_whatever_comes_is_refused_by_reason(
    layout: Layout, outputs: MakeOutputs, data: st.DataObject
) -> None:
    """A block that was cut or overwritten anywhere is read or refused in words."""
    payload = bytearray(encoded(layout, outputs(UnitKind.RACK, 4)))
    decoder = BlockDecoder(layout)
    decoder.decode(bytes(payload))
    for _ in range(3):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.none(), st.integers(0, len(payload))))
    reason = "none"
    try:
        block = decoder.decode(bytes(payload[:end]))
        for place in range(len(block.racks)):
            accepts(partial(block.snapshot, place))
    except FrameError as error:
        reason = error.reason
    assert reason in {"none", "malformed", "version", "schema", "shape"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tree: tree.pop("racks"), "schema"),
        (lambda tree: tree.update(racks=[]), "schema"),
        (lambda tree: tree.update(racks=["r0001", "r0001", "r0002"]), "schema"),
        (lambda tree: tree.update(racks=["r0001", 2, None]), "schema"),
        (lambda tree: tree.update(racks=["r0001", "r0002"]), "shape"),
        (lambda tree: tree.update(ts=1.0), "shape"),
        (lambda tree: tree.update(v=2), "version"),
        (lambda tree: tree.pop("gpu"), "schema"),
    ],
)
def test_what_is_no_block_is_refused_as_a_whole(
    layout: Layout,
    outputs: MakeOutputs,
    change: Callable[[dict[str, Any]], object],
    reason: str,
) -> None:
    """A message without the names, the groups or the lengths of a block names no rack to blame."""
    tree = cbor2.loads(encoded(layout, outputs(UnitKind.RACK, 5)))
    change(tree)
    with pytest.raises(FrameError) as refused:
        BlockDecoder(layout).decode(cbor2.dumps(tree))
    assert refused.value.reason == reason


def test_chunks_and_great_numbers_make_no_difference(
    layout: Layout, outputs: MakeOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written one rack at a time, with a counter that outgrows float32 in the last, all arrive."""
    monkeypatch.setattr(block_encoder, "_CHUNK_RACKS", 1)
    plant = outputs(UnitKind.RACK, 6)
    for device in devices_of(UnitKind.RACK):
        for signal in device.wire_signals:
            if signal.high is None:
                plant[device.name][signal.name][:] = 1.0
                plant[device.name][signal.name][2] = 123_456_789_012.0
    encoder = BlockEncoder(layout, [BlockRow(place, (name,)) for place, name in enumerate(NAMES)])
    decoder = BlockDecoder(layout)
    for _ in range(2):
        encoder.load(plant)
        for place in range(3):
            block = decoder.decode(encoder.encode(place, {0: STAMPS[place]}))
            same(block.snapshot(0), alone(layout, plant, place))


def test_the_largest_block_fits_and_a_larger_one_does_not() -> None:
    """As many racks as are allowed fit into a message, whatever their numbers."""
    layout = Layout(load_site("demo"))
    most, schema = largest_block(layout), Schema(layout, UnitKind.RACK)
    sizes = [
        BlockForm(schema, (FLOAT64,) * len(schema.columns), racks).size + 6 * racks + 3
        for racks in (most, most + 1)
    ]
    assert sizes[0] <= MAX_FRAME_BYTES < sizes[1]
    with pytest.raises(FrameError, match="oversized"):
        BlockDecoder(layout).decode(bytes(MAX_FRAME_BYTES + 1))


def test_only_what_changed_is_written_anew(layout: Layout, outputs: MakeOutputs) -> None:
    """Ticks of frozen and of open arrays say what an encoder says that begins with each."""
    plants = [outputs(UnitKind.RACK, seed) for seed in (7, 8)]
    encoder = BlockEncoder(layout, [BlockRow(0, NAMES)])
    for tick in range(6):
        plant = {device: dict(group) for device, group in plants[tick // 3].items()}
        for number, values in enumerate(plant["gpu"].values()):
            values.flags.writeable = number % 2 == 1 and tick % 3 < 2  # frozen in the end
            if values.flags.writeable:
                np.minimum(values + 1.0, values.max(), out=values)
        plant["nic"]["link_downed"] = np.full_like(plant["nic"]["link_downed"], float(tick // 2))
        plant["nic"]["link_downed"].flags.writeable = False
        encoder.load(plant)
        fresh = BlockEncoder(layout, [BlockRow(0, NAMES)])
        fresh.load(plant)
        stamps = dict.fromkeys(range(3), (1e9 + tick, tick))
        payload = encoder.encode(0, stamps)
        assert payload == encoder.whole(0, 1e9 + tick, [tick] * 3)
        other = BlockDecoder(layout).decode(fresh.encode(0, stamps))
        for place in range(3):
            same(BlockDecoder(layout).decode(payload).snapshot(place), other.snapshot(place))
