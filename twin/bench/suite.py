"""Suite of ``twin bench``: its measurements in order, and their results."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twin.bench.broker import BrokerKind, best_broker, running_broker
from twin.bench.bus import BusCost, measure_bus
from twin.bench.clock import Budget
from twin.bench.codec import CodecCost, measure_codec
from twin.bench.data import lived_in, scaled_site, scaled_site_text
from twin.bench.exposition import Exposition, measure_exposition
from twin.bench.largest import Largest, largest_site, load_of
from twin.bench.machine import Machine, available_bytes, cores, describe_machine
from twin.bench.plant import StepCost, measure_step
from twin.bench.process import peak_bytes
from twin.bench.site_run import SitePlan, SiteReport, run_site, watch
from twin.bench.stages import StageCosts, measure_stages
from twin.site import Layout, Site, load_site
from twin.wire import Codec

__all__ = ["FULL", "QUICK", "STAGES", "Effort", "Result", "affordable", "measure", "run_scaled"]

STAGES = ("step", "codecs", "bus", "stages", "exposition", "end to end")
"""What is measured, in order."""
INTERVALS = (1.0, 10.0)
"""For which the largest site is told, in s."""
_REFERENCE = "colossus-100k"
_ARRAY = "colossus-array"
NOT_HELD = "the run end to end lost frames or was late; is the machine busy with something else?"
"""Said instead of a size, where none can be told."""
_GPUS_PER_RACK = 64
_RACKS_A_MESSAGE = 8
"""An array of the reference site."""
_WITH_EASE = 0.4
"""Share of all processors that the run end to end is expected to take."""
_SCRAPE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is measured.

    Attributes:
        budget: of each figure of the plant, the codecs and the exposition.
        messages: sent over the bus for a figure.
        gpus: of the sites that may be run end to end; the largest that the machine is
            expected to hold with ease is.
        warmup: seconds before that run is looked at.
        seconds: for which it is.
    """

    budget: Budget
    messages: int
    gpus: tuple[int, ...]
    warmup: float
    seconds: float


FULL = Effort(Budget(2.5, 5), 5_000, (1_024, 9_984, 100_032), 10.0, 30.0)
QUICK = Effort(Budget(0.2, 1), 500, (1_024, 9_984), 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Result:
    """What a machine can do.

    Attributes:
        machine: the machine and the day.
        step: of ``colossus-100k``.
        array_step: of one of its arrays, ``colossus-array``.
        codecs: of a rack's frame, JSON and CBOR.
        bus: a message of each codec's length.
        stages: of a rack in a block, beside copies of its bytes.
        exposition: of an array.
        end_to_end: a site in three processes.
        largest: the largest site at 1 s and at 10 s.
    """

    machine: Machine
    step: StepCost
    array_step: StepCost
    codecs: tuple[CodecCost, ...]
    bus: tuple[BusCost, ...]
    stages: StageCosts
    exposition: Exposition
    end_to_end: SiteReport
    largest: tuple[Largest, ...]

    def figures(self) -> dict[str, Any]:
        """Return everything as one object; the first keys are those that others build on."""
        json, cbor = self.codecs
        return {
            "step_100k_ms": self.step.step_ms,
            "expose_us_per_series": self.exposition.ours,
            "expose_vs_prometheus_client": self.exposition.ratio,
            "ingest_json_samples_per_s": json.ingest_samples_per_second,
            "ingest_cbor_samples_per_s": cbor.ingest_samples_per_second,
            **asdict(self),
        }


def measure(effort: Effort, begin: Callable[[str], None]) -> Result:
    """Measure this machine.

    Args:
        effort: how long.
        begin: told the name of each stage of :data:`STAGES` when it begins.

    Raises:
        BusError: the broker is gone.
        ServiceError: a process ended or did not get ready.
    """
    base = peak_bytes(os.getpid())  # what Python and the twin's code take
    begin("step")
    whole = Layout(load_site(_REFERENCE))
    array = Layout(load_site(_ARRAY))
    step, array_step = (measure_step(own, effort.budget) for own in (whole, array))
    begin("codecs")
    outputs = lived_in(array)
    codecs = tuple(measure_codec(array, outputs, codec, effort.budget) for codec in Codec)
    begin("bus")
    broker = best_broker()
    bus = asyncio.run(_bus(broker, codecs, effort.messages))
    begin("stages")
    stages = measure_stages(
        whole, _RACKS_A_MESSAGE, broker, effort.messages // _RACKS_A_MESSAGE, effort.budget
    )
    begin("exposition")
    exposition = measure_exposition(array, effort.budget)
    begin("end to end")
    tick_seconds = 1e-6 * stages.tick_us
    most = affordable(effort.gpus, _rack_seconds(tick_seconds, codecs[-1], bus[-1]), cores())
    report = _end_to_end([gpus for gpus in effort.gpus if gpus <= most], broker, effort)
    pythons = 2 if broker is BrokerKind.MOSQUITTO else 3
    load = load_of(report, pythons * base, tick_seconds)
    room = available_bytes()
    return Result(
        machine=describe_machine(),
        step=step,
        array_step=array_step,
        codecs=codecs,
        bus=bus,
        stages=stages,
        exposition=exposition,
        end_to_end=report,
        largest=tuple(
            largest_site(load, interval, cores(), room)
            if report.held
            else Largest(interval, 0, NOT_HELD)
            for interval in INTERVALS
        ),
    )


def _end_to_end(sizes: list[int], broker: BrokerKind, effort: Effort) -> SiteReport:
    """Return the run of the largest of ``sizes`` that holds, or of the smallest.

    Losses of a machine that is busy otherwise do not show its capacity.
    """
    for gpus in reversed(sizes):
        report = run_scaled(scaled_site(gpus), 1.0, broker, effort.warmup, effort.seconds)
        if report.held:
            break
    return report


def affordable(sizes: tuple[int, ...], rack_seconds: float, processors: int) -> int:
    """Return the largest of ``sizes``, in GPUs, that a machine holds with ease at 1 Hz.

    Args:
        sizes: to choose from, smallest first.
        rack_seconds: CPU time that all processes take for one frame of a rack.
        processors: of the machine.
    """
    most = _WITH_EASE * processors / rack_seconds
    return max((size for size in sizes if size / _GPUS_PER_RACK <= most), default=sizes[0])


def run_scaled(
    site: Site, interval: float, broker: BrokerKind, warmup: float, seconds: float
) -> SiteReport:
    """Return the report of a run of a site that is no preset.

    Args:
        site: made by :func:`twin.bench.data.scaled_site`.
        interval: simulated seconds between two frames of a unit.
        broker: which broker carries them.
        warmup: seconds before CPU and lag are taken.
        seconds: for which they are.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.yaml")
        path.write_text(scaled_site_text(site.gpus), encoding="utf-8")
        plan = SitePlan(str(path), site.name, site.gpus, interval, broker=broker, warmup=warmup)
        return asyncio.run(run_site(plan, lambda running: watch(running, seconds, _SCRAPE_SECONDS)))


def _rack_seconds(tick_seconds: float, codec: CodecCost, bus: BusCost) -> float:
    """Return the CPU time that emulator, broker and aggregator take for a frame of a rack."""
    # The broker both receives and sends; that it costs as much as our two ends is the worst case.
    passed = 2 * (bus.publish_us + bus.receive_us)
    return tick_seconds + 1e-6 * (codec.encode_us + codec.ingest_us + passed)


async def _bus(
    kind: BrokerKind, codecs: tuple[CodecCost, ...], messages: int
) -> tuple[BusCost, ...]:
    async with running_broker(kind) as broker:
        return tuple([await measure_bus(broker, codec.size_bytes, messages) for codec in codecs])
