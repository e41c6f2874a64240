"""Section of the page of scale on how large a Prometheus a site needs."""

from __future__ import annotations

from twin.bench.results import Recorded
from twin.docs.markdown import table
from twin.site import BYTES_A_SERIES, Layout, load_site, series_by_detail

__all__ = ["sizing_section"]

_SAMPLE_MICROSECONDS = 5.0
"""CPU time of a Prometheus for a sample of a series that it has (measured with 2.42), µs."""
_BYTES_A_SAMPLE = 1.5
"""What a sample takes on a Prometheus's disk, by its documentation 1 to 2 bytes."""
_SCRAPE_SECONDS = 30.0
_DAY_SECONDS = 86_400
_GIGABYTE = 1e9
_SIZED = ("demo", "colossus-100k", "colossus-1m")
_BASIS = """\
A Prometheus takes about {bytes:.1f} KB of memory a series and {microseconds:g} µs of CPU a sample
(measured with 2.42), and {disk:g} bytes of disk a sample. Scraped every {every:.0f} s, that is:"""
_BASIS_OF_RUN = """\
In the run above Prometheus took {bytes:.1f} KB a series at its peak and {microseconds:.1f} µs a
sample, the first round, in which all series are created, included.

"""
_SIZING = """
## Sizing a Prometheus

{basis}

{table}
What follows from it:

* **Keep full detail for the arrays that matter.** `--detail rack --detail a001-a004=gpu` exposes
  four arrays in full and the rest as roll-ups of its racks; `twin detail set` changes it while it
  runs. `twin sites show SITE --detail …` prints the series and the memory before anything is
  started.
* **Choose the interval by the samples.** Series cost memory, samples cost CPU and disk. Full
  detail every 30 s and roll-ups every 5 s, as two jobs over the same `/sd`, is cheaper than all of
  it every 10 s, and the dashboards of the site read roll-ups only.
* **Give the first round time.** Creating a series costs several times what a sample of it does,
  and all are created at once after a start. A `scrape_timeout` as long as the interval is right.
* **Leave memory free.** Queries, the compaction of a block every two hours, and series that end
  and start new series (a GPU that is replaced, an XID that comes as a label) come on top.
* **Shard beyond one machine.** `/sd` gives one target an array, so `hashmod` on `__address__` and
  `__metrics_path__` splits a site over several Prometheus by whole arrays; roll-ups are computed
  before, in the aggregator, so nothing must be summed over shards.
"""


def sizing_section(result: Recorded | None) -> str:
    """Return the section, with the run of ``benchmarks/prometheus.py`` where there is one."""
    basis = _BASIS.format(
        bytes=BYTES_A_SERIES / 1e3,
        microseconds=_SAMPLE_MICROSECONDS,
        disk=_BYTES_A_SAMPLE,
        every=_SCRAPE_SECONDS,
    )
    if result is not None:
        server, site = result.figures["prometheus"], result.figures["site"]
        rate = server["samples_per_scrape"] / server["interval_seconds"]
        basis = (
            _BASIS_OF_RUN.format(
                bytes=site["rss_mib"]["prometheus"] * (1 << 20) / server["series"] / 1e3,
                microseconds=1e6 * site["cpu_cores"]["prometheus"] / rate,
            )
            + basis
        )
    rows = (
        (
            f"`{name}`",
            f"`{detail}`",
            f"{series:,}",
            _bytes(series * BYTES_A_SERIES),
            f"{series / _SCRAPE_SECONDS * _SAMPLE_MICROSECONDS / 1e6:.2f}",
            _bytes(series / _SCRAPE_SECONDS * _DAY_SECONDS * _BYTES_A_SAMPLE),
        )
        for name in _SIZED
        for detail, series in series_by_detail(Layout(load_site(name))).items()
    )
    header = ("Site", "Detail", "Series", "Memory", "Cores", "Disk a day")
    return _SIZING.format(basis=basis, table=table(header, rows))


def _bytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= _GIGABYTE else f"{size / 1e6:,.0f} MB"
