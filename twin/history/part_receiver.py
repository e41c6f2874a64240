"""The process that writes what another one simulates: parts come over stdin."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn

import structlog

from twin.errors import ConfigError, TwinError
from twin.history.part_messages import BlockUnpacker, PartCall, WritingTask, receive
from twin.history.part_writer import DirectWriter
from twin.history.plan_text import plan_of

__all__ = ["main"]

_MOST_WAITING = 80_000_000
"""Bytes of parts that wait: no other is taken in before there are less. While the rules of a day
are evaluated, six parts of a site of racks, or one of devices in full, wait."""
_TERMINATED = 128 + signal.SIGTERM


class _WriterReport:
    """Says on stdout what the other process is to know."""

    def written(self, day: int, samples: int) -> None:
        """Take note of a day that is in place."""
        self.tell({"day": day, "samples": samples})

    def failed(self, error: TwinError | OSError) -> None:
        """Tell what went wrong, as it was raised."""
        if isinstance(error, OSError):
            said: Any = [error.errno, error.strerror, error.filename]
            said = said if error.errno is not None else [str(error)]
            self.tell({"error": "system", "says": said})
        else:
            wrong = isinstance(error, ConfigError)
            self.tell({"error": "wrong" if wrong else "failed", "says": str(error)})

    def log(self, _logger: object, method: str, values: MutableMapping[str, Any]) -> NoReturn:
        """Pass on a line of the log, as a processor of structlog."""
        event = values.pop("event")
        level = logging.getLevelNamesMapping().get(method.upper(), logging.ERROR)
        self.tell({"log": event, "level": level, "values": dict(values)})
        raise structlog.DropEvent

    def tell(self, word: Mapping[str, Any]) -> None:
        """Write a line."""
        print(json.dumps(word, default=str), flush=True)  # noqa: T201


class _WaitingParts:
    """Takes in parts while others are written, as far as memory allows."""

    def __init__(self, stream: io.FileIO) -> None:
        self._stream = stream
        self._parts: deque[tuple[PartCall, int]] = deque()
        self._waiting = 0
        self._gone = False
        self._changed = threading.Condition()
        threading.Thread(target=self._fill, daemon=True).start()

    def __iter__(self) -> Iterator[PartCall]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._parts or self._gone)
                if self._gone:
                    raise SystemExit(_TERMINATED)
                part, size = self._parts.popleft()
                self._waiting -= size
                self._changed.notify_all()
            if part.verb == "end":
                return
            yield part

    def _fill(self) -> None:
        while (message := receive(self._stream)) is not None:
            with self._changed:
                self._parts.append(message)
                self._waiting += message[1]
                self._changed.notify_all()
                if message[0].verb == "end":
                    return
                self._changed.wait_for(lambda: self._waiting < _MOST_WAITING)
        with self._changed:  # the process that sent them is gone
            self._gone = True
            self._changed.notify_all()
        os.kill(os.getpid(), signal.SIGTERM)


def _write(task: WritingTask, parts: Iterable[PartCall], teller: _WriterReport) -> None:
    unpacker = BlockUnpacker()
    with DirectWriter(plan_of(task.plan), task.target, teller, task.now) as writer:
        for part in parts:
            if part.packed is None:
                writer.begin(part.moment)
                continue
            blocks = unpacker.unpack(part.packed)
            if part.verb == "take":
                writer.take(blocks, part.moment)
            elif part.verb == "finish":
                writer.finish(blocks, part.moment, *part.others)
            else:
                writer.pass_by(blocks, part.moment)


def _leave(_number: int, _frame: object) -> NoReturn:
    # Once is enough; where a library swallows it, the end of the parts is seen at the next.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(_TERMINATED)


def main() -> int:
    """Write what comes over stdin and return the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    teller = _WriterReport()
    structlog.configure(processors=[teller.log])
    stream = io.FileIO(0, closefd=False)
    try:
        first = receive(stream)
        if first is not None:
            _write(first[0], _WaitingParts(stream), teller)
    except (TwinError, OSError) as error:
        teller.failed(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
