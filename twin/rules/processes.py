"""Processes of a run: how they begin, and that none outlives it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process

import structlog

from twin.rules.promtool import stop_all

__all__ = ["ended_in_order", "prepare", "single_threaded"]

_ERROR = 40


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let a signal that ends this process end all that it started first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let the processes that start in here leave the other cores to each other."""
    name = "OPENBLAS_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name)
        else:
            os.environ[name] = before


def prepare() -> None:
    """Make a process ready for scenarios."""
    # What the aggregator logs is left out: refused messages are part of a scenario.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_ERROR))
    signal.signal(signal.SIGTERM, lambda *_: _end())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end() -> None:
    """End this process at once, with what it runs."""
    stop_all()
    os._exit(1)


def _end_with_parent() -> None:
    """End this process when the one that started it is killed, which would leave it waiting."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        _end()
