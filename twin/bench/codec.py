"""Frame cost in each codec: encode, decode, check and store."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from twin.aggregator import Core
from twin.bench.clock import Budget, median_seconds
from twin.catalog import UnitKind
from twin.site import Layout
from twin.wire import Codec, Decoder, Encoder, Outputs, Topics

__all__ = ["CodecCost", "measure_codec"]


@dataclass(frozen=True, slots=True)
class CodecCost:
    """Cost of one rack's frame.

    Attributes:
        codec: name of the codec.
        samples: values in the frame.
        size_bytes: its length.
        encode_us: to write it, µs.
        decode_us: to read and check it, µs.
        ingest_us: to decode it and take its values over, as the aggregator does, µs.
    """

    codec: str
    samples: int
    size_bytes: int
    encode_us: float
    decode_us: float
    ingest_us: float

    @property
    def ingest_samples_per_second(self) -> float:
        """Values that one core decodes, checks and takes over in a second."""
        return 1e6 * self.samples / self.ingest_us


def measure_codec(layout: Layout, outputs: Outputs, codec: Codec, budget: Budget) -> CodecCost:
    """Return what frames cost.

    Args:
        layout: the site.
        outputs: values of its plant.
        codec: how frames are written.
        budget: of each figure.
    """
    encoder, decoder = Encoder(layout, UnitKind.RACK, codec), Decoder(layout, UnitKind.RACK)
    encoder.load(outputs)
    payload = encoder.encode(0, 1.0, 1)
    core, topic = Core(layout), Topics(layout.site.name).frame(UnitKind.RACK, "r0001")
    numbers, racks = itertools.count(1), itertools.cycle(range(layout.site.racks))
    # A frame is taken over only if its number and its time are new, so each round has one
    # of its own; what it costs to write it is taken off again.
    ready = median_seconds(lambda: encoder.encode(0, 1.0, next(numbers)), budget)
    both = median_seconds(
        lambda: core.handle(
            topic, encoder.encode(0, float(n := next(numbers)), n), False, float(n)
        ),
        budget,
    )
    return CodecCost(
        codec=codec.value,
        samples=sum(group.size for group in decoder.decode(payload).groups.values()),
        size_bytes=len(payload),
        encode_us=1e6 * median_seconds(lambda: encoder.encode(next(racks), 1.0, 1), budget),
        decode_us=1e6 * median_seconds(lambda: decoder.decode(payload), budget),
        ingest_us=1e6 * (both - ready),
    )
