"""Live status of ``twin up`` on a terminal; silent elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime

import structlog
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from twin.aggregator import Summary
from twin.stack.local import LocalStack

__all__ = ["LiveStatus", "busy", "shown"]

_PERIOD_SECONDS = 1.0
_LOG_SECONDS = 60.0
_MOST_FAULTS = 4
"""Faults that are named before the line says how many more there are."""
_BAR_WIDTH = 40
_FIGURE_WIDTH = 22
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))

_log = structlog.get_logger(__name__)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show on a terminal that something takes its time while the context is open."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


@asynccontextmanager
async def shown(stacks: Sequence[LocalStack], length: float | None) -> AsyncIterator[None]:
    """Show the status while the context is open; without a terminal it is logged now and then.

    Args:
        stacks: what runs, a site each.
        length: seconds after which it will end, None for no end.
    """
    console = Console(stderr=True, highlight=False)
    # One bar is enough: all end together.
    last = stacks[-1]
    statuses = [
        LiveStatus(
            stack,
            length if stack is last else None,
            stack.site if len(stacks) > 1 else "",
        )
        for stack in stacks
    ]
    follow = _follow(console, statuses) if console.is_terminal else _tell(statuses)
    task = asyncio.create_task(follow, name="status")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(console: Console, statuses: Sequence[LiveStatus]) -> None:
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
        while True:
            now = time.monotonic()
            live.update(Group(*(status.render(now) for status in statuses)), refresh=True)
            await asyncio.sleep(_PERIOD_SECONDS)


async def _tell(statuses: Sequence[LiveStatus]) -> None:
    while True:
        await asyncio.sleep(_LOG_SECONDS)
        for status in statuses:
            _log.info("status", **status.figures(time.monotonic()))


class LiveStatus:
    """The status of a running twin.

    Args:
        stack: what runs.
        length: seconds after which it will end, None for no end.
        name: of the site, where several run.
    """

    def __init__(self, stack: LocalStack, length: float | None, name: str = "") -> None:
        self._stack = stack
        self._name = name
        self._length = length
        self._began: float | None = None
        self._last: tuple[float, int] | None = None

    def figures(self, now: float) -> dict[str, object]:
        """Return the figures that a log line has; ``now`` is a clock's reading in seconds."""
        summary = self._stack.aggregator.summary()
        return {
            **({"site": self._name} if self._name else {}),
            "racks_reporting": summary.racks_reporting,
            "racks": summary.racks,
            "frames_per_second": round(self._rate(summary, now), 1),
            "frames_lost": summary.frames_lost,
            "lag_seconds": summary.lag_seconds,
            "late_ticks": self._stack.emulator.pacer.late_ticks,
            "series": summary.series,
            "it_power_watts": summary.it_power_watts,
            "jobs": {job.name: job.state for job in summary.jobs},
            "faults": [f"{fault['fault']} {fault['target']}" for fault in summary.faults],
        }

    def render(self, now: float) -> RenderableType:
        """Return the status of this moment; ``now`` is a clock's reading in seconds."""
        summary = self._stack.aggregator.summary()
        self._began = now if self._began is None else self._began
        table = Table.grid(padding=(0, 3, 0, 0))
        for style in ("dim", "", "dim", ""):
            # A width that does not change with the figures: nothing jumps.
            table.add_column(style=style, no_wrap=True, min_width=0 if style else _FIGURE_WIDTH)
        late = self._stack.emulator.pacer.late_ticks
        rate = self._rate(summary, now)
        table.add_row("  racks", _racks(summary), "frames", f"{rate:,.0f}/s{_lost(summary)}")
        table.add_row("  power", _watts(summary.it_power_watts), "lag", _lag(summary, late))
        table.add_row("  job", _jobs(summary), "series", f"{summary.series:,}")
        parts: list[RenderableType] = ["", _head(summary, self._name), table, _faults(summary)]
        if self._length is not None:
            parts.append(self._bar(now - self._began, self._length))
        return Group(*parts)

    def _rate(self, summary: Summary, now: float) -> float:
        """Return the frames a second since the last look."""
        before, self._last = self._last, (now, summary.frames_ingested)
        if before is None or now <= before[0]:
            return 0.0
        return (summary.frames_ingested - before[1]) / (now - before[0])

    def _bar(self, done: float, length: float) -> Table:
        bar = Table.grid(padding=(0, 2, 0, 0))
        bar.add_row(
            " ",
            ProgressBar(total=length, completed=min(done, length), width=_BAR_WIDTH),
            f"{min(done, length):,.0f} of {length:,.0f} s",
        )
        return bar


def _head(summary: Summary, name: str) -> Text:
    text = Text(f"  {name}  " if name else "  ", "bold")
    if summary.broker_connected and summary.racks_reporting:
        text.append("● live", "green")
    else:
        text.append("▲ waiting for frames", "yellow")
    if summary.simulated_time is not None:
        clock = datetime.fromtimestamp(summary.simulated_time, UTC)
        text.append(f"  {clock:%Y-%m-%d %H:%M:%S} UTC, simulated", "dim")
    return text


def _racks(summary: Summary) -> Text:
    all_there = summary.racks_reporting == summary.racks
    text = f"{summary.racks_reporting:,} of {summary.racks:,} report"
    return Text(text, "" if all_there else "yellow")


def _lost(summary: Summary) -> str:
    return f", {summary.frames_lost:,} lost" if summary.frames_lost else ""


def _lag(summary: Summary, late: int) -> Text:
    lag = "-" if summary.lag_seconds is None else f"{1000 * summary.lag_seconds:,.0f} ms"
    return Text(f"{lag}, {late:,} ticks late", "yellow" if late else "")


def _jobs(summary: Summary) -> Text:
    bad = any(job.state in {"stalled", "crashed"} for job in summary.jobs)
    states = [
        f"{job.state or '-'}, {job.steps or 0:,} steps"
        if len(summary.jobs) == 1
        else f"{job.name} {job.state or '-'}"
        for job in summary.jobs
    ]
    return Text("; ".join(states) or "none", "yellow" if bad else "")


def _faults(summary: Summary) -> Text:
    named = [f"{fault['fault']} {fault['target']}" for fault in summary.faults]
    more = len(named) - _MOST_FAULTS
    text = ", ".join(named[:_MOST_FAULTS]) + (f" and {more} more" if more > 0 else "")
    return Text(f"  faults   {text or 'none'}", "yellow" if named else "dim")


def _watts(value: float | None) -> str:
    if value is None:
        return "-"
    size, prefix = next((step for step in _PREFIXES if abs(value) >= step[0]), (1.0, ""))
    return f"{value / size:,.2f} {prefix}W"
