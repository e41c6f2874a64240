"""Cost of storing a site: Prometheus agent or vmagent into VictoriaMetrics.

Run: ``python benchmarks/stores.py [--site demo] [--interval 5s] [--duration 60s]``. One after
the other, a Prometheus agent and a vmagent scrape a twin in full, with the configurations of
``deploy/stores``, and write into an empty VictoriaMetrics. Printed are the processor time a
sample, the memory a series and the bytes a sample on the way and on disk. The first scrapes,
which create the series, are left out of the processor time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from twin.bench.process import cpu_seconds, free_port, resident_bytes, started
from twin.cli.options import seconds
from twin.clients.http import fetch, is_ready

STORES = Path(__file__).parents[1] / "deploy/stores"
READY_SECONDS = 120.0
STEP_SECONDS = 0.2
SENT = ("vmagent_remotewrite_bytes_sent_total", "prometheus_remote_storage_bytes_total")
"""Either agent's count of the bytes that it wrote."""


def main() -> None:
    """Print the costs with each agent."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    arguments.add_argument("--site", default="demo")
    arguments.add_argument("--interval", default="5s", help="between two scrapes of an array")
    arguments.add_argument("--duration", default="60s", help="of each run, after the warm-up")
    arguments.add_argument("--warmup", default="30s")
    given = arguments.parse_args()
    for program in ("victoria-metrics", "vmagent", "prometheus"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not installed; install victoria-metrics and prometheus")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        start(stack, [sys.executable, "-m", "twin", "up", "--site", given.site,
                      "--port", str(port), "--mqtt-port", "0"])  # fmt: skip
        until(lambda: is_ready(f"http://127.0.0.1:{port}/readyz"))
        for agent in (prometheus_agent, vmagent):
            run(agent, folder / agent.__name__, port, given)


def run(
    agent: Callable[[Path, int], list[str]],
    folder: Path,
    twin: int,
    given: argparse.Namespace,
) -> None:
    """Let an agent write into an empty store, and print what each took."""
    folder.mkdir()
    store, own = free_port(), free_port()
    for name in ("prometheus-agent.yml", "vmagent.yml"):
        text = (STORES / name).read_text(encoding="utf-8")
        for shipped, here in (
            ("twin-aggregator-a:9400", f"127.0.0.1:{twin}"),
            ("vminsert:8480/insert/0/prometheus", f"127.0.0.1:{store}"),
            ("scrape_interval: 15s", f"scrape_interval: {given.interval}"),
            ("scrape_timeout: 10s", f"scrape_timeout: {given.interval}"),
        ):
            text = text.replace(shipped, here)
        (folder / name).write_text(text, encoding="utf-8")
    with ExitStack() as stack:
        storing = start(stack, [
            "victoria-metrics", f"-httpListenAddr=127.0.0.1:{store}",
            f"-storageDataPath={folder / 'store'}", "-retentionPeriod=1d", "-loggerLevel=ERROR",
        ])  # fmt: skip
        until(lambda: is_ready(f"http://127.0.0.1:{store}/health"))
        address = f"http://127.0.0.1:{store}/api/v1/write"
        scraping = start(stack, [*agent(folder, own), f"-remoteWrite.url={address}"]
                         if agent is vmagent else agent(folder, own))  # fmt: skip
        time.sleep(seconds(given.warmup))
        before = Reading((scraping, own), (storing, store), folder)
        time.sleep(seconds(given.duration))
        after = Reading((scraping, own), (storing, store), folder)
    samples = after.samples - before.samples
    figures = {
        "series": round(after.series),
        "samples a second": round(samples / (after.at - before.at)),
        "agent, us a sample": round((after.agent - before.agent) / samples * 1e6, 2),
        "agent, KB a series": round(after.agent_bytes / after.series / 1e3, 2),
        "store, us a sample": round((after.store - before.store) / samples * 1e6, 2),
        "store, KB a series": round(after.store_bytes / after.series / 1e3, 2),
        "network, bytes a sample": round((after.sent - before.sent) / samples, 2),
        "disk, bytes a sample": round(after.disk / after.samples, 2),
    }
    print(f"{agent.__name__}: {json.dumps(figures)}")


class Reading:
    """What two processes, each an id and an HTTP port, have taken up to now."""

    def __init__(self, agent: tuple[int, int], store: tuple[int, int], folder: Path) -> None:
        page = get(f"http://127.0.0.1:{store[1]}/metrics")
        self.at = time.monotonic()
        used = cpu_seconds({"agent": agent[0], "store": store[0]})
        self.agent, self.store = used["agent"], used["store"]
        self.agent_bytes, self.store_bytes = resident_bytes(agent[0]), resident_bytes(store[0])
        self.samples = counter(page, 'vm_rows_inserted_total{type="promremotewrite"}')
        self.sent = sum(counter(get(f"http://127.0.0.1:{agent[1]}/metrics"), name) for name in SENT)
        self.series = counter(page, "vm_new_timeseries_created_total")
        self.disk = sum(file.stat().st_size for file in (folder / "store").rglob("*.bin"))


def prometheus_agent(folder: Path, port: int) -> list[str]:
    """Return the command of a Prometheus agent."""
    return [
        "prometheus", "--enable-feature=agent", f"--storage.agent.path={folder / 'wal'}",
        f"--config.file={folder / 'prometheus-agent.yml'}", "--log.level=error",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip


def vmagent(folder: Path, port: int) -> list[str]:
    """Return the command of a vmagent, but for the store's address."""
    return [
        "vmagent", f"-promscrape.config={folder / 'vmagent.yml'}", "-promscrape.streamParse",
        "-promscrape.maxScrapeSize=256MiB",
        f"-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=ERROR",
        f"-remoteWrite.tmpDataPath={folder / 'queue'}",
    ]  # fmt: skip


def start(stack: ExitStack, command: list[str]) -> int:
    """Start a process that ends with ``stack``; return its id."""
    return stack.enter_context(started(command, command[0])).pid


def get(url: str) -> str:
    """Return what is at ``url``, an empty text when nothing answers or it refuses."""
    with suppress(OSError):
        return fetch(url, timeout=30).decode()
    return ""


def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not ready within {READY_SECONDS:.0f} s")
        time.sleep(STEP_SECONDS)


def counter(page: str, name: str) -> float:
    """Return the sum of the series on a page whose name, or name and labels, begin like that."""
    return sum(
        float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name)
    )


if __name__ == "__main__":
    main()
