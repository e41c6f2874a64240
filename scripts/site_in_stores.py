"""A small site with whole hosts and a scheduler, served by real stores: what a collection asks.

The site runs for a while in simulated time; its scrapes become blocks of a Prometheus, and so does
what recording rules make of them. Where a VictoriaMetrics is installed, it has the same scrapes.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from twin.aggregator import Core, ExpositionWriter
from twin.clients.prometheus import Prometheus
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.site import Layout, parse_site

__all__ = ["MINUTES", "SCHEDULERS", "Setup", "Stores", "rule_files", "setup_of", "stores_of"]

SITE = """
name: compatibility
racks: 2
racks_per_array: 2
servers_per_rack: 1
scheduler: {KIND, start_seconds: 20, repair_seconds: 60}
jobs: [{name: pretrain, racks: 1}]
job_mix: [{name: finetune, share: 1, gpus: [4, 8], seconds: 200, spread: 0.3}]
telemetry: {host: full, exporters: {dcgm: "EDITION"}, jobs: {slurm: all}}
"""
TROUBLE = {
    240: ("server-down", "r0002/n1", 200.0),
    560: ("gpu-xid", "r0002/n1/gpu1", 120.0),
    480: ("nic-flap", "r0001/n1/nic0", 180.0),
    600: ("packet-loss", "r0001/n1/nic1", 240.0),
}
"""What goes wrong, by the second: panels about trouble show something then."""
SCRAPE, MINUTES = 15, 16
SCHEDULERS = {
    "kubernetes": "kind: kubernetes",
    "slurm": "kind: slurm",
    "slurm-on-kubernetes": "kind: slurm, on_kubernetes: true",
}
VICTORIA = shutil.which("victoria-metrics")


@dataclass(frozen=True)
class Setup:
    """What a collection's own scrape configuration and exporters' options add; its ``SETUP``.

    Attributes:
        labels: labels of targets; ``{host}`` stands for a host's name.
        counters: text of the counters file of its dcgm-exporter; empty for the default list.
        ignore_case: whether its store knows names in any case, as an Azure Monitor workspace does.
        scheduler: what its clusters have; empty for either.
        gpu: model of its GPUs; empty for the usual one.
    """

    labels: tuple[tuple[str, str], ...] = ()
    counters: str = ""
    ignore_case: bool = False
    scheduler: str = ""
    gpu: str = ""

    def kinds(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return the schedulers that the collection is asked with, of those wanted."""
        return tuple(kind for kind in wanted if self.scheduler in ("", kind))


def setup_of(folder: Path) -> Setup:
    """Return the setup of a collection, that of a Prometheus as it comes without ``SETUP``."""
    file = folder / "SETUP"
    if not file.exists():
        return Setup()
    own = yaml.safe_load(file.read_text(encoding="utf-8"))
    counters = (folder / own["counters"]).read_text(encoding="utf-8") if "counters" in own else ""
    return Setup(
        tuple(dict(own.get("labels", {})).items()),
        counters,
        bool(own.get("ignore_case", False)),
        str(own.get("scheduler", "")),
        str(own.get("gpu", "")),
    )


@dataclass(frozen=True)
class Stores:
    """Servers that have the scrapes of one site.

    Attributes:
        prometheus: with what the recording rules of the collections give, too.
        end: time of the last scrape, unix seconds.
        victoria: starts a VictoriaMetrics, which ends with the others.
    """

    prometheus: Prometheus
    end: float
    victoria: Callable[[], Prometheus]


def site_of(kind: str, edition: str, setup: Setup) -> Layout:
    """Return the site that a collection is asked of."""
    site = yaml.safe_load(SITE.replace("KIND", SCHEDULERS[kind]).replace("EDITION", edition))
    if setup.counters:
        site["telemetry"]["exporters"]["dcgm_counters"] = setup.counters
    if setup.gpu:
        site["gpu"] = setup.gpu
    return Layout(parse_site(yaml.safe_dump(site), "compatibility"))


def scrape(kind: str, edition: str, setup: Setup, file: Path, end: float) -> None:
    """Run the site and write what Prometheus would have scraped, with timestamps."""
    layout = site_of(kind, edition, setup)
    epoch = end - MINUTES * 60
    emulator = EmulatorCore(EmulatorConfig(layout, workload="training", interval=1.0), epoch)
    core = Core(layout)
    core.connected(connected=True)
    figures = {"clock": {"simulated": 1.0, "wall": 1.0}, "ticks": 0, "frames": 0}
    for message in emulator.announcement(figures):
        core.handle(message.topic, message.payload, retain=False, now=0.0)
    line = re.compile(r"^([^#\n].*)$", re.MULTILINE)
    with file.open("w", encoding="utf-8") as out:
        for second in range(1, MINUTES * 60 + 1):
            if second in TROUBLE:
                emulator.inject(f"trouble-{second}", *TROUBLE[second])
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
            page = line.findall(bytes(writer).decode())
            out.writelines(f"{labelled(own, setup.labels)} {epoch + second:.0f}\n" for own in page)
        out.write("# EOF\n")


_SERIES = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?(.*)$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def labelled(line: str, labels: Sequence[tuple[str, str]]) -> str:
    """Return a line of a page with labels that the scrape configuration adds to its target."""
    match = _SERIES.match(line)
    if not labels or match is None:
        return line
    own = dict(_LABEL.findall(match[2] or ""))
    host = str(own.get("Hostname") or own.get("node") or own.get("instance", "")).partition(":")[0]
    own |= {name: value.replace("{host}", host) for name, value in labels}
    shown = ",".join(f'{name}="{value}"' for name, value in own.items())
    return f"{match[1]}{{{shown}}}{match[3]}"


@contextmanager
def stores_of(kind: str, edition: str, setup: Setup, folders: list[Path]) -> Iterator[Stores]:
    """Serve the site's scrapes by a Prometheus of our own, and by a VictoriaMetrics."""
    end = float(int(time.time()) // 60 * 60)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        scrapes, data = path / "scrapes.txt", path / "data"
        scrape(kind, edition, setup, scrapes, end)
        subprocess.run(  # noqa: S603 - our own file
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", scrapes, data],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        # Twice, since a record may be made of records.
        for turn in ("first", "second"):
            with _prometheus(data) as prometheus:
                recorded = _recorded(prometheus.url, folders, end, path / turn)
            for block in recorded:
                block.rename(data / block.name)
        with ExitStack() as stack:
            prometheus = stack.enter_context(_prometheus(data))
            other = _victoria(path / "victoria", scrapes)
            yield Stores(prometheus, end, lambda: stack.enter_context(other))


@contextmanager
def _prometheus(data: Path) -> Iterator[Prometheus]:
    """Run a Prometheus over some blocks."""
    config = data / "empty.yml"
    config.write_text("{}\n")
    port = _free_port()
    command = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y",
        "--log.level=error",
    ]  # fmt: skip
    with _serving(command, port) as server:
        yield server


@contextmanager
def _victoria(data: Path, scrapes: Path) -> Iterator[Prometheus]:
    """Run a VictoriaMetrics that has the scrapes, whose timestamps it takes in milliseconds."""
    port = _free_port()
    command = [
        str(VICTORIA), f"-storageDataPath={data}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", "-search.latencyOffset=0s", "-search.disableCache",
        "-loggerLevel=ERROR",
    ]  # fmt: skip
    with _serving(command, port) as server:
        with scrapes.open("rb") as file:
            blocks = iter(lambda: file.readlines(1 << 20), [])
            own = (b"".join(block).replace(b"\n", b"000\n") for block in blocks)
            httpx.post(
                f"{server.url}/api/v1/import/prometheus", content=own, timeout=600.0
            ).raise_for_status()
        httpx.get(f"{server.url}/internal/force_flush", timeout=60.0).raise_for_status()
        yield server


@contextmanager
def _serving(command: Sequence[str], port: int) -> Iterator[Prometheus]:
    server = subprocess.Popen(command)  # noqa: S603 - our own arguments
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
