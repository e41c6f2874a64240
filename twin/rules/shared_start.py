"""Shared starts: the healthy time before the first fault, simulated once for many scenarios.

Most scenarios use the same site with the same seed, and their first fault comes after some
minutes. A process that runs many scenarios keeps such a site in its state just before the first
fault and forks to continue from there for each scenario. The samples are the same.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Collection
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

from twin.errors import ConfigError
from twin.rules.processes import prepare
from twin.rules.sampling import Samples, Sampling, sample
from twin.scenario.loader import LoadedScenario

__all__ = ["SharedStarts"]

_FORKS = sys.platform == "linux"
"""Elsewhere a fork is slow, or unsafe once numerical libraries are loaded."""
_SETTING = {"seed", "workload", "weather", "scrape", "step", "shadow"}
"""Fields of a scenario that, together with its site, determine its start."""
_SHORTEST = 30.0
"""Shortest start that is worth a fork, in s."""
_MOST_KEPT = 12
"""The shipped scenarios begin in 15 ways; most of them in one."""

_Key = tuple[str, str, frozenset[str], float]


class SharedStarts:
    """The starts that a process keeps: those used most recently.

    Args:
        most_kept: how many.
    """

    def __init__(self, most_kept: int = _MOST_KEPT) -> None:
        self._most_kept = most_kept
        self._kept: dict[_Key, Sampling] = {}

    def sample(self, loaded: LoadedScenario, wanted: Collection[str]) -> Samples:
        """Return what Prometheus would have scraped, as :func:`twin.rules.sampling.sample` does.

        Args:
            loaded: the scenario.
            wanted: metric names that are read.

        Raises:
            ConfigError: the process that simulated it was killed.
        """
        calm = _calm_seconds(loaded)
        if not _FORKS or calm < _SHORTEST:
            return sample(loaded, wanted)
        return _forked(self._start(loaded, wanted, calm), loaded)

    def _start(self, loaded: LoadedScenario, wanted: Collection[str], calm: float) -> Sampling:
        """Return a start that lasts at most as long as all is well, and half as long at least.

        It is never taken further: for most others of its site it would then be too late.
        """
        setting = _setting(loaded, wanted)
        fit = [key for key in self._kept if key[:-1] == setting and calm / 2 <= key[-1] <= calm]
        key = max(fit, key=lambda own: own[-1], default=(*setting, calm))
        start = self._kept.pop(key, None)
        if start is None:
            start = Sampling(loaded, wanted)
            start.advance(calm)
        self._kept[key] = start
        while len(self._kept) > self._most_kept:
            del self._kept[next(iter(self._kept))]
        return start


def _setting(loaded: LoadedScenario, wanted: Collection[str]) -> tuple[str, str, frozenset[str]]:
    """Return what scenarios have in common that begin in the same way."""
    setting = loaded.scenario.model_dump_json(include=_SETTING)
    return loaded.layout.site.model_dump_json(), setting, frozenset(wanted)


def _calm_seconds(loaded: LoadedScenario) -> float:
    """Return the time of the last scrape before the first fault; 0 if there is no fault."""
    scenario = loaded.scenario
    if not scenario.faults:
        return 0.0
    return scenario.faults[0].at // scenario.scrape * scenario.scrape


def _forked(start: Sampling, loaded: LoadedScenario) -> Samples:
    """Return the samples of a fork of this process that continues from a start."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_go_on, args=(start, loaded, sender))
    with warnings.catch_warnings():
        # This process's other threads hold no lock that the fork needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()
    found: Samples | Exception | None = None
    try:
        with suppress(EOFError), receiver:
            found = receiver.recv()
    except BaseException:
        process.kill()
        raise
    finally:
        process.join()
    if isinstance(found, Exception):
        raise found
    if found is None:
        raise ConfigError(f"{loaded.path}: the process that simulated it was killed; try again")
    return found


def _go_on(start: Sampling, loaded: LoadedScenario, sender: Connection) -> None:
    """Send the samples up to the end of the scenario, or the error that occurred."""
    prepare()
    try:
        start.follow(loaded)
        start.advance()
        sender.send(start.samples())
    except KeyboardInterrupt:
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - raised where it is awaited
        sender.send(error)
