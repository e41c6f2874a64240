"""Benchmark data: sites of any size, with values from the plant."""

from __future__ import annotations

from twin.aggregator import Core
from twin.catalog import UnitKind
from twin.plant import Conditions, Plant
from twin.site import Layout, Site, load_site, parse_site
from twin.wire import Codec, Encoder, Outputs, Topics

__all__ = ["filled_core", "lived_in", "scaled_site", "scaled_site_text"]

_STEPS, _STEP_SECONDS = 40, 15.0
_GPUS_PER_RACK = 64
_MODEL = "colossus-100k"


def scaled_site_text(gpus: int) -> str:
    """Return the YAML of a site like ``colossus-100k`` with about so many GPUs.

    Racks, Megapacks, generators and the grid keep their proportions, so that what differs
    between two such sites is the size only.

    Args:
        gpus: rounded to whole racks of 64.
    """
    model = load_site(_MODEL)
    racks = max(1, round(gpus / _GPUS_PER_RACK))
    share = racks / model.racks

    def part(count: int) -> int:
        return max(1, round(count * share))

    arrays = -(-racks // model.racks_per_array)
    return "\n".join(
        (
            f"name: scaled-{racks * _GPUS_PER_RACK}",
            f"halls: {min(part(model.halls), arrays)}",
            f"racks: {racks}",
            f"megapacks: {{count: {part(model.megapacks.count)}}}",
            f"gensets: {{count: {part(model.gensets.count)}}}",
            f"grid: {{limit_watts: {max(1e6, model.grid.limit_watts * share):.0f}}}",
            "telemetry: {extra_signals: false}",
            "",
        )
    )


def scaled_site(gpus: int) -> Site:
    """Return the site that :func:`scaled_site_text` describes."""
    return parse_site(scaled_site_text(gpus), f"a site of {gpus} GPUs")


def lived_in(layout: Layout) -> Outputs:
    """Return the outputs of a plant after ten minutes of training."""
    plant, conditions = Plant(layout, seed=1), Conditions.healthy(layout)
    for _ in range(_STEPS):
        plant.step(_STEP_SECONDS, conditions)
    return plant.outputs()


def filled_core(layout: Layout, outputs: Outputs) -> Core:
    """Return a core that has taken over one frame of every unit."""
    core, topics = Core(layout), Topics(layout.site.name)
    for kind in UnitKind:
        encoder = Encoder(layout, kind, Codec.CBOR)
        encoder.load(outputs)
        for unit in range(layout.units(kind)):
            topic = topics.frame(kind, layout.unit_name(kind, unit))
            core.handle(topic, encoder.encode(unit, 1.0, 1), False, 1.0)
    return core
