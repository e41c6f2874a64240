"""Faults that run at the same time, each on a pipeline of its own: they wait most of their time."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.reliability.pipeline import Pipeline

__all__ = ["Figures", "Running"]

AT_ONCE = 4
"""Pipelines at a time; each is four processes of a few tens of megabytes."""

Figures = dict[str, float]
Fault = Callable[[Pipeline], Figures]
_lock = threading.Lock()


class Running:
    """Faults under way.

    Args:
        folder: where their pipelines are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._faults: dict[str, Future[Figures]] = {}

    def begin(self, fault: Fault, options: dict[str, Any]) -> None:
        """Let a fault strike a new pipeline as soon as there is room."""
        name = fault.__name__
        self._faults[name] = self._pool.submit(self._strike, fault, self._folder / name, options)

    def figures(self, fault: Fault) -> Figures:
        """Wait for a fault and return what it measured, or raise what it found."""
        return self._faults[fault.__name__].result()

    def close(self) -> None:
        """Wait for those that have begun, and begin no other."""
        self._pool.shutdown(cancel_futures=True)

    def _strike(self, fault: Fault, folder: Path, options: dict[str, Any]) -> Figures:
        pipeline = Pipeline(folder, **options)
        try:
            pipeline.start()
            figures = fault(pipeline)
        finally:
            pipeline.stop()
        _keep(fault.__name__, figures)
        return figures


def _keep(name: str, figures: Figures) -> None:
    """Add the figures to the file that ``TWIN_FAULT_FIGURES`` names, for docs/reliability.md."""
    if file := os.environ.get("TWIN_FAULT_FIGURES"):
        with _lock, Path(file).open("a") as out:
            rounded = {key: round(value, 1) for key, value in figures.items()}
            out.write(json.dumps({"fault": name, **rounded}) + "\n")


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """All faults that were chosen of this module, begun with the first of them."""
    running = Running(tmp_path_factory.mktemp("faults"))
    for item in request.session.items:
        if item.path == request.path and (case := getattr(item, "callspec", None)):
            running.begin(case.params["fault"], case.params.get("options", {}))
    yield running
    running.close()
