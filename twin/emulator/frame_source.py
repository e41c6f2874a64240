"""Frames: one of every unit a tick, numbered, stamped and lost as its gateway does it.

Values are read from the plant only when a frame is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.faults import Gateways
from twin.site import Layout, PartLayout
from twin.wire import (
    BlockEncoder,
    BlockRow,
    Codec,
    Encoder,
    OutboundMessage,
    Outputs,
    Snapshot,
    SnapshotTable,
    Topics,
)

__all__ = ["FrameSource", "FrameStamp", "FrameUnit", "Parcel"]

_LOSS_STREAM = 90


@dataclass(frozen=True, slots=True)
class FrameUnit:
    """A unit whose frames are published.

    Attributes:
        kind: of the unit.
        index: its index on the site.
        row: its row among the units of its kind that are published here.
        topic: of its frames.
    """

    kind: UnitKind
    index: int
    row: int
    topic: str


@dataclass(frozen=True, slots=True)
class FrameStamp:
    """A frame that is due.

    Attributes:
        unit: whose it is.
        ts: simulated time by the clock of its gateway, unix seconds.
        seq: its running number.
    """

    unit: FrameUnit
    ts: float
    seq: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """Frames that travel in one message.

    Attributes:
        topic: of the message.
        units: whose frames they are.
        block: number of the block that they make, None for a frame that travels alone.
    """

    topic: str
    units: tuple[FrameUnit, ...]
    block: int | None = None


class FrameSource:
    """Makes the frames of a site, or of some of its arrays.

    Args:
        layout: the whole site.
        codec: how frames are written.
        seed: of the random numbers that decide which frames a lossy gateway loses.
        left_out: racks that somebody else publishes, by their index on the whole site.

    Attributes:
        layout: of what it makes the frames of.
        sequence: running number of each unit's next frame, by kind; of all units of the site.
    """

    def __init__(
        self, layout: Layout, codec: Codec, seed: int, left_out: frozenset[int] = frozenset()
    ) -> None:
        self._site = layout
        self._left_out = left_out
        self._codec = codec
        self._topics = Topics(layout.site.name)
        self._rng = np.random.default_rng([seed, _LOSS_STREAM])
        self.sequence = {kind: [0] * layout.units(kind) for kind in UnitKind}
        self._gateways = Gateways.healthy(layout)
        self._lost = np.zeros(layout.units(UnitKind.RACK), dtype=np.bool_)
        self._plain = True
        self._now = 0.0
        self._outputs: Callable[[], Outputs] | None = None
        self._loaded: set[str] = set()
        self._use(layout)

    def assign(self, arrays: Sequence[int], *, facility: bool) -> None:
        """Make frames of these arrays only, and of what belongs to no array if ``facility``."""
        self._use(PartLayout.of(self._site, arrays, facility=facility))

    def _use(self, layout: Layout) -> None:
        self.layout = layout
        self._kinds = [kind for kind in UnitKind if layout.units(kind)]
        numbers = {
            UnitKind.ARRAY: list(layout.array_numbers),
            UnitKind.RACK: list(layout.rack_numbers),
        }
        self._rows = {} if layout is layout.entire else numbers
        self._units = [
            FrameUnit(kind, index, row, self._topics.frame(kind, layout.unit_name(kind, row)))
            for kind in self._kinds
            for row, index in enumerate(numbers.get(kind, range(layout.units(kind))))
            if kind is not UnitKind.RACK or index not in self._left_out
        ]
        self._parcels, rows = parcels_of(layout, self._units, self._topics, self._in_block)
        self._blocks = BlockEncoder(layout, rows) if rows else None
        self._encoders: dict[UnitKind, Encoder] = {}
        self._tables: dict[UnitKind, SnapshotTable] = {}
        self._loaded.clear()

    @property
    def _in_block(self) -> int:
        """Racks that travel in one message at most."""
        wanted = self._site.entire.site.telemetry.racks_per_message
        return wanted if self._codec is Codec.CBOR else 1

    def advance(self, outputs: Callable[[], Outputs], now: float, gateways: Gateways) -> None:
        """Begin the frames of a tick.

        Args:
            outputs: gives what the plant's devices show, valid until its next step.
            now: simulated unix time.
            gateways: which are silent, lossy or wrong about the time.
        """
        self._outputs, self._now, self._gateways = outputs, now, gateways
        self._lost = self._rng.random(gateways.frame_loss.size) < gateways.frame_loss
        self._loaded.clear()
        self._plain = bool(
            gateways.reporting.all() and not self._lost.any() and not gateways.clock_skew.any()
        )

    def due(self) -> list[FrameUnit]:
        """Return the units that have a frame in this tick: all but those of silent gateways."""
        reporting = self._gateways.reporting
        if reporting.all():
            return self._units
        return [
            unit for unit in self._units if unit.kind is not UnitKind.RACK or reporting[unit.index]
        ]

    def parcels(self) -> list[Parcel]:
        """Return the messages of this tick: all but those whose gateways are all silent."""
        reporting = self._gateways.reporting
        if reporting.all():
            return self._parcels
        return [
            parcel
            for parcel in self._parcels
            if any(u.kind is not UnitKind.RACK or reporting[u.index] for u in parcel.units)
        ]

    def pack(self, parcel: Parcel) -> tuple[OutboundMessage | None, int]:
        """Count the frames of a parcel and return its message, and how many frames are in it.

        There is none when all its frames are lost on the way.
        """
        if self._plain and parcel.block is None:
            return self._alone(parcel.units[0]), 1
        if self._plain and parcel.block is not None and self._blocks is not None:
            return self._whole(parcel, parcel.block, self._blocks), len(parcel.units)
        reporting = self._gateways.reporting
        stamps = {
            place: stamp
            for place, unit in enumerate(parcel.units)
            if (unit.kind is not UnitKind.RACK or reporting[unit.index])
            and (stamp := self.stamp(unit)) is not None
        }
        if not stamps:
            return None, 0
        if parcel.block is None or self._blocks is None:
            return self.message(stamps[0]), 1
        self._load("encoders")
        present = {place: (stamp.ts, stamp.seq) for place, stamp in stamps.items()}
        payload = self._blocks.encode(parcel.block, present)
        return OutboundMessage(parcel.topic, payload), len(stamps)

    def _alone(self, unit: FrameUnit) -> OutboundMessage:
        """Count a unit's frame while all gateways are well, and return it."""
        self._load("encoders")
        numbers = self.sequence[unit.kind]
        seq = numbers[unit.index]
        numbers[unit.index] = seq + 1
        ts = max(0.0, self._now) if unit.kind is UnitKind.RACK else self._now
        return OutboundMessage(unit.topic, self._encoders[unit.kind].encode(unit.row, ts, seq))

    def _whole(self, parcel: Parcel, block: int, encoder: BlockEncoder) -> OutboundMessage:
        """Count the frames of a block whose gateways are all well, and return its message."""
        self._load("encoders")
        numbers = self.sequence[UnitKind.RACK]
        racks = [unit.index for unit in parcel.units]
        running = [numbers[rack] for rack in racks]
        for rack in racks:
            numbers[rack] += 1
        ts = round(max(0.0, self._now), 3)
        return OutboundMessage(parcel.topic, encoder.whole(block, ts, running))

    def stamp(self, unit: FrameUnit) -> FrameStamp | None:
        """Count the unit's frame and return it, or None when it is lost on the way."""
        numbers = self.sequence[unit.kind]
        seq = numbers[unit.index]
        numbers[unit.index] = seq + 1
        if unit.kind is not UnitKind.RACK:
            return FrameStamp(unit, self._now, seq)
        if self._lost[unit.index]:
            return None
        ts = max(0.0, self._now + float(self._gateways.clock_skew[unit.index]))
        return FrameStamp(unit, ts, seq)

    def skip(self, frames: int) -> None:
        """Count as many frames of every unit as made and lost."""
        for numbers in self.sequence.values():
            numbers[:] = [number + frames for number in numbers]

    def message(self, stamp: FrameStamp) -> OutboundMessage:
        """Return a frame of this tick as it travels."""
        self._load("encoders")
        unit = stamp.unit
        payload = self._encoders[unit.kind].encode(unit.row, stamp.ts, stamp.seq)
        return OutboundMessage(unit.topic, payload)

    def snapshot(self, stamp: FrameStamp) -> Snapshot:
        """Return what decoding a frame of this tick gives."""
        self._load("tables")
        return self._tables[stamp.unit.kind].snapshot(stamp.unit.row, stamp.ts, stamp.seq)

    def _load(self, what: str) -> None:
        """Take over the plant's outputs of this tick, the first time that they are needed."""
        if what in self._loaded or self._outputs is None:
            return
        outputs = self._cut(self._outputs())
        if what == "encoders":
            alone = {parcel.units[0].kind for parcel in self._parcels if parcel.block is None}
            self._encoders = self._encoders or {
                kind: Encoder(self.layout, kind, self._codec) for kind in alone
            }
            if self._blocks is not None:
                self._blocks.load(outputs)
            for encoder in self._encoders.values():
                encoder.load(outputs)
        else:
            self._tables = self._tables or {
                kind: SnapshotTable(self.layout, kind) for kind in self._kinds
            }
            for table in self._tables.values():
                table.load(outputs)
        self._loaded.add(what)

    def _cut(self, outputs: Outputs) -> Outputs:
        """Return the outputs of the units that are published here."""
        if not self._rows:
            return outputs
        cut: dict[str, dict[str, NDArray[np.floating]]] = {}
        for kind in self._kinds:
            rows = self._rows.get(kind)
            for device in self.layout.devices_of(kind):
                group = outputs[device.name]
                cut[device.name] = {
                    name: values if rows is None else values[rows] for name, values in group.items()
                }
        return cut


def parcels_of(
    layout: Layout, units: Sequence[FrameUnit], topics: Topics, most: int
) -> tuple[list[Parcel], list[BlockRow]]:
    """Return the messages in which the frames of some units travel, and the blocks among them.

    Args:
        layout: of the units.
        units: in order.
        topics: of the site.
        most: racks in one message at most; 1 for a message each.
    """
    parcels: list[Parcel] = []
    rows: list[BlockRow] = []
    for unit in units:
        if unit.kind is not UnitKind.RACK or most == 1:
            parcels.append(Parcel(unit.topic, (unit,)))
            continue
        array = layout.unit_name(UnitKind.ARRAY, layout.array_of(unit.row))
        topic, name = topics.blocks(array), layout.unit_name(UnitKind.RACK, unit.row)
        last = parcels[-1] if rows else None
        follows = last is not None and last.topic == topic and last.units[-1].row + 1 == unit.row
        if last is not None and follows and len(last.units) < most:
            parcels[-1] = Parcel(topic, (*last.units, unit), last.block)
            rows[-1] = BlockRow(rows[-1].first, (*rows[-1].racks, name))
        else:
            parcels.append(Parcel(topic, (unit,), len(rows)))
            rows.append(BlockRow(unit.row, (name,)))
    return parcels, rows
