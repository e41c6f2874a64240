"""Shard assignment: the part of a site that an aggregator exposes, and the owners of the rest.

Aggregators share a site by its arrays, as emulators do and by the same arithmetic. The first
shard also leads: it has what belongs to no array, and the roll-ups of the halls and the site,
for which the others send it their parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.site import Layout, PartLayout, Shard, owners
from twin.wire import Topics

__all__ = ["Addresses", "ShardAssignment"]

_SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class ShardAssignment:
    """An aggregator's share of a site.

    Attributes:
        whole: the site.
        shard: which of its shards it is.
        replica: which of the processes that expose the same shard, from 0.
        replicas: processes that expose each shard.

    Raises:
        ConfigError: there are more shards than arrays, or no such replica.
    """

    whole: Layout
    shard: Shard
    replica: int = 0
    replicas: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.replica < self.replicas:
            raise ConfigError(
                f"replica {self.replica} of {self.replicas}: replicas are numbered from 0 to "
                f"{self.replicas - 1}"
            )
        self.shard.arrays(self.whole.site.arrays)

    @property
    def leads(self) -> bool:
        """Whether it has what belongs to no array."""
        return self.shard.index == 0

    @cached_property
    def layout(self) -> PartLayout:
        """What it exposes."""
        arrays = self.shard.arrays(self.whole.site.arrays)
        return PartLayout.of(self.whole, arrays, facility=self.leads)

    def owners(self, count: int) -> tuple[int, ...]:
        """Return the shard that owns each array when there are so many."""
        return owners(self.whole.site.arrays, count)

    def released(self, count: int) -> frozenset[int]:
        """Return the arrays of its layout that are another shard's when there are so many."""
        now = self.owners(max(count, self.shard.count))
        return frozenset(
            row for row, number in enumerate(self.layout.numbers) if now[number] != self.shard.index
        )

    def filters(self) -> tuple[str, ...]:
        """Return the filters of all topics that it has to hear."""
        layout, topics = self.layout, Topics(self.whole.site.name)
        units = tuple(
            topics.frame(kind, layout.unit_name(kind, unit))
            for kind in (UnitKind.RACK, UnitKind.ARRAY)
            for unit in range(layout.units(kind))
        )
        racks = [
            layout.unit_name(UnitKind.RACK, rack) for rack in range(layout.units(UnitKind.RACK))
        ]
        units += tuple(topics.meta(rack) for rack in racks)
        blocks = (topics.blocks,) if layout.site.telemetry.has_blocks else ()
        units += tuple(
            of(layout.unit_name(UnitKind.ARRAY, array))
            for of in (*blocks, topics.shadow)
            for array in range(layout.units(UnitKind.ARRAY))
        )
        if layout.site.scheduled:
            units += tuple(topics.jobs(rack) for rack in racks)
        shared = (topics.status("+"), topics.faults, topics.detail, topics.ack("+"),
                  topics.rollup(self.replica, "+"))  # fmt: skip
        if not self.leads:
            return (*shared, *units)
        kinds = (kind for kind in UnitKind if kind not in (UnitKind.RACK, UnitKind.ARRAY))
        rest = tuple(topics.frames(kind) for kind in kinds if layout.units(kind))
        rest += (topics.shadow(UnitKind.GRID.value),)
        queue = (topics.queue,) if layout.site.scheduled else ()
        return (*shared, topics.command("detail"), *queue, *rest, *units)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Prometheus finds the aggregators of a site.

    Args:
        template: ``host:port``, also with ``http://`` or ``https://`` before it, in which
            ``{shard}``, ``{replica}`` and ``{ordinal}`` stand for the numbers of an aggregator.
        division: of the aggregator that answers, None where it is the only one.

    Raises:
        ConfigError: the template does not tell the aggregators apart, or is not an address.
    """

    template: str
    division: ShardAssignment | None = None

    def __post_init__(self) -> None:
        try:
            first = self.of(0, 0)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ConfigError(
                f"--advertise {self.template!r} is not valid: in braces it may have {{shard}}, "
                "{replica} and {ordinal}"
            ) from error
        if not first or "/" in first:
            raise ConfigError(
                f"--advertise {self.template!r} is not valid; write host:port, for example "
                "twin-aggregator-{shard}:9400"
            )
        division = self.division
        if division is None:
            return
        shards = division.shard.count > 1 and self.of(1, 0) == first
        if shards or (division.replicas > 1 and self.of(0, 1) == first):
            raise ConfigError(
                f"--advertise {self.template!r} names all aggregators alike; use "
                "{shard} and {replica}, for example twin-aggregator-{replica}-{shard}:9400"
            )

    def of(self, shard: int, replica: int) -> str:
        """Return host and port of one aggregator."""
        replicas = 1 if self.division is None else self.division.replicas
        text = self.template
        for scheme in _SCHEMES:
            text = text.removeprefix(scheme)
        ordinal = shard * replicas + replica
        return text.rstrip("/").format(shard=shard, replica=replica, ordinal=ordinal)

    @property
    def own(self) -> str:
        """Host and port of the aggregator itself."""
        division = self.division
        return (
            self.of(0, 0) if division is None else self.of(division.shard.index, division.replica)
        )

    @property
    def scheme(self) -> str:
        """The scheme that they are asked with."""
        return "https" if self.template.startswith("https://") else "http"

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels that tell Prometheus of the scheme."""
        return {"__scheme__": "https"} if self.scheme == "https" else {}
