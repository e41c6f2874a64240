"""Those who ask too much of a pipeline: floods, crowds, hanging readers, set clocks."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.conftest import program
from tests.integration.reliability.pipeline import POLL_SECONDS, RACKS, Pipeline

__all__ = [
    "FAKE_CLOCK",
    "SMALL_QUEUE",
    "all_report",
    "dropped",
    "flooding",
    "lag_is_right",
    "scrape",
    "set_clock",
    "stuck",
    "unaccounted",
]

SMALL_QUEUE = "max_queued_messages 100\nmax_inflight_messages 20\nsys_interval 1\n"
"""Settings of a Mosquitto that holds no more than a few seconds of frames for a slow reader."""

FAKE_CLOCK = {
    "LD_PRELOAD": "libfaketime.so.1",
    "FAKETIME_TIMESTAMP_FILE": "clock",
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "DONT_FAKE_MONOTONIC": "1",
}
"""Environment of processes whose wall clock :func:`set_clock` sets, and no other clock."""

_PAGES = ("/metrics", "/arrays/a001/metrics", "/arrays/a002/metrics", "/sd")
_MOST_LAG_SECONDS = 5.0


@contextmanager
def flooding(pipeline: Pipeline, per_second: float, size: int = 2000) -> Iterator[None]:
    """Publish to racks that the site does not have, while the context is open.

    Each burst waits until the one before has left, so that what waits in here is bounded.
    """
    stop = threading.Event()
    stranger = paho.Client(CallbackAPIVersion.VERSION2, "stranger")
    stranger.connect("127.0.0.1", pipeline.broker.port)
    stranger.loop_start()

    def publish() -> None:
        payload = b'{"v": 1, "ts": 1e9, "seq": 1, "gpu": "' + b"x" * size + b'"}'
        number = 0
        while not stop.wait(0.05):
            for _ in range(max(1, round(per_second / 20))):
                number += 1
                sent = stranger.publish(f"twin/v1/small/rack/r9{number % 1000:03d}", payload)
            with suppress(RuntimeError):  # it lost its connection and makes a new one
                sent.wait_for_publish(5)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        stranger.disconnect()
        stranger.loop_stop()


def dropped(pipeline: Pipeline) -> int:
    """Return the messages that the broker has dropped, as it says every second."""
    said = subprocess.run(
        [program("mosquitto_sub"), "-p", str(pipeline.broker.port), "-C", "1", "-W", "5",
         "-t", "$SYS/broker/publish/messages/dropped"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return int(said.stdout or 0)


@contextmanager
def stuck(pipeline: Pipeline, count: int) -> Iterator[None]:
    """Hold connections on which a page was asked for and nothing is taken."""
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", int(pipeline.url.rpartition(":")[2])))
            client.sendall(b"GET /arrays/a001/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        yield


def scrape(pipeline: Pipeline, count: int) -> tuple[Counter[int], float]:
    """Scrape with so many clients at the same moment; return their answers and the time."""
    gate = threading.Barrier(count)
    # One client, for each that is made loads all certificates; but a connection for each scrape.
    limits = httpx.Limits(max_connections=count, max_keepalive_connections=0)

    def one(number: int) -> int:
        gate.wait()
        try:
            return client.get(_PAGES[number % len(_PAGES)]).status_code
        except httpx.TransportError:
            return 0

    with (
        httpx.Client(base_url=pipeline.url, limits=limits, timeout=60) as client,
        ThreadPoolExecutor(count) as pool,
    ):
        began = time.monotonic()
        answers = Counter(pool.map(one, range(count)))
        return answers, time.monotonic() - began


def unaccounted(pipeline: Pipeline) -> float:
    """Return the frames that the emulator numbered and nobody knows of, at one moment."""
    sent, unsent, ingested, lost = pipeline.totals(
        "twin_emulator_frames_total",
        "twin_emulator_frames_unsent_total",
        "twin_frames_ingested_total",
        "twin_frames_lost_total",
    )
    return sent + unsent - ingested - lost


def set_clock(pipeline: Pipeline, seconds: int) -> None:
    """Set the wall clock of emulator and aggregator so far off the true one."""
    beside = Path(pipeline.folder, "clock.new")
    beside.write_text(f"{seconds:+d}\n")
    beside.replace(Path(pipeline.folder, "clock"))
    time.sleep(POLL_SECONDS)  # for the frames that are on their way with the time before


def all_report(pipeline: Pipeline, seconds: float) -> bool:
    """Whether no rack falls silent for so long; no answer is no look."""
    looks: set[int | None] = set()
    began = time.monotonic()

    def looked() -> bool:
        looks.add(pipeline.summary().get("racks_reporting"))
        return time.monotonic() - began > seconds and looks != {None}

    pipeline.until(looked)
    return looks <= {RACKS, None}


def lag_is_right(pipeline: Pipeline) -> bool:
    """Whether the last frame's lag is that of frames on one machine."""
    lag = pipeline.summary().get("lag_seconds")
    return lag is not None and lag < _MOST_LAG_SECONDS
