"""The README's table of scale, from the same results as ``scale.md``.

The README is written by hand except for the part between two marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twin.docs.markdown import between_marks, table
from twin.docs.scale import RESULTS, Results, load_results

__all__ = ["pages", "with_table"]

_README = Path(__file__).parents[2] / "README.md"

Row = tuple[str, str, str]


def pages() -> Mapping[str, str]:
    """Return the README, by its path below ``docs/``."""
    text = _README.read_text(encoding="utf-8")
    return {"../README.md": with_table(text, load_results(RESULTS))}


def with_table(text: str, results: Results) -> str:
    """Return the README's text with the table of these results.

    Raises:
        ValueError: the marks are gone.
    """
    return between_marks(text, _table(results), "README.md")


def _table(results: Results) -> str | None:
    rows = list(_rows(results))
    if not rows:
        return None
    known = [own.machine for name in _SHOWN if (own := results[name]) is not None]
    dates = sorted({machine.date for machine in known})
    processors = " or ".join(sorted({machine.processor for machine in known}))
    when = f"on {dates[0]}" if len(dates) == 1 else f"from {dates[0]} to {dates[-1]}"
    made = f"Measured {when}, {known[0].cores} cores of {processors}:\n\n"
    return made + table(("What", "Figure", "Script"), rows)


_SITES = ("colossus-100k", "colossus-1m")
_SHOWN = ("machine", "peers", *_SITES, "prometheus")


def _rows(results: Results) -> Iterator[Row]:
    if (machine := results["machine"]) is not None:
        yield from _parts(machine.figures)
    if (peers := results["peers"]) is not None:
        yield _beside(peers.figures)
    for name in _SITES:
        if (site := results[name]) is not None:
            yield _site(site.figures)
    if (prometheus := results["prometheus"]) is not None:
        yield _prometheus(prometheus.figures)


def _parts(figures: Mapping[str, Any]) -> Iterator[Row]:
    step = figures["step"]
    yield (
        f"step of the plant, {step['gpus']:,} GPUs",
        f"{step['step_ms']:.0f} ms, {step['real_time_ratio']:,.0f} times real time",
        "`twin bench`",
    )
    for codec in figures["codecs"]:
        rate = codec["samples"] / codec["ingest_us"]
        ingested = f"decode, check and take over {codec['ingest_us']:.0f} µs"
        yield (
            f"frame of a rack ({codec['samples']:,} values) in {codec['codec'].upper()}",
            f"encode {codec['encode_us']:.0f} µs, {ingested}: {rate:,.0f} M values/s a core",
            "`twin bench`",
        )
    ratio = f"prometheus_client takes {figures['expose_vs_prometheus_client']:.0f} times as long"
    yield (
        "exposition",
        f"{figures['expose_us_per_series']:.2f} µs a series; {ratio} on the same data",
        "`twin bench`",
    )


def _beside(figures: Mapping[str, Any]) -> Row:
    ratios = figures["ratios_to_twin_cbor"]
    others = [(name, ratio) for name, ratio in ratios.items() if not name.startswith("twin")]
    shown = ", ".join(
        f"{name} {ratio['sample']:,.0f} and {ratio['series']:,.0f}" for name, ratio in others
    )
    return (
        "other exporters, CPU for a value taken over and a series scraped",
        f"{shown} times ours",
        "`benchmarks/peers.py`",
    )


def _site(figures: Mapping[str, Any]) -> Row:
    every = f"{figures['interval_seconds']:g} s"
    kept = (
        "no frame lost, no tick late"
        if figures["held"]
        else f"{figures['frames_missing']:,} frames lost, {figures['late_ticks']:,} ticks late"
    )
    run = f"`{figures['site']}`, a frame every {every} for {figures['seconds'] / 60:.0f} minutes"
    lag = f"from tick to exposed {figures['lag_p99_seconds']:.2f} s (p99)"
    return (
        f"{run}: emulator, Mosquitto, aggregator",
        f"{kept}; {lag}; {_together(figures)}",
        "`benchmarks/site.py`",
    )


def _prometheus(figures: Mapping[str, Any]) -> Row:
    server, site = figures["prometheus"], figures["site"]
    failed = server["scrapes_failed"] + server["scrapes_left_out"]
    every = f"every {server['interval_seconds']:g} s for {site['seconds'] / 60:.0f} minutes"
    scrapes = f"{f'{failed:,}' if failed else 'none'} of {server['scrapes']:,} scrapes failed"
    return (
        f"`{site['site']}` in one Prometheus, {server['series']:,} series {every}",
        f"{scrapes}; {_together(site)}",
        "`benchmarks/prometheus.py`",
    )


def _together(run: Mapping[str, Any]) -> str:
    return f"{sum(run['cpu_cores'].values()):.1f} cores, {run['rss_total_mib']:,} MiB together"
