"""What a scrape costs Prometheus, by format and compression: one array's page, one target for each.

Run: ``python benchmarks/scrape_formats.py [--site colossus-array] [--scrapes 30] [--scrape 3s]
[--json] [--save FILE]``. Needs Prometheus 2.50 or newer, which can be told what to ask for.
Figures are CPU time a sample: of Prometheus, which knows the series already, and of our side to
make the page and compress it.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import zlib
from argparse import Namespace
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from twin.bench.clock import Budget, median_seconds
from twin.bench.data import filled_core, lived_in
from twin.bench.process import Child, cpu_seconds, find_program, free_port, started, until
from twin.bench.script import parser, run
from twin.cli.options import seconds
from twin.clients.prometheus import Prometheus
from twin.errors import ConfigError
from twin.site import Layout, load_site

_FORMATS = {
    "text": ("PrometheusText0.0.4", "text/plain; version=0.0.4"),
    "openmetrics": ("OpenMetricsText1.0.0", "application/openmetrics-text; version=1.0.0"),
}
_WAYS = [(name, packed) for name in _FORMATS for packed in (False, True)]
_GZIP = 16 + zlib.MAX_WBITS
_KNOWN = 4
"""Scrapes after which all series are known."""
_CONFIG = """\
global: {{scrape_interval: {interval:g}s, scrape_timeout: {interval:g}s}}
scrape_configs:
  - job_name: page
    scrape_protocols: [{protocol}]
    enable_compression: {packed}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def main() -> None:
    """Print the costs of each format, with gzip and without."""
    arguments = parser(__doc__)
    arguments.add_argument("--site", default="colossus-array")
    arguments.add_argument("--scrapes", type=int, default=30, help="measured for each way")
    arguments.add_argument("--scrape", default="3s", help="between two scrapes")
    options = arguments.parse_args()
    run(options, lambda: asyncio.run(_run(options)), _table)


async def _run(options: Namespace) -> dict[str, Any]:
    program = find_program("prometheus")
    if program is None:
        raise ConfigError("prometheus is not installed; it must be 2.50 or newer")
    layout = Layout(load_site(options.site))
    core = filled_core(layout, lived_in(layout))
    series, ways = core.array(0).series, {}
    version = ""
    for name, packed in _WAYS:
        make = partial(_page, core, openmetrics=name == "openmetrics", packed=packed)
        ours = median_seconds(make, Budget(1.0))
        version, theirs = await _scraped(program, make(), name, packed, options)
        ways[f"{name}, gzip" if packed else name] = {
            "page_bytes": len(make()),
            "prometheus_us": 1e6 * theirs / series,
            "ours_us": 1e6 * ours / series,
        }
    return {"version": version, "site": layout.site.name, "series": series, "ways": ways}


def _page(core: Any, *, openmetrics: bool, packed: bool) -> bytes:
    page = bytes(core.array(0, openmetrics=openmetrics))
    if not packed:
        return page
    compressor = zlib.compressobj(1, wbits=_GZIP)
    return compressor.compress(page) + compressor.flush()


class _Page(BaseHTTPRequestHandler):
    """Answers with the page of its server."""

    protocol_version = "HTTP/1.1"
    server: _PageServer

    def do_GET(self) -> None:
        """Send it."""
        page = self.server
        page.served += 1
        self.send_response(200)
        self.send_header("Content-Type", page.content)
        self.send_header("Content-Length", str(len(page.body)))
        if page.packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _PageServer(ThreadingHTTPServer):
    """Serves one page and counts how often."""

    def __init__(self, body: bytes, content: str, *, packed: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.body, self.content, self.packed = body, content, packed
        self.served = 0


async def _scraped(
    program: str, body: bytes, name: str, packed: bool, options: Namespace
) -> tuple[str, float]:
    """Return Prometheus's version, and its CPU seconds a scrape of a page that it knows."""
    protocol, content = _FORMATS[name]
    every = seconds(options.scrape)
    with ExitStack() as parts:
        page = parts.enter_context(_PageServer(body, content, packed=packed))
        threading.Thread(target=page.serve_forever, daemon=True).start()
        parts.callback(page.shutdown)
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        config = _CONFIG.format(
            interval=every, protocol=protocol, packed=str(packed).lower(), port=page.server_port
        )
        (folder / "prometheus.yml").write_text(config, encoding="utf-8")
        address = f"127.0.0.1:{free_port()}"
        child = parts.enter_context(
            started(
                [program, f"--config.file={folder / 'prometheus.yml'}", "--log.level=error",
                 f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"],
                "prometheus",
            )
        )  # fmt: skip
        prometheus = Prometheus(f"http://{address}")
        await until(prometheus.ready, child)
        await until(lambda: page.served >= _KNOWN, child)
        await asyncio.sleep(every / 2)
        before, first = _used(child), page.served
        await until(
            lambda: page.served >= first + options.scrapes, child, 10 * every * options.scrapes
        )
        await asyncio.sleep(every / 2)
        used = (_used(child) - before) / (page.served - first)
        return str(prometheus.get("status/buildinfo")["version"]), used


def _used(child: Child) -> float:
    return cpu_seconds({child.name: child.pid})[child.name]


def _table(figures: Mapping[str, Any]) -> str:
    rows = [
        f"Prometheus {figures['version']}, {figures['series']:,} series of {figures['site']}",
        f"{'format':20} {'MB':>7} {'Prometheus us/sample':>22} {'ours us/sample':>16}",
    ]
    rows += [
        f"{name:20} {way['page_bytes'] / 1e6:7.1f} {way['prometheus_us']:22.2f} "
        f"{way['ours_us']:16.2f}"
        for name, way in figures["ways"].items()
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
