"""``twin bench``: measurements of this machine."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from twin.cli.options import JsonOutput
from twin.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from twin.bench.suite import Result

__all__ = ["bench"]

PROC = "/proc/self/status"
"""Linux's accounting of a process."""
_TERMINATED = 128 + signal.SIGTERM
_MILLION = 1e6
_DERIVED = """
Derived from that run: a process may take 70 % of a core, all together 70 % of the {cores} cores
and of the memory that is free, a tick 30 % of the interval before its first frame leaves. The
rest is for Prometheus."""


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Run for 20 seconds instead of two minutes.")
    ] = False,
    as_json: JsonOutput = False,
) -> None:
    """Measure this machine: cost of each part of the twin, and the largest site it can run.

    Step of the plant, frames in JSON and CBOR, MQTT, exposition compared with prometheus_client on
    the same data, and a site end to end in three processes. Mosquitto carries the frames
    where it is installed, otherwise the embedded broker does.

    \b
    Examples:
      twin bench
      twin bench --quick
      twin bench --json > bench.json
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from rich.console import Console

    from twin.bench.suite import FULL, QUICK, measure

    if not Path(PROC).exists():
        raise ConfigError("twin bench reads /proc, which this system does not have; use Linux")
    # Ended from outside, it takes the processes that it started along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    with _progress() as begin:
        result = measure(QUICK if quick else FULL, begin)
    if as_json:
        typer.echo(orjson.dumps(result.figures()))
        return
    console = Console(highlight=False)
    machine = result.machine
    console.print(
        f"[bold]{machine.cores} cores[/bold] of {machine.processor}, {machine.memory_gb:.1f} GB, "
        f"Python {machine.python}, {machine.date}\n"
    )
    console.print(_costs(result))
    console.print()
    console.print(_sizes(result))
    console.print(_DERIVED.format(cores=machine.cores), style="dim", soft_wrap=True)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the present stage on a terminal; yield the callback for the start of each."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from twin.bench.suite import STAGES

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(STAGES))

        def begin(stage: str) -> None:
            place = STAGES.index(stage)
            described = f"{place + 1} of {len(STAGES)}: {stage}"
            progress.update(task, completed=place, description=described)

        yield begin
        progress.update(task, completed=len(STAGES))


def _costs(result: Result) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("what")
    table.add_column("costs", justify="right")
    table.add_column("that is")
    for row in (*_plant_and_frames(result), *_bus_and_pages(result), *_end_to_end(result)):
        table.add_row(*row)
    return table


def _plant_and_frames(result: Result) -> Iterator[tuple[str, str, str]]:
    for step in (result.array_step, result.step):
        yield (
            f"step, {step.gpus:,} GPUs", f"{step.step_ms:.1f} ms",
            f"{step.real_time_ratio:,.0f} times real time, on one core",
        )  # fmt: skip
    for codec in result.codecs:
        yield (
            f"encode, a rack in {codec.codec}", f"{codec.encode_us:.1f} µs",
            f"{codec.samples:,} values in {codec.size_bytes:,} bytes",
        )  # fmt: skip
    for codec in result.codecs:
        yield (
            f"decode, a rack in {codec.codec}", f"{codec.ingest_us:.1f} µs",
            f"{codec.ingest_samples_per_second / _MILLION:,.0f} M values/s checked and taken over",
        )  # fmt: skip


def _bus_and_pages(result: Result) -> Iterator[tuple[str, str, str]]:
    for codec, bus in zip(result.codecs, result.bus, strict=True):
        yield (
            f"publish, {codec.codec}", f"{bus.publish_us:.0f} µs",
            f"{bus.size_bytes:,} bytes to {bus.broker}",
        )  # fmt: skip
        yield (
            f"receive, {codec.codec}", f"{bus.receive_us:.0f} µs",
            f"{bus.messages_per_second:,.0f} messages/s, both ends on one core",
        )  # fmt: skip
    block = result.stages
    for stage, cost in block.stages_us.items():
        yield (
            f"{stage}, a rack of {block.racks_per_message} in a message", f"{cost:.1f} µs",
            f"{cost / block.copy_us:.1f} copies of its {block.frame_bytes:,} bytes",
        )  # fmt: skip
    exposed = result.exposition
    yield (
        "expose, a series", f"{exposed.ours:.3f} µs",
        f"{exposed.series:,} series of an array in {exposed.array_ms:.1f} ms",
    )  # fmt: skip
    yield (
        "the same by prometheus_client", f"{exposed.ratio * exposed.ours:.1f} µs",
        f"{exposed.ratio:.0f} times as long, on the same data",
    )  # fmt: skip


def _end_to_end(result: Result) -> Iterator[tuple[str, str, str]]:
    run = result.end_to_end
    lost = "no frame lost" if not run.frames_missing else f"{run.frames_missing:,} frames lost"
    late = "no tick late" if not run.late_ticks else f"{run.late_ticks:,} ticks late"
    yield (
        f"{run.gpus:,} GPUs end to end at 1 Hz",
        f"{sum(run.cpu_cores.values()):.2f} cores",
        f"{run.rss_total_mib:,} MiB in 3 processes, {lost}, {late}",
    )  # fmt: skip
    yield "from tick to exposed value", f"{run.lag_p99_seconds:.2f} s", "99th percentile of it"


def _sizes(result: Result) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("largest site of this machine")
    table.add_column("GPUs", justify="right")
    table.add_column("limited by")
    for largest in result.largest:
        interval = f"a frame every {largest.interval_seconds:g} s"
        table.add_row(interval, f"{largest.gpus:,}", largest.limited_by)
    return table
