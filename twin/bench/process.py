"""Processes under measurement: start, end, CPU time and memory."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from twin.errors import ConfigError, ServiceError

__all__ = [
    "Child",
    "cpu_seconds",
    "find_program",
    "free_port",
    "listens",
    "peak_bytes",
    "resident_bytes",
    "started",
    "until",
]

_READY_SECONDS = 180.0
_LOOK_SECONDS = 0.05
_GOODBYE_SECONDS = 30.0
_PORTS = range(20_000, 32_000)
_SCHEDULED = 2
"""CPUCLOCK_SCHED of the kernel: the time for which a process was on a processor."""


def find_program(name: str) -> str | None:
    """Return the path of an installed program, also of one in an administrator's folder."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Child:
    """A process that we started.

    Attributes:
        name: for error messages.
        process: the process.
        log: what it says.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def last_words(self) -> str:
        """Return the last line of its output, empty where there is none."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


@contextmanager
def started(
    command: Sequence[str], name: str, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Run a program while the context is open.

    Args:
        command: the program and its arguments.
        name: for error messages.
        environment: its environment; None for ours.

    Raises:
        ConfigError: it is not there.
    """
    env = None if environment is None else dict(environment)
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                command, env=env, stdout=log, stderr=log
            )
        except OSError as error:
            raise ConfigError(f"{command[0]} cannot be run: {error}; install it") from error
        try:
            yield Child(name, process, log)
        finally:
            process.terminate()
            try:
                process.wait(_GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1.

    It is below the ephemeral ports, so no other process gets it by chance before
    the program for which it is takes it.

    Raises:
        ServiceError: there is none.
    """
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise ServiceError(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free")


def listens(port: int) -> bool:
    """Return whether a process listens on that port of 127.0.0.1."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def until(ready: Callable[[], bool], child: Child, seconds: float = _READY_SECONDS) -> None:
    """Wait until ``ready`` says so.

    Raises:
        ServiceError: the process ended before, or it took too long.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(ready):
                if (status := child.process.poll()) is not None:
                    words = child.last_words() or "no output"
                    raise ServiceError(f"{child.name} ended with status {status}: {words}")
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError as error:
        raise ServiceError(
            f"{child.name} was not ready within {seconds:g} s; is the machine busy with "
            "something else?"
        ) from error


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU time that each process has used, to the nanosecond.

    Raises:
        ServiceError: one of them ended.
    """
    used: dict[str, float] = {}
    for name, pid in pids.items():
        try:
            # clock_getcpuclockid(3), which Python does not wrap: the kernel's own encoding.
            used[name] = time.clock_gettime((~pid << 3) | _SCHEDULED)
        except OSError as error:
            raise ServiceError(f"the {name} ended during the run") from error
    return used


def peak_bytes(pid: int) -> int:
    """Return the greatest resident set of a process so far."""
    return _memory(pid, "VmHWM")


def resident_bytes(pid: int) -> int:
    """Return the resident set of a process now."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))
