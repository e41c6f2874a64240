"""A small site with whole hosts and a scheduler, served by a real Prometheus.

The site runs for a while in simulated time; its scrapes become blocks of a Prometheus, and so does
what recording rules make of them.
"""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twin.aggregator import Core, ExpositionWriter
from twin.clients.prometheus import Prometheus
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.site import Layout, parse_site

__all__ = ["MINUTES", "prometheus_of", "rule_files"]

SITE = """
name: compatibility
racks: 2
racks_per_array: 2
servers_per_rack: 2
scheduler: {kind: KIND}
jobs: [{name: pretrain, racks: 1}]
telemetry: {host: full, exporters: {dcgm: "EDITION"}, jobs: {slurm: all}}
"""
SCRAPE, MINUTES = 15, 16


def scrape(kind: str, edition: str, file: Path, end: float) -> None:
    """Run the site and write what Prometheus would have scraped, with timestamps."""
    text = SITE.replace("KIND", kind).replace("EDITION", edition)
    layout = Layout(parse_site(text, "compatibility"))
    epoch = end - MINUTES * 60
    emulator = EmulatorCore(EmulatorConfig(layout, workload="training", interval=1.0), epoch)
    core = Core(layout)
    core.connected(connected=True)
    figures = {"clock": {"simulated": 1.0, "wall": 1.0}, "ticks": 0, "frames": 0}
    for message in emulator.announcement(figures):
        core.handle(message.topic, message.payload, retain=False, now=0.0)
    line = re.compile(rb"^([^#\n].*)$", re.MULTILINE)
    with file.open("wb") as out:
        for second in range(1, MINUTES * 60 + 1):
            emulator.step(1.0)
            for message in emulator.outbox():
                core.handle(message.topic, message.payload, retain=False, now=float(second))
            if second % SCRAPE:
                continue
            for unit in emulator.frames.due():
                stamp = emulator.frames.stamp(unit)
                if stamp is not None:
                    core.take(unit.kind, unit.row, emulator.frames.snapshot(stamp), float(second))
            writer = ExpositionWriter()
            core.exposure.write_site(writer)
            for array in range(layout.site.arrays):
                core.exposure.write_array(array, writer)
            out.write(b"\n".join(line.findall(re.sub(rb"(?m)^(?!#)(.+)$", rb"\1 %d" % (
                epoch + second), bytes(writer)))) + b"\n")  # fmt: skip
        out.write(b"# EOF\n")


@contextmanager
def prometheus_of(
    kind: str, edition: str, folders: list[Path]
) -> Iterator[tuple[Prometheus, float]]:
    """Serve the site's scrapes by a Prometheus of our own."""
    end = float(int(time.time()) // 60 * 60)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        scrape(kind, edition, path / "scrapes.txt", end)
        data = path / "data"
        subprocess.run(  # noqa: S603 - our own file
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", path / "scrapes.txt", data],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        # Twice, since a record may be made of records.
        for turn in ("first", "second"):
            with _serving(data) as prometheus:
                recorded = _recorded(prometheus.url, folders, end, path / turn)
            for block in recorded:
                block.rename(data / block.name)
        with _serving(data) as prometheus:
            yield prometheus, end


@contextmanager
def _serving(data: Path) -> Iterator[Prometheus]:
    """Run a Prometheus over some blocks."""
    port = _free_port()
    config = data / "empty.yml"
    config.write_text("{}\n")
    server = subprocess.Popen(  # noqa: S603 - our own file
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}",
         f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y",
         "--log.level=error"],
    )  # fmt: skip
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        while not prometheus.ready():
            time.sleep(0.2)
        yield prometheus
    finally:
        server.terminate()
        server.wait()


def _recorded(url: str, folders: list[Path], end: float, out: Path) -> list[Path]:
    """Return blocks with what the recording rules of the collections give."""
    files = [
        path for folder in folders for path in rule_files(folder) if "record:" in path.read_text()
    ]
    for file in files:
        subprocess.run(  # noqa: S603 - promtool parses what is given
            ["promtool", "tsdb", "create-blocks-from", "rules", f"--start={end - 600:.0f}",
             f"--end={end:.0f}", f"--url={url}", "--eval-interval=30s", f"--output-dir={out}",
             file],
            check=False, capture_output=True,
        )  # fmt: skip
    return [block for block in out.glob("*") if block.is_dir()] if out.exists() else []


def rule_files(folder: Path) -> list[Path]:
    """Return the rule files of a collection."""
    return sorted((*folder.rglob("*.yml"), *folder.rglob("*.yaml")))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
