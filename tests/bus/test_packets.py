"""Packets out of a stream: the same however it is cut, and errors where it is no MQTT."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.bus import packets
from twin.bus.packets import PacketReader, publish_head

topics = st.text(st.characters(codec="utf-8"), max_size=20)
sizes = st.one_of(st.integers(0, 200), st.sampled_from([127, 128, 16_383, 16_384, 40_000]))
Seen = list[tuple[object, ...]]


def reader_of(seen: Seen) -> PacketReader:
    """Return a reader that keeps what it hands out."""

    def message(topic: str, payload: bytes, retain: bool) -> None:
        seen.append((topic, payload, retain))

    def packet(first: int, body: bytearray) -> None:
        seen.append((first, bytes(body)))

    return PacketReader(message, packet)


def feed(reader: PacketReader, data: bytes, cuts: list[int]) -> None:
    """Give a stream to a reader, cut in pieces."""
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        at = start
        while at < end:
            room = reader.room()
            count = min(len(room), end - at)
            assert count
            room[:count] = data[at : at + count]
            reader.received(count)
            at += count


@settings(deadline=None, max_examples=80)
@given(data=st.data(), room=st.sampled_from([16, 300, 1 << 20]))
def test_any_cut_gives_the_same(data: st.DataObject, room: int) -> None:
    """Messages and other packets come out whole and in order, in a buffer of any size."""
    stream = b""
    expected: Seen = []
    seen: Seen = []
    for _ in range(data.draw(st.integers(1, 5))):
        topic, size, retain = data.draw(topics), data.draw(sizes), data.draw(st.booleans())
        payload = bytes(size)
        stream += publish_head(topic, size, retain=retain) + payload
        expected.append((topic, payload, retain))
        if data.draw(st.booleans()):
            stream += b"\x40\x02\x00\x07"
            expected.append((0x40, b"\x00\x07"))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packets, "_ROOM", room)
        feed(reader_of(seen), stream, cuts)
    assert seen == expected


def test_messages_with_an_answer_are_left_to_the_client() -> None:
    """A message of QoS 1 is a packet, since it is to be confirmed."""
    seen: Seen = []
    body = b"\x00\x01t\x00\x09payload"
    feed(reader_of(seen), bytes([0x32, len(body)]) + body, [])
    assert seen == [(0x32, body)]


@pytest.mark.parametrize(
    "stream", [b"\x30\xff\xff\xff\xff\x01", b"\x30\x03\x00\x09t", b"\x30\x04\x00\x02\xff\xfe"]
)
def test_what_is_no_mqtt_is_refused(stream: bytes) -> None:
    """Neither a length without end, nor a topic beyond its packet, nor one that is no text."""
    with pytest.raises(ValueError, match=r"length|topic|utf-8"):
        feed(reader_of([]), stream, [])


def test_a_large_packet_does_not_keep_its_room() -> None:
    """Room for a packet of many megabytes is given back when it is read."""
    seen: Seen = []
    reader, size = reader_of(seen), 5 << 20
    feed(reader, publish_head("t", size, retain=False) + bytes(size), [100])
    assert len(seen) == 1
    assert len(reader.room()) == 1 << 20
