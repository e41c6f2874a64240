"""Emulator configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twin.errors import ConfigError
from twin.plant.plant import LONGEST_STEP
from twin.site import FACILITY, Layout, Shard
from twin.wire import Codec, largest_block

__all__ = ["EmulatorConfig"]

_FRAMES_PER_SECOND = 30.0
_MOST_SECONDS = 3600.0
"""Most frames a second of one unit: no scrape is faster."""


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """What an emulator needs to run.

    Attributes:
        layout: the site.
        name: name on the status topic and client id.
        seed: of all random numbers.
        workload: see :func:`twin.plant.workload.workload_of`.
        speed: simulated seconds a second.
        epoch: simulated unix time of the start; None for now.
        interval: simulated seconds between two frames of a unit; None for the site's,
            or what keeps to 30 frames a second of the wall clock at high speed.
        longest_step: simulated seconds above which a step of the plant is cut.
        state: folder in which the plant's state is kept; None to start afresh each time.
        past: folder with the state at the end of a past, from which to begin where none is kept.
        failures: see :func:`twin.faults.natural.failures_of`.
        codec: how frames are written.
        slow_down: whether a longer interval is taken when this one cannot be kept;
            otherwise it is kept to, and what is late or left out is counted.
        beside_gateway: whether the measured racks of the site are left to a gateway.
        shard: the part of the site's arrays that it runs, or ``facility`` for what serves them
            all; None for the whole site.

    Raises:
        ConfigError: a shard that would not keep step with the others, or messages too large.
    """

    layout: Layout
    name: str = "plant-0"
    seed: int = 0
    workload: str = "training"
    speed: float = 1.0
    epoch: float | None = None
    interval: float | None = None
    longest_step: float = LONGEST_STEP
    state: Path | None = None
    past: Path | None = None
    failures: str = "none"
    codec: Codec = Codec.JSON
    slow_down: bool = False
    beside_gateway: bool = False
    shard: Shard | str | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.frame_interval <= _MOST_SECONDS:
            raise ConfigError(
                f"the interval is {self.frame_interval:g} s; a frame must come every hour at "
                "least: give a shorter --interval"
            )
        self._check_blocks()
        if self.shard is None:
            return
        if self.slow_down:
            raise ConfigError(
                "--slow-down changes the interval, and shards keep step by having the same one; "
                "leave it out, and give all of them a longer --interval or use more shards"
            )
        if self.speed != 1.0 or self.epoch is not None:
            raise ConfigError(
                "shards agree on the time by the wall clock, so simulated time is real time: "
                "leave --speed out"
            )

    def _check_blocks(self) -> None:
        """Refuse messages of racks that are larger than any reader takes."""
        wanted = self.layout.entire.site.telemetry.racks_per_message
        if (
            wanted > 1
            and self.codec is Codec.CBOR
            and wanted > (most := largest_block(self.layout))
        ):
            raise ConfigError(
                f"telemetry.racks_per_message is {wanted}, and of racks like these at most {most} "
                "fit into one message of 1 MiB: give less"
            )

    @property
    def facility(self) -> bool:
        """Whether it runs what serves all arrays, and no array."""
        return self.shard == FACILITY

    @property
    def left_out(self) -> frozenset[int]:
        """Racks that a gateway publishes instead, by their index on the whole site."""
        measured = self.layout.entire.site.measured if self.beside_gateway else ()
        return frozenset(own.rack - 1 for own in measured)

    @property
    def part(self) -> str | None:
        """The part of the site that it runs, as a word of file names; None for all of it."""
        return str(self.shard.index) if isinstance(self.shard, Shard) else self.shard

    @property
    def frame_interval(self) -> float:
        """Simulated seconds between two frames of a unit."""
        if self.interval is not None:
            return self.interval
        return max(self.layout.site.telemetry.interval_seconds, self.speed / _FRAMES_PER_SECOND)
