"""What every long-running command shares: logs, signals, an end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

import structlog

from twin.errors import ConfigError

__all__ = ["configure_logs", "stop_on_signals", "wait"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str) -> None:
    """Send logs to standard error: readable on a terminal, JSON elsewhere.

    Raises:
        ConfigError: there is no such level.
    """
    if level not in _LEVELS:
        raise ConfigError(f"log level {level!r} does not exist; choose {', '.join(_LEVELS)}")
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard library; only their errors concern a user.
    logging.basicConfig(stream=sys.stderr, level=max(_LEVELS[level], logging.ERROR))


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def wait(stop: asyncio.Event, seconds: float | None) -> None:
    """Wait until ``stop`` is set, or for so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
