"""Fixtures that the tests of several packages share."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from twin.catalog import DEVICES, Signal
from twin.content_cache import CACHE_FOLDER
from twin.plant import Plant
from twin.site import Layout

# What fails must fail again, and not by chance in the run of a change that has nothing to do with
# it: the examples follow from the test. --hypothesis-profile explore looks for others.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile("repeatable")

OutputsOf = Callable[[Layout], Mapping[str, Mapping[str, NDArray[np.float64]]]]

_TESTS = Path(__file__).parent
_UNBOUNDED = 1e9
"""Stands for the greatest value of a signal that has none."""
_COROUTINE_SECONDS = 300.0
"""Beyond any coroutine here: what has not ended by then waits for what does not come."""


_FIRST = ("suite", "reliability", "brokers", "alertmanager", "http", "page", "http contract",
          "broker rights", "calibration", "comparison", "calibrate", "backtest",
          "goodput")  # fmt: skip
"""Groups of tests in the order in which workers take them. The suite computes for longest, and
those next to it wait for servers. Single tests come after, those with servers first."""
_LONG = ("integration", "faults", "rules", "deploy", "shadow")
"""Folders whose tests come before the others: the last ones must be short, so that no worker is
left alone with a long one."""


_SERVERS_ALONE = 7
"""Exit status where a few tests failed and all of these talk to real servers: scripts/test looks
at these once more, without other tests beside them."""
_FEW = 5
"""Tests with servers that may fail by chance. More at a time are no chance."""

_LONGEST_NAME = 100
"""Characters of a text of which a test's name has all."""
_LEFT = pytest.StashKey[int]()
_FAILED = pytest.StashKey[bool]()
_SEEN: list[pytest.TestReport] = []
"""Reports of what failed, in the process that prints them."""


def pytest_configure(config: pytest.Config) -> None:
    """Count the tests that this run leaves out, and give rule tests a cache of their own."""
    config.stash[_LEFT] = 0
    if not hasattr(config, "workerinput"):
        # Of this run alone, and of all its workers: what it keeps is of this code.
        folder = TemporaryDirectory(prefix="twin-rules-cache-")
        os.environ[CACHE_FOLDER] = folder.name
        config.add_cleanup(folder.cleanup)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long text by its length: a test's name goes to every worker and every log."""
    if isinstance(val, (str, bytes)) and len(val) > _LONGEST_NAME:
        return f"{argname} of {len(val)}"
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Refuse to simulate while tests are collected: each worker would, for all tests."""

    def refuse(*_: object) -> None:
        raise RuntimeError("a plant is stepped while tests are collected: do so in a test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plant, "step", refuse)
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes longest first, where several workers share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Return when a test is to be taken."""
    mark = item.get_closest_marker("xdist_group")
    if mark is not None and mark.args[0] in _FIRST:
        return _FIRST.index(mark.args[0])
    folder = item.path.relative_to(_TESTS).parts[0]
    return len(_FIRST) + (_LONG.index(folder) if folder in _LONG else len(_LONG))


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count those of a process that collects."""
    for item in items:
        item.config.stash[_LEFT] += item.get_closest_marker("full") is not None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what failed."""
    if report.failed:
        _SEEN.append(report)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, object]:
    """Note that a test failed."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Collect what a test that failed left open, so that the next one is not charged for it."""
    result = yield
    if item.stash.get(_FAILED, False):
        sys.last_type = sys.last_value = sys.last_traceback = None  # pytest keeps the frames here
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "unraisablehook", lambda _: None)
            gc.collect()
    return result


def status_of(status: int, failed: list[pytest.TestReport]) -> int:
    """Return the exit status of a run: :data:`_SERVERS_ALONE` if a second look is due."""
    tests = {report.nodeid for report in failed}
    servers = all("integration" in report.keywords for report in failed)
    return _SERVERS_ALONE if status == 1 and servers and 0 < len(tests) <= _FEW else status


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tell the count to the process that prints it, and scripts/test what failed."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash[_LEFT]
    elif session.config.option.numprocesses:
        session.exitstatus = status_of(exitstatus, _SEEN)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of xdist counted: each collects all tests."""
    node.config.stash[_LEFT] = getattr(node, "workeroutput", {}).get("left", 0)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out, so that nothing is left out in silence."""
    if left := config.stash[_LEFT]:
        terminalreporter.write_line(
            f"{left} tests are left to scripts/test --full: all scenarios, faults and "
            "mutants of every rule, long runs, other brokers and stores, Helm, shifted clocks"
        )


def pytest_itemcollected(item: pytest.Item) -> None:
    """End a coroutine that hangs where it hangs, so that its traceback says what it waits for.

    pytest-timeout, which ends every other test, would only show the event loop.
    """
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _bounded(item.obj)


def _bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*arguments: object, **named: object) -> None:
        async with asyncio.timeout(_COROUTINE_SECONDS):
            await test(*arguments, **named)

    return bounded


@pytest.fixture(scope="session")
def outputs() -> OutputsOf:
    """Return a function that makes random but valid outputs of a plant for a layout."""

    def make(layout: Layout) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
        rng = np.random.default_rng(2024)
        return {
            device.name: {
                signal.name: _values(signal, layout.shape(device), rng)
                for signal in layout.reported[device.name]
                if signal.on_wire
            }
            for device in DEVICES
        }

    return make


def _values(
    signal: Signal, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    codes = list(signal.states) or list(signal.value_labels)
    if codes:
        return rng.choice(np.array(codes, np.float64), shape)
    low = -_UNBOUNDED if signal.low is None else max(signal.low, -_UNBOUNDED)
    high = _UNBOUNDED if signal.high is None else min(signal.high, _UNBOUNDED)
    return np.round(rng.uniform(low, high, shape), signal.decimals)
