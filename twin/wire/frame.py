"""Frames: one atomic snapshot of one unit, columnar, sans-I/O.

:mod:`twin.wire.schema` says what a frame is, :mod:`twin.wire.json_frames` and
:mod:`twin.wire.cbor_frames` how it looks as bytes. The first byte tells the two apart,
so that emulators with either codec may feed one aggregator.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from twin.catalog import UnitKind
from twin.errors import FrameError
from twin.site import Layout
from twin.wire.cbor_frames import CborDecoder, CborEncoder, is_cbor
from twin.wire.json_frames import JsonDecoder, JsonEncoder
from twin.wire.schema import VERSION, FrameRows, Outputs, Schema, Snapshot

__all__ = ["MAX_FRAME_BYTES", "VERSION", "Codec", "Decoder", "Encoder", "Outputs", "Snapshot"]

MAX_FRAME_BYTES = 1 << 20
"""Largest frame that is looked at; a rack of 64 GPUs with all signals has about 25 KB."""


class Codec(StrEnum):
    """How frames are written as bytes."""

    JSON = "json"
    """Readable with ``mosquitto_sub``."""
    CBOR = "cbor"
    """Typed arrays (RFC 8746): for scale."""


class Encoder:
    """Encodes all units of one kind, tick by tick.

    Rounding to the catalogue's resolution is done once a tick over the whole site;
    encoding a unit then only cuts rows.

    Args:
        layout: the site.
        kind: kind of the units.
        codec: how frames are written.
    """

    def __init__(self, layout: Layout, kind: UnitKind, codec: Codec = Codec.JSON) -> None:
        schema = Schema(layout, kind)
        self._codec: JsonEncoder | CborEncoder = (
            CborEncoder(schema, layout.units(kind)) if codec is Codec.CBOR else JsonEncoder(schema)
        )

    def load(self, outputs: Outputs) -> None:
        """Take over the plant's outputs of one tick."""
        self._codec.load(outputs)

    def encode(self, unit: int, ts: float, seq: int) -> bytes:
        """Return the frame of one unit.

        Args:
            unit: index of the unit.
            ts: simulated time, unix seconds.
            seq: running number.
        """
        return self._codec.encode(unit, round(ts, 3), seq)


class Decoder:
    """Decodes and checks frames of one kind against the catalogue and the site."""

    def __init__(self, layout: Layout, kind: UnitKind) -> None:
        schema = Schema(layout, kind)
        self._json = JsonDecoder(schema)
        self._cbor = CborDecoder(schema)

    def rows(self, payloads: Sequence[bytes]) -> FrameRows | None:
        """Return what some frames hold, None where each is to be decoded by itself."""
        return self._cbor.rows(payloads)

    def decode(self, payload: bytes | bytearray | memoryview) -> Snapshot:
        """Return the snapshot that ``payload`` holds, in either codec.

        Raises:
            FrameError: with the reason ``oversized``, ``malformed``, ``version``,
                ``schema``, ``shape`` or ``value``.
        """
        if len(payload) > MAX_FRAME_BYTES:
            raise FrameError("oversized", f"{len(payload)} bytes, at most {MAX_FRAME_BYTES}")
        data = bytes(payload)
        return self._cbor.decode(data) if is_cbor(data) else self._json.decode(data)
