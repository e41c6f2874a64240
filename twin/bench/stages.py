"""Stages of a rack's values, from the tick to the page, beside a copy of the same bytes.

What the physics of memory allows is one copy: each stage is told as so many times what copying
the bytes that it works on takes, from memory that no cache holds, in the same run.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from twin.aggregator import Core
from twin.bench.broker import BrokerKind, running_broker
from twin.bench.bus import BusCost, measure_bus
from twin.bench.clock import Budget, median_seconds
from twin.catalog import GPU, UnitKind
from twin.plant import Conditions, Plant
from twin.site import Layout
from twin.wire import BlockDecoder, BlockEncoder, BlockRow, Codec, Encoder, Outputs, Topics

__all__ = ["StageCosts", "measure_stages"]

_COPIED = 256 << 20
"""Bytes that are copied for the price of one: more than any cache holds."""
_START = 1_700_000_000.0
_SCRAPES = 4
"""Pages that are measured, for each round of other figures."""
_FILLED = 2
"""Blocks of a rack before those that are measured: its first ones are not the usual case."""


@dataclass(frozen=True, slots=True)
class StageCosts:
    """What each stage takes for one rack.

    Attributes:
        site: name of the site.
        gpus: its GPUs.
        racks_per_message: racks in a block.
        values: values of a rack.
        frame_bytes: of a rack in a block.
        page_bytes: of an array's page, a rack's share.
        step_us: of the plant, and looking at what it gives.
        copy_us: a copy of a rack's bytes in a block, µs.
        page_copy_us: a copy of its share of a page, µs.
        stages_us: each stage to the store, in order, µs.
        convert_us: what is converted when a page or a roll-up asks for it, µs.
        expose_us: a rack's share of writing the page, µs.
    """

    site: str
    gpus: int
    racks_per_message: int
    values: int
    frame_bytes: int
    page_bytes: int
    step_us: float
    copy_us: float
    page_copy_us: float
    stages_us: Mapping[str, float]
    convert_us: float
    expose_us: float

    @property
    def tick_us(self) -> float:
        """What a tick computes of a rack before its first frame leaves, µs."""
        return self.step_us + self.stages_us["encode"]


def measure_stages(
    layout: Layout, racks: int, kind: BrokerKind, messages: int, budget: Budget
) -> StageCosts:
    """Return what the stages of a site take.

    Args:
        layout: the site.
        racks: in one message.
        kind: of the broker.
        messages: sent over it for a figure.
        budget: of each other figure.

    Raises:
        BusError: the broker is gone.
        ServiceError: it loses messages or takes too long.
    """
    plant, conditions = Plant(layout, seed=1), Conditions.healthy(layout)

    def advance() -> None:
        plant.step(1.0, conditions)
        plant.outputs()

    step = median_seconds(advance, budget)
    outputs, rows = plant.outputs(), _rows(layout, racks)
    encoder = BlockEncoder(layout, rows)
    encode = _encode_seconds(plant, advance, encoder, rows, budget)
    payload = _block(encoder, rows, outputs, 1)
    size = len(payload)
    bus = asyncio.run(_bus(kind, size, messages))
    decoder, count = BlockDecoder(layout), len(rows[0].racks)
    check = median_seconds(lambda: decoder.decode(payload), budget)
    core, take = _filled(layout, encoder, rows, outputs)
    ingest = median_seconds(take, budget) - median_seconds(
        lambda: _block(encoder, rows, outputs, 1), budget
    )
    store, first = core.store, slice(0, count)

    def read() -> None:
        take()
        store.values_of(GPU, first)

    convert = median_seconds(read, budget) - median_seconds(take, budget)
    text = core.array(0)

    def renew() -> None:
        advance()
        encoder.load(plant.outputs())
        take()

    expose = _expose_seconds(core, renew, budget)
    second = _copy_seconds(budget) / _COPIED
    return StageCosts(
        site=layout.site.name,
        gpus=layout.site.gpus,
        racks_per_message=racks,
        values=sum(group[:, 0].size for group in decoder.decode(payload).groups.values()),
        frame_bytes=size // count,
        page_bytes=text.size // count,
        step_us=1e6 * step / layout.site.racks,
        copy_us=1e6 * second * size / count,
        page_copy_us=1e6 * second * text.size / count,
        stages_us={
            "encode": 1e6 * encode / layout.site.racks,
            "publish": bus.publish_us / count,
            "receive": bus.receive_us / count,
            "check": 1e6 * check / count,
            "store": 1e6 * max(0.0, ingest - check) / count,
        },
        convert_us=1e6 * max(0.0, convert) / count,
        expose_us=1e6 * expose / count,
    )


def _rows(layout: Layout, most: int) -> list[BlockRow]:
    """Return the blocks of a site."""

    def cut(racks: range) -> Iterator[BlockRow]:
        for first in racks[::most]:
            own = range(first, min(first + most, racks.stop))
            yield BlockRow(first, tuple(layout.unit_name(UnitKind.RACK, rack) for rack in own))

    return [row for array in range(layout.site.arrays) for row in cut(layout.racks_of(array))]


def _encode_seconds(
    plant: Plant,
    advance: Callable[[], None],
    encoder: BlockEncoder,
    rows: list[BlockRow],
    budget: Budget,
) -> float:
    """Return the median CPU time of encoding the site after a step, as a tick does."""
    rounds: list[float] = []
    while len(rounds) <= budget.rounds or sum(rounds) < budget.seconds:
        advance()
        outputs, began = plant.outputs(), time.thread_time()
        encoder.load(outputs)
        for number, row in enumerate(rows):
            encoder.whole(number, _START, [len(rounds)] * len(row.racks))
        rounds.append(time.thread_time() - began)
    return statistics.median(rounds[1:])  # the first writes what stays


def _expose_seconds(core: Core, renew: Callable[[], None], budget: Budget) -> float:
    """Return the median CPU time of an array's page, each time with the values of another tick."""
    rounds: list[float] = []
    for _ in range(_SCRAPES * budget.rounds):  # what comes between two of them takes much longer
        renew()
        began = time.thread_time()
        bytes(core.array(0))
        rounds.append(time.thread_time() - began)
    return statistics.median(rounds[_FILLED:])


def _block(encoder: BlockEncoder, rows: list[BlockRow], outputs: Outputs, seq: int) -> bytes:
    """Return the first block; its numbers are written once and then kept."""
    del outputs
    stamps = dict.fromkeys(range(len(rows[0].racks)), (_START + seq, seq))
    return encoder.encode(0, stamps)


def _filled(
    layout: Layout, encoder: BlockEncoder, rows: list[BlockRow], outputs: Outputs
) -> tuple[Core, Callable[[], None]]:
    """Return a core that has the first array's frames, and what gives it its next block."""
    core, topics = Core(layout), Topics(layout.site.name)
    topic, seq = topics.blocks(layout.unit_name(UnitKind.ARRAY, 0)), iter(range(1, 1 << 40))
    others = Encoder(layout, UnitKind.ARRAY, Codec.CBOR)
    others.load(outputs)
    switches = topics.frame(UnitKind.ARRAY, layout.unit_name(UnitKind.ARRAY, 0))
    core.handle(switches, others.encode(0, _START, 1), retain=False, now=_START)

    def take() -> None:
        number = next(seq)
        payload = _block(encoder, rows, outputs, number)
        core.handle(topic, payload, retain=False, now=_START + number)

    for _ in range(_FILLED):
        take()
    return core, take


def _copy_seconds(budget: Budget) -> float:
    source = np.ones(_COPIED, np.uint8)
    target = np.empty_like(source)
    return median_seconds(lambda: np.copyto(target, source), budget)


async def _bus(kind: BrokerKind, size: int, messages: int) -> BusCost:
    async with running_broker(kind) as broker:
        return await measure_bus(broker, size, messages)
