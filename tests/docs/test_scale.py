"""The page of scale and the README's table: every figure comes from a result."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twin.bench.machine import Machine
from twin.bench.results import Recorded
from twin.docs import readme, scale
from twin.docs.markdown import BEGIN, END
from twin.drawing import Axis

SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).parents[2]
MACHINE = Machine("2026-01-31", "a processor", 3, 12.0, "Linux", "3.11", "0.1.0")


def site(**changes: Any) -> dict[str, Any]:
    """Return the figures of a run of a site."""
    figures = {
        "site": "colossus-100k", "gpus": 100_032, "interval_seconds": 1.0, "seconds": 600.0,
        "late_ticks": 0, "frames_received": 1_234_567, "frames_missing": 0,
        "lag_p50_seconds": 0.31, "lag_p99_seconds": 0.62, "held": True,
        "cpu_cores": {"broker": 0.25, "emulator": 0.5, "aggregator": 0.25},
        "rss_mib": {"broker": 10, "emulator": 200, "aggregator": 300}, "rss_total_mib": 510,
    }  # fmt: skip
    return figures | changes


MEASURED: dict[str, dict[str, Any]] = {
    "machine": {
        "expose_us_per_series": 0.125, "expose_vs_prometheus_client": 100.0,
        "step": {"gpus": 100_032, "step_ms": 12.5, "real_time_ratio": 80.0},
        "array_step": {"gpus": 512, "step_ms": 1.25, "real_time_ratio": 800.0},
        "codecs": [
            {"codec": "json", "samples": 5_000, "size_bytes": 28_000, "encode_us": 60.0,
             "ingest_us": 400.0},
        ],
        "bus": [{"broker": "mosquitto", "size_bytes": 28_000, "publish_us": 21.0,
                 "receive_us": 32.0}],
        "exposition": {"series": 48_400, "array_ms": 6.05},
        "end_to_end": site(gpus=9_984),
        "largest": [{"interval_seconds": 1.0, "gpus": 150_016, "limited_by": "memory"}],
    },
    "stages": {
        "site": "scaled", "gpus": 1_000_000, "racks_per_message": 8, "values": 3_707,
        "frame_bytes": 18_000, "page_bytes": 700_000, "step_us": 17.0, "copy_us": 2.0,
        "page_copy_us": 90.0, "stages_us": {"encode": 10.0, "store": 13.0},
        "convert_us": 5.0, "expose_us": 900.0,
    },
    "peers": {
        "gpus": 512, "fields": 22,
        "peers": {
            "mqtt-exporter": {"us_per_sample": 10.0, "us_per_series": 6.0, "rss_mib": 41},
            "twin, cbor": {"us_per_sample": 0.05, "us_per_series": 0.3, "rss_mib": 93},
        },
        "ratios_to_twin_cbor": {
            "mqtt-exporter": {"sample": 200.0, "series": 20.0},
            "twin, cbor": {"sample": 1.0, "series": 1.0},
        },
        "prometheus_client": {"labelled gauges": {"us_per_series": 15.0, "ratio": 120.0}},
    },
    "growth": {
        "rows": [
            site(gpus=gpus, interval_seconds=interval, step_ms=0.5, held=gpus < 1e6,
                 frames_missing=int(gpus >= 1e6))
            for gpus in (1_024, 1_000_000)
            for interval in (1.0, 10.0)
        ],
    },
    "colossus-100k": site(),
    "colossus-1m": site(site="colossus-1m", late_ticks=7, held=False),
    "prometheus": {
        "detail": "rack, a001-a100=gpu",
        "prometheus": {
            "version": "2.42.0+ds", "interval_seconds": 30.0, "targets": 197, "series": 4_000_000,
            "samples_per_scrape": 4_000_000, "scrapes": 5_910, "scrapes_failed": 0,
            "scrapes_left_out": 0, "scrape_p50_seconds": 0.4, "scrape_p99_seconds": 1.5,
            "scrape_max_seconds": 2.5, "first_round_max_seconds": 2.5,
        },
        "site": site(
            cpu_cores={"prometheus": 0.8, "aggregator": 0.2},
            rss_mib={"prometheus": 12_000, "aggregator": 600}, rss_total_mib=12_600,
        ),
    },
    "scrape-formats": {
        "version": "3.5.0", "site": "array", "series": 48_480,
        "ways": {
            "text": {"page_bytes": 8_700_000, "prometheus_us": 2.8, "ours_us": 0.3},
            "text, gzip": {"page_bytes": 430_000, "prometheus_us": 2.9, "ours_us": 0.7},
        },
    },
}  # fmt: skip
ALL: dict[str, Recorded | None] = {
    name: Recorded(f"python benchmarks/{name}.py", MACHINE, figures)
    for name, figures in MEASURED.items()
}
NONE: dict[str, Recorded | None] = dict.fromkeys(MEASURED)
MARKED = "before\n" + BEGIN + "old\n" + END + "after\n"


def test_every_result_has_a_command() -> None:
    """A script that exists makes each, with options that say how long."""
    assert scale.COMMANDS.keys() == MEASURED.keys()
    for command in scale.COMMANDS.values():
        assert (ROOT / command.split()[1]).is_file()


def test_what_is_not_measured_says_how() -> None:
    """Without results the page has commands in the place of figures, and no picture."""
    pages = scale.render(NONE)
    assert set(pages) == {"scale.md"}
    for name, command in scale.COMMANDS.items():
        assert f"{command} --save benchmarks/results/{name}.json" in pages["scale.md"]


def test_figures_come_from_results() -> None:
    """Each section has its figures with machine, date and command."""
    page = scale.render(ALL)["scale.md"]
    for words in ("12.5 ms", "800 times real time", "150,016 GPUs", "100 times as long",
                  "| 10 µs | 200 | 6 µs | 20 |",
                  "1,234,567", "0.31 s, 0.62 s", "1.00 cores, 510 MiB", "7 ticks late",
                  "`rack, a001-a100=gpu`", "5,910", "12,600 MiB", "3.1 KB a series",
                  "6.0 µs a\nsample", "| 23.0 µs | 11.5 |",
                  "| text, gzip | 0.4 MB | 2.90 µs | 0.70 µs |"):  # fmt: skip
        assert words in page, words
    assert "Not measured yet" not in page
    measured = page.count("*2026-01-31, 3 cores of a processor, 12 GB, Python 3.11: `python")
    assert measured == len(MEASURED)


def test_a_run_that_failed_is_told() -> None:
    """What was lost stands in the table of growth, not nothing."""
    page = scale.render(ALL)["scale.md"]
    rows = [line for line in page.splitlines() if line.startswith("| 1,000,000 |")]
    assert len(rows) == 2
    assert all("1 frames lost" in row for row in rows)


def test_pictures_show_the_growth() -> None:
    """A line for each interval, from 1 k to 1 M GPUs, at the ends of the axis."""
    pages = scale.render(ALL)
    for name in ("img/scale-cores.svg", "img/scale-memory.svg"):
        assert f"]({name})" in pages["scale.md"]
        lines = ET.fromstring(pages[name]).findall(f"{SVG}polyline")  # noqa: S314 - our own text
        assert len(lines) == 2
        for line in lines:
            assert line.attrib["points"].split()[-1].startswith("740.0,")


@pytest.mark.parametrize(("value", "place"), [(1, 0.0), (10, 50.0), (100, 100.0), (1000, 100.0)])
def test_logarithmic_axis(value: float, place: float) -> None:
    """Equal ratios are equal distances."""
    axis = Axis("x", (1, 100), logarithmic=True, names=("1", "10²"))
    assert axis.place(value, 0.0, 100.0) == pytest.approx(place)
    assert list(axis.marks) == [(1, "1"), (100, "10²")]


def test_readme_has_the_same_figures() -> None:
    """Only what stands between the marks is made anew, and it agrees with the page."""
    text = readme.with_table(MARKED, ALL)
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    for words in ("Measured on 2026-01-31, 3 cores of a processor", "0.12 µs a series",
                  "mqtt-exporter 200 and 20 times ours", "no frame lost, no tick late",
                  "7 ticks late", "none of 5,910 scrapes failed"):  # fmt: skip
        assert words in text, words


def test_readme_without_results() -> None:
    """A table without figures says so."""
    assert "Nothing was measured yet." in readme.with_table(MARKED, NONE)


def test_readme_with_some_results() -> None:
    """What was measured is shown, whatever else was not."""
    text = readme.with_table(MARKED, {**NONE, "peers": ALL["peers"]})
    assert "Measured on 2026-01-31" in text
    assert text.count("| `benchmarks/") == 1


def test_readme_without_marks() -> None:
    """Who removes the marks is told."""
    with pytest.raises(ValueError, match=r"README\.md must have one place"):
        readme.with_table("nothing\n", ALL)


def test_failed_scrapes_are_told() -> None:
    """Scrapes that failed or were left out are counted together in the README."""
    result = ALL["prometheus"]
    assert result is not None
    server = MEASURED["prometheus"]["prometheus"] | {"scrapes_failed": 2, "scrapes_left_out": 1}
    worse = replace(result, figures={**result.figures, "prometheus": server})
    text = readme.with_table(MARKED, {**ALL, "prometheus": worse})
    assert "3 of 5,910 scrapes failed" in text
