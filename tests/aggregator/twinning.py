"""A whole twin without a bus: the emulator's core feeds the aggregator's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twin.aggregator import Core
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.redfish import RedfishCore
from twin.site import Layout, parse_site

__all__ = ["EPOCH", "SCHEDULED", "TwinPair", "advance", "samples"]

SCHEDULED = """
name: small
racks: 3
racks_per_array: 2
servers_per_rack: 2
server: {gpus: 4}
scheduler: {kind: KIND, detect_seconds: 10, repair_seconds: 30, start_seconds: 5, load_ratio: 0.8}
job_mix:
  - {name: a, share: 3, gpus: [1, 2], seconds: 40}
  - {name: b, share: 1, gpus: [8], seconds: 60}
"""
"""Six servers of four GPUs, in arrays of four and of two."""
EPOCH = 1_700_000_000.0
"""Simulated unix time of the start."""
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def advance(emulator: EmulatorCore, core: Core | RedfishCore, wall: float, at: float) -> None:
    """Let a second pass at an emulator, and hand over what it says.

    Args:
        emulator: its core.
        core: that takes messages and frames.
        wall: simulated unix time.
        at: seconds of the monotonic clock.
    """
    emulator.step(1.0)
    for message in emulator.outbox():
        core.handle(message.topic, message.payload, False, wall, at)
    for unit in emulator.frames.due():
        stamp = emulator.frames.stamp(unit)
        if stamp is not None:
            frame = emulator.frames.message(stamp)
            core.handle(frame.topic, frame.payload, False, wall, at)
    core.tick(wall, at)


class TwinPair:
    """An emulator and an aggregator.

    Attributes:
        emulator: the emulator's core.
        core: the aggregator's.
        now: seconds since the start.
    """

    def __init__(self, kind: str = "kubernetes", more: str = "", text: str = SCHEDULED) -> None:
        layout = Layout(parse_site(text.replace("KIND", kind) + more, "test"))
        self.emulator = EmulatorCore(EmulatorConfig(layout, seed=1), EPOCH)
        self.core = Core(layout)
        self.core.connected(connected=True)
        self.now = 0
        for message in self.emulator.announcement({}):
            self.core.handle(message.topic, message.payload, True, EPOCH, 0.0)

    @property
    def scheduler(self) -> object:
        """The scheduler in the plant."""
        batch = self.emulator.plant.halls.batch
        assert batch is not None
        return batch.scheduler

    def run(self, seconds: int) -> None:
        """Let simulated seconds pass, with all messages and frames."""
        for _ in range(seconds):
            self.step()

    def step(self) -> None:
        """Let a second pass."""
        self.now += 1
        wall, at = EPOCH + self.now, float(self.now)
        advance(self.emulator, self.core, wall, at)

    def refused(self) -> float:
        """Return how many messages the aggregator has refused."""
        return sum(value for *_, value in self.scrape("twin_messages_refused_total"))

    def scrape(self, *names: str) -> list[tuple[str, dict[str, str], float]]:
        """Return the samples of these metrics, of ``kube_`` all that begin so, or all there are."""
        arrays = range(self.core.layout.site.arrays)
        texts = [bytes(self.core.metrics()), *(bytes(self.core.array(own)) for own in arrays)]
        lines = [line for text in texts for line in text.splitlines()]
        if names:
            ends = {name: ("",) if name.endswith("_") else ("{", " ") for name in names}
            begins = tuple(f"{name}{end}".encode() for name in names for end in ends[name])
            lines = [line for line in lines if line.startswith(begins)]
        return list(samples(b"\n".join(lines)))


def samples(text: bytes) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of each line of a text."""
    for line in text.decode().splitlines():
        if line and not line.startswith("#"):
            match = _LINE.fullmatch(line)
            assert match is not None, line
            yield match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])
