"""Fixtures that the tests of several packages share."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from twin.catalog import DEVICES, Signal
from twin.site import Layout

# What fails must fail again, and not by chance in the run of a change that has nothing to do with
# it: the examples follow from the test. --hypothesis-profile explore looks for others.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile("repeatable")

OutputsOf = Callable[[Layout], Mapping[str, Mapping[str, NDArray[np.float64]]]]

_UNBOUNDED = 1e9
"""Stands for the greatest value of a signal that has none."""
_COROUTINE_SECONDS = 300.0
"""Beyond any coroutine here: what has not ended by then waits for what does not come."""


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
