"""Process that writes a past beside the one that simulates it.

Simulating and writing are both work of Python, so threads of one process would take turns. What
was scraped goes to the process over its stdin, and what it tells comes back in lines of JSON.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import IO, Any

import structlog

from twin.errors import ServiceError
from twin.history.beside import raised, start_beside
from twin.history.events import PastEvent
from twin.history.page_reader import Block
from twin.history.part_messages import BlockPacker, PartCall, WritingTask, send
from twin.history.part_writer import DayReport, PartWriter
from twin.history.past import PastPlan
from twin.history.plan_text import plain
from twin.history.targets import SampleTarget

__all__ = ["WriterProcess"]

_log = structlog.get_logger(__name__)


class WriterProcess(PartWriter):
    """Lets a process of its own write, and raises what goes wrong there at the next call.

    Args:
        plan: what is made.
        target: what it is written to.
        report: is told of each day.
        now: unix time from which the simulation goes on.
    """

    def __init__(self, plan: PastPlan, target: SampleTarget, report: DayReport, now: int) -> None:
        self._report = report
        self._packer = BlockPacker()
        self._told: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._total = 0
        self._process, self._stdin, stdout = start_beside(
            "twin.history.part_receiver", buffered=False
        )
        self._listener = threading.Thread(target=self._listen, args=(stdout,))
        self._listener.start()
        self._task = WritingTask(plain(plan), target, now)

    @property
    def number(self) -> int:
        """Number of the process."""
        return self._process.pid

    def __enter__(self) -> WriterProcess:  # noqa: PYI034 - as the class above says
        try:
            self._send(self._task)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process, which drops the day that it writes, and wait until it has ended."""
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        self._stdin.close()
        self._listener.join()
        self._process.wait()

    def begin(self, day: int) -> None:
        """Begin a day."""
        self._send(PartCall("begin", day))

    def take(self, blocks: Iterable[Block], now: int) -> None:
        """Let a part be written."""
        self._send(PartCall("take", now, self._packer.pack(blocks)))

    def finish(
        self, blocks: Iterable[Block], now: int, events: Sequence[PastEvent], state: bytes
    ) -> None:
        """Let the last part of the day be written, and the day be put in its place."""
        self._send(PartCall("finish", now, self._packer.pack(blocks), (events, state)))

    def pass_by(self, blocks: Iterable[Block], now: int) -> None:
        """Let the rules read a part of a day that is there already."""
        self._send(PartCall("pass_by", now, self._packer.pack(blocks)))

    def end(self) -> int:
        """Wait until all is written, and return how many samples the days have."""
        self._send(PartCall("end"))
        self._ended()
        return self._total

    def _send(self, message: object) -> None:
        self._hear()
        try:
            send(self._stdin, message)
        except OSError:
            self._ended()
            raise ServiceError(_gone(self._process.returncode)) from None

    def _ended(self) -> None:
        """Wait for the end of the process, and raise what went wrong in it."""
        self._listener.join()
        status = self._process.wait()
        self._hear()
        if status != 0:
            raise ServiceError(_gone(status))

    def _hear(self) -> None:
        """Pass on what the process has told since the last call."""
        while not self._told.empty():
            word = self._told.get()
            if "day" in word:
                self._total += word["samples"]
                self._report.written(word["day"], word["samples"])
            elif "log" in word:
                _log.log(word["level"], word["log"], **word["values"])
            elif word["error"] == "system":
                raise OSError(*word["says"])
            else:
                raise raised(word["error"], word["says"])

    def _listen(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._told.put(json.loads(line))


def _gone(status: int) -> str:
    return (
        f"the process that wrote the past ended with status {status}; run the same command again "
        "to go on"
    )
