"""Days of a past shared by processes: what each is told, and what it tells."""

from __future__ import annotations

import json
import logging
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any, NoReturn

import structlog

from twin.errors import ConfigError, ServiceError, TwinError
from twin.history.all_targets import target_of
from twin.history.beside import raised, start_beside
from twin.history.past import PastPlan
from twin.history.plan_text import plain, plan_of
from twin.history.targets import SampleTarget
from twin.history.writing import HistoryReport, write_days

__all__ = ["main", "write_together"]

_TOLD_EVERY = 8
"""Scrapes after which a process says how far it is."""


def write_together(
    plan: PastPlan, target: SampleTarget, shares: Sequence[Sequence[int]], report: HistoryReport
) -> int:
    """Let a process write each share of the days, and return how many samples they have.

    Raises:
        TwinError: as the first process that fails says.
    """
    told: queue.SimpleQueue[tuple[int, Mapping[str, Any]]] = queue.SimpleQueue()
    started, streams = zip(*(_start(plan, target, days) for days in shares), strict=True)
    listening = [
        threading.Thread(target=_listen, args=(number, stdout, told))
        for number, stdout in enumerate(streams)
    ]
    try:
        for thread in listening:
            thread.start()
        return _follow(started, told, report)
    finally:
        for process in started:
            process.terminate()
        for process, thread in zip(started, listening, strict=True):
            thread.join()
            process.wait()


def _follow(
    started: Sequence[subprocess.Popen[bytes]],
    told: queue.SimpleQueue[tuple[int, Mapping[str, Any]]],
    report: HistoryReport,
) -> int:
    total, running = 0, len(started)
    while running:
        number, word = told.get()
        for _ in range(word.get("scraped", 0)):
            report.scraped()
        if "day" in word:
            total += word["samples"]
            report.written(word["day"], word["samples"])
        if "error" in word:
            raise raised(word["error"], word["says"])
        if "ended" in word:
            running -= 1
            if started[number].wait() != 0:
                raise ServiceError(
                    f"a process that wrote days ended with status {started[number].returncode}; "
                    "run the same command again to go on"
                )
    return total


def _start(
    plan: PastPlan, target: SampleTarget, days: Sequence[int]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    task = {**plain(plan), "to": target.text, "days": list(days)}
    process, stdin, stdout = start_beside("twin.history.sharing", buffered=True)
    with stdin:
        stdin.write(json.dumps(task).encode())
    return process, stdout


def _listen(
    number: int,
    stdout: IO[bytes],
    told: queue.SimpleQueue[tuple[int, Mapping[str, Any]]],
) -> None:
    with stdout as lines:
        for line in lines:
            told.put((number, json.loads(line)))
    told.put((number, {"ended": True}))


class _Teller:
    """Says on stdout how far it is."""

    def __init__(self) -> None:
        self._scraped = 0

    def scraped(self) -> None:
        """Take note of a scrape."""
        self._scraped += 1
        if self._scraped == _TOLD_EVERY:
            self.tell({})

    def written(self, day: int, samples: int) -> None:
        """Take note of a day that is in place."""
        self.tell({"day": day, "samples": samples})

    def tell(self, word: Mapping[str, Any]) -> None:
        """Write a line."""
        print(json.dumps({"scraped": self._scraped, **word}), flush=True)  # noqa: T201
        self._scraped = 0


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> int:
    """Write the days that stdin names and return the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    task, teller = json.load(sys.stdin), _Teller()
    try:
        write_days(plan_of(task), target_of(task["to"]), task["days"], teller)
    except ConfigError as error:
        teller.tell({"error": "wrong", "says": str(error)})
    except (TwinError, OSError) as error:
        teller.tell({"error": "failed", "says": str(error)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
