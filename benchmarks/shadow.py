"""The observer's cost a second: frames of all racks, the relations over them, and a block's end.

Run: ``python benchmarks/shadow.py [--seconds 5] [--json] [--save FILE]``.

The site is colossus-100k, whose racks each send a frame a second, in CBOR, and so do its Megapacks,
generators, feeds and meters. Figures are CPU time; a block ends every 30 s. The counters of NICs
rise as those of a job do, so that all ports are judged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from twin.bench.script import lines, parser, run
from twin.catalog import GPU, UnitKind
from twin.plant import Plant
from twin.shadow import ShadowCore, ShadowSettings
from twin.shadow.calibration import Phases
from twin.site import Layout, load_site
from twin.wire import Codec, Decoder, Encoder

_SITE = "colossus-100k"


def measure(seconds: int) -> Mapping[str, Any]:
    """Return the CPU time of each part of a second."""
    layout = Layout(load_site(_SITE))
    plant = Plant(layout, 1)
    core = ShadowCore(layout, ShadowSettings(phases=Phases(2, 3)))
    kinds = (UnitKind.RACK, *core.kinds)
    encoders = {kind: Encoder(layout, kind, Codec.CBOR) for kind in kinds}
    decoders = {kind: Decoder(layout, kind) for kind in kinds}
    outputs = plant.outputs()
    for encoder in encoders.values():
        encoder.load(outputs)
    decode, take, relations, blocks = [], [], [], []
    for second in range(seconds + 7):
        # Blocks follow each other at once, so that all relations are watched.
        ts = 1e9 + second * core.block
        for counter in ("tx_bytes", "rx_bytes"):
            outputs["nic"][counter] = outputs["nic"][counter] + 4e9 * core.block
        encoders[UnitKind.RACK].load(outputs)
        frames = [
            (kind, unit, encoders[kind].encode(unit, ts, second))
            for kind in kinds
            for unit in range(layout.units(kind))
        ]
        began = time.process_time()
        snapshots = [(kind, unit, decoders[kind].decode(frame)) for kind, unit, frame in frames]
        decoded = time.process_time()
        for kind, unit, snapshot in snapshots:
            if kind is UnitKind.RACK:
                core.take(unit, snapshot)
            else:
                core.take_unit(kind, unit, snapshot)
        taken = time.process_time()
        if second:
            core._close()  # noqa: SLF001 - as it does when the next block begins
        closed = time.process_time()
        core._block = ts // core.block  # noqa: SLF001 - the one before is ended here already
        core.evaluate()
        decode.append(decoded - began)
        take.append(taken - decoded)
        blocks.append(closed - taken)
        relations.append(time.process_time() - closed)
    parts = {"decode": decode, "take": take, "relations": relations, "block": blocks}
    best = {f"{name}_ms": min(costs[-seconds:]) * 1e3 for name, costs in parts.items()}
    core_ms = best["take_ms"] + best["relations_ms"] + best["block_ms"] / core.block
    return {
        "gpus": layout.site.racks * layout.per_unit(GPU),
        "frames": len(frames),
        "judged_ratio": round(_judged(core), 3),
        **best,
        "observer_ms": core_ms,
        "second_ms": core_ms + best["decode_ms"],
    }


def _judged(core: ShadowCore) -> float:
    """Return the share of all devices of relations that are watched."""
    watching = [own.own.watching for own in core.watches.values()]
    return sum(float(own.sum()) for own in watching) / sum(own.size for own in watching)


def main() -> None:
    """Print the figures."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--seconds", type=int, default=5, help="seconds of which the best counts"
    )
    options = arguments.parse_args()
    run(options, lambda: measure(options.seconds), lambda figures: "\n".join(lines(figures)))


if __name__ == "__main__":
    main()
