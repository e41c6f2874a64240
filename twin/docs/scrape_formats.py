"""Section of the page of scale on what a scrape costs by format and compression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.docs.markdown import table

__all__ = ["format_section"]

_TEXT = """\
CPU time a sample of a page of {series:,} series (an array of `{site}`), when Prometheus {version}
knows the series already: its own, with what it stores, and ours, which prints and compresses.

{table}

The formats differ less than two runs of the same do. What is left is gzip, which Prometheus asks
for by default: it saves network and costs our side more than the page itself. So a client on the
same machine gets no compressed metrics, and `--no-compress` (`COMPRESS=false`, as in the compose
file) says the same for all. Prometheus asks for no zstd. Its protobuf format is not served: its
parser alone took 1.1 times as long for the same page as for the text (Prometheus 3.13, series
known)."""


def format_section(figures: Mapping[str, Any]) -> str:
    """Return the section for a result of ``benchmarks/scrape_formats.py``."""
    rows = [
        (
            name,
            f"{way['page_bytes'] / 1e6:.1f} MB",
            f"{way['prometheus_us']:.2f} µs",
            f"{way['ours_us']:.2f} µs",
        )
        for name, way in figures["ways"].items()
    ]
    return _TEXT.format(
        series=figures["series"],
        site=figures["site"],
        version=figures["version"],
        table=table(("Format", "Page", "Prometheus", "Ours"), rows),
    )
