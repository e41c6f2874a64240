"""What benchmarks of running processes share: start them, wait for them, look at them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

__all__ = ["broker", "cpu_seconds", "free_port", "memory_kib", "process", "until"]

_READY_SECONDS = 120.0
_STEP_SECONDS = 0.1


@asynccontextmanager
async def broker(port: int) -> AsyncIterator[int]:
    """Run a Mosquitto with the queues of ``deploy/mosquitto``; yield its process id."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("this benchmark needs mosquitto; install it")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mosquitto.conf")
        lines = [
            f"listener {port} 127.0.0.1",
            "allow_anonymous true",
            "user root",  # or it could not read this file after it has dropped root's rights
            "max_queued_messages 16384",
            "max_queued_bytes 268435456",
            "log_type error",
        ]
        await asyncio.to_thread(config.write_text, "\n".join(lines))
        with process([program, "-c", str(config)]) as running:
            await until(lambda: _listens(port), running)
            yield running.pid


@contextmanager
def process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` while the context is open, then end it in order."""
    running = subprocess.Popen(command)  # noqa: S603 - our own command line
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def until(ready: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    """Wait until ``ready``, or end the benchmark when the process has ended."""
    async with asyncio.timeout(_READY_SECONDS):
        while not await asyncio.to_thread(ready):
            if running.poll() is not None:
                raise SystemExit(f"{running.args!r} ended; it says why above")
            await asyncio.sleep(_STEP_SECONDS)


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds that each process has used."""
    tick = os.sysconf("SC_CLK_TCK")
    fields = {
        name: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        for name, pid in pids.items()
    }
    return {name: (int(own[11]) + int(own[12])) / tick for name, own in fields.items()}


def memory_kib(pid: int, field: str = "VmHWM") -> int:
    """Return memory of a process in KiB: ``VmRSS`` is what it has, ``VmHWM`` the most it had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
