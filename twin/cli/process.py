"""Life of a long-running command: logs, signals, shutdown."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from twin.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from structlog.typing import Processor

__all__ = [
    "LEVELS",
    "configure_logs",
    "keep_memory",
    "run_until_stopped",
    "stop_on_signals",
    "wait",
]

_LARGE_SITE = 100
"""Racks from which the arrays of a signal are larger than what glibc keeps by itself."""
_TRIM_THRESHOLD, _MAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of glibc's malloc.h."""
_KEPT_BYTES = 64 << 20
"""What may be kept at the end of the heap; glibc takes no more than half of it for one array."""
_KEPT_BYTES_OF_SMALL, _MAPPED_BYTES_OF_SMALL = 2 << 20, 4 << 20
"""The same on a site that is not large, and from which size on an array is not part of the heap."""

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str) -> None:
    """Send logs to standard error: readable on a terminal, JSON elsewhere.

    Raises:
        ConfigError: there is no such level.
    """
    import structlog

    if level not in LEVELS:
        raise ConfigError(f"log level {level!r} does not exist; choose {', '.join(LEVELS)}")
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(_STDERR),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard library; only their errors concern a user.
    handler = logging.StreamHandler(_STDERR)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(LEVELS[level], logging.ERROR))


def keep_memory(racks: int) -> None:
    """Set how much of what is freed the C library keeps, on a site of so many racks.

    Arrays and messages of a large site are some hundred kilobytes. glibc gives each of them back to
    the system when it is freed and asks for it again a moment later, page by page: half the time of
    a tick. So it keeps 64 MiB. On any other site it would by itself keep twice the largest array
    that it ever saw, 30 MiB after some scrapes of the demo, and is told to keep 2 MiB at most.
    Other C libraries have no such switch, and an environment that sets it is left as it is.
    """
    import ctypes

    if "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    large = racks >= _LARGE_SITE
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES if large else _KEPT_BYTES_OF_SMALL)
    mallopt(_MAP_THRESHOLD, _KEPT_BYTES // 2 if large else _MAPPED_BYTES_OF_SMALL)


class _Stderr(io.TextIOBase):
    """Standard error, whatever it is at the moment: a live status takes it over for a while."""

    def write(self, text: str) -> int:
        with suppress(OSError):  # a log that cannot be written ends nothing
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


_STDERR = cast("TextIO", _Stderr())


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set."""
    import asyncio

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def run_until_stopped(
    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]], name: str, seconds: float | None
) -> None:
    """Run a service until a signal, or for so many seconds, and let it end well.

    Args:
        run: of the service; it ends when its event is set.
        name: of its task.
        seconds: after which it is stopped; None for never.
    """
    import asyncio

    signals, stop = stop_on_signals(), asyncio.Event()
    running = asyncio.create_task(run(stop), name=name)
    ending = asyncio.create_task(wait(signals, seconds), name="signals")
    await asyncio.wait([running, ending], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    ending.cancel()
    await running


async def wait(stop: asyncio.Event, seconds: float | None) -> None:
    """Wait until ``stop`` is set, or for so many seconds."""
    import asyncio

    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
