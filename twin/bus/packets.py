"""MQTT packets out of a stream of bytes: messages of QoS 0 at once, all others for the client.

Bytes are read from the socket into one buffer, as many as there are, and a message's payload is
copied out of it once. paho reads the length of a packet byte by byte and copies a payload five
times; for messages of some hundred kilobytes that is most of what receiving costs.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["PacketReader", "publish_head"]

_PUBLISH = 0x30
_RETAIN = 0x01
_TYPE_AND_QOS = 0xF6
_LEAST_ROOM, _ROOM = 1 << 16, 1 << 20
"""Room for what comes in: at first, and where a read fills it. A site of some racks needs no more
than the least, and a process has two such buffers."""
_MOST_LENGTH_BYTES = 4
_MORE, _SEVEN_BITS = 0x80, 0x7F

OnMessage = Callable[[str, bytes, bool], None]
OnPacket = Callable[[int, bytearray], None]


class PacketReader:
    """A buffer for what comes in, and what it says.

    Args:
        message: told topic, payload and retain flag of each message of QoS 0.
        packet: told the first byte and the rest, after its length, of any other packet.
    """

    def __init__(self, message: OnMessage, packet: OnPacket) -> None:
        self._message = message
        self._packet = packet
        self._buffer = bytearray(min(_LEAST_ROOM, _ROOM))
        self._start = self._end = 0

    def room(self) -> memoryview:
        """Return where the next bytes go."""
        return memoryview(self._buffer)[self._end :]

    def received(self, count: int) -> None:
        """Take note that so many bytes were put there, and hand out the packets that are whole.

        Raises:
            ValueError: the bytes are no MQTT.
        """
        self._end += count
        full = self._end == len(self._buffer)
        wanted = 0
        while self._start < self._end:
            wanted = self._next()
            if wanted:
                break
        self._make_room(wanted)
        if full and len(self._buffer) < _ROOM:
            self._buffer = self._buffer[: self._end] + bytes(_ROOM - self._end)

    def _next(self) -> int:
        """Hand out the next packet; return its length, header and all, while it is not whole."""
        buffer, at, length, shift = self._buffer, self._start + 1, 0, 0
        while True:
            if at >= self._end:
                return 2 + _MOST_LENGTH_BYTES
            byte = buffer[at]
            at += 1
            length |= (byte & _SEVEN_BITS) << shift
            if not byte & _MORE:
                break
            shift += 7
            if shift >= 7 * _MOST_LENGTH_BYTES:
                raise ValueError("a packet's length has more than four bytes")
        end = at + length
        if end > self._end:
            return end - self._start
        first = buffer[self._start]
        self._start = end
        if first & _TYPE_AND_QOS == _PUBLISH:
            self._hand_out(at, end, retain=bool(first & _RETAIN))
        else:
            self._packet(first, buffer[at:end])
        return 0

    def _hand_out(self, at: int, end: int, *, retain: bool) -> None:
        topic = at + 2
        payload = topic + int.from_bytes(self._buffer[at:topic], "big")
        if payload > end:
            raise ValueError("a topic is longer than its packet")
        text = self._buffer[topic:payload].decode()
        with memoryview(self._buffer) as view:
            self._message(text, bytes(view[payload:end]), retain)

    def _make_room(self, wanted: int) -> None:
        """Move what is not whole yet to the front where its rest would not fit behind it."""
        left = self._end - self._start
        if not left:
            self._start = self._end = 0
            if len(self._buffer) > _ROOM:
                self._buffer = bytearray(_ROOM)
        elif self._start + wanted > len(self._buffer):
            rest = self._buffer[self._start : self._end]
            if wanted > len(self._buffer):
                self._buffer = bytearray(wanted)
            self._buffer[:left] = rest
            self._start, self._end = 0, left


def publish_head(topic: str, size: int, *, retain: bool) -> bytes:
    """Return what stands before a payload of ``size`` bytes in a message of QoS 0."""
    name = topic.encode()
    left = 2 + len(name) + size
    head = bytearray([_PUBLISH | (_RETAIN if retain else 0)])
    while True:
        left, byte = left >> 7, left & _SEVEN_BITS
        head.append(byte | (_MORE if left else 0))
        if not left:
            break
    return bytes(head + len(name).to_bytes(2, "big") + name)
