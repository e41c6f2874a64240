"""The page of scale, made from results that ``benchmarks/`` measured and saved.

No figure of it is typed: each stands in a file of ``benchmarks/results/`` with the machine,
the day and the command, and what was not measured yet says how to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twin.bench.results import Recorded, load_result
from twin.docs.chart import chart
from twin.docs.markdown import NOTICE, table
from twin.docs.scrape_formats import format_section
from twin.docs.sizing import sizing_section
from twin.docs.stages import stage_section
from twin.drawing import Axis, DrawnLine

__all__ = ["COMMANDS", "RESULTS", "load_results", "pages", "render", "source"]

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
COMMANDS: Mapping[str, str] = {
    "machine": "python benchmarks/machine.py",
    "stages": "python benchmarks/stages.py",
    "peers": "python benchmarks/peers.py",
    "growth": "python benchmarks/growth.py",
    "colossus-100k": "python benchmarks/site.py --site colossus-100k --interval 1s --duration 10m",
    "colossus-1m": (
        "python benchmarks/site.py --site colossus-1m --interval 1s --duration 10m --warmup 60s "
        "--scrape 15s"
    ),
    "prometheus": (
        "python benchmarks/prometheus.py --site colossus-100k --series 4200000 --scrape 30s "
        "--duration 15m"
    ),
    "scrape-formats": "python benchmarks/scrape_formats.py",
}
"""What makes each result; ``--save benchmarks/results/NAME.json`` keeps it."""

_SAMPLE_MICROSECONDS = 5.0
"""CPU time of a Prometheus for a sample of a series that it has (measured with 2.42), µs."""
_BYTES_A_SAMPLE = 1.5
"""What a sample takes on a Prometheus's disk, by its documentation 1 to 2 bytes."""
_SCRAPE_SECONDS = 30.0
_DAY_SECONDS = 86_400
_GIGABYTE = 1e9
_EVERY_SECOND, _EVERY_TEN = "#c2410c", "#1d4ed8"
_SIZED = ("demo", "colossus-100k", "colossus-1m")
_GPUS = Axis("GPUs", (1e3, 1e4, 1e5, 1e6), logarithmic=True, names=("1 k", "10 k", "100 k", "1 M"))
_CORES = Axis(
    "processors, all three processes", (0.001, 0.01, 0.1, 1.0, 10.0),
    logarithmic=True, names=("0.001", "0.01", "0.1", "1", "10"),
)  # fmt: skip
_MEMORY = Axis(
    "memory, all three processes", (128, 1_024, 10_240),
    logarithmic=True, names=("128 MiB", "1 GiB", "10 GiB"),
)  # fmt: skip

Results = Mapping[str, Recorded | None]
Row = tuple[str, ...]

_INTRODUCTION = f"""{NOTICE}
# Scale

Test on one machine today whether your Prometheus, rules and dashboards will hold when the site is
built. `twin bench` measures in two minutes what a machine can do; the scripts in `benchmarks/`
measured the figures below, and each section names the machine.
"""
_PARTS = """
The largest site that this machine holds with a message for each rack, derived from these:
{largest}.
A process may take 70 % of a core, all together 70 % of all cores and of the memory, a tick 30 %
of the interval before its first frame leaves; the rest is for Prometheus. With the racks of an
array in one message it holds [a million at 1 Hz](#a-million-gpus).
"""
_BESIDE = """\
From MQTT to a scraped page: CPU time of the receiving process, the same values of {gpus} GPUs over
one Mosquitto in the same run. The others take no arrays, so they get {fields} values a message,
one message a GPU; the twin gets frames of whole racks. All that was sent was found on their pages.

{receivers}
Writing the page alone, in one process and without HTTP:

{exposition}"""
_GROWTH = """\
Sites like `colossus-100k` that differ in nothing but their size: emulator, Mosquitto and aggregator
as three processes, frames in CBOR. Lag is the time from the tick that a frame describes to the
moment from which its values are exposed; frames are spread over 0.6 of the interval, which is most
of it. It is read from the aggregator's histogram, `twin_ingest_lag_seconds`, and a value between
two bounds is reported near the upper one: between 5 and 10 s at an interval of 10 s.

{table}
![Processors by size of the site](img/scale-cores.svg)

![Memory by size of the site](img/scale-memory.svg)
"""
_SITE = """\
`{site}` for {minutes:.1f} minutes with a frame every {interval:g} s: emulator, Mosquitto and
aggregator as three processes, `/metrics` scraped all along.

{table}"""
_PROMETHEUS = """\
A Prometheus {version} scrapes `{site}` for {minutes:.1f} minutes on the machine on which emulator,
Mosquitto and aggregator run.

{table}"""


def pages() -> Mapping[str, str]:
    """Return ``scale.md`` and its pictures."""
    return render(load_results(RESULTS))


def load_results(folder: Path) -> Results:
    """Return the results in a folder by their names, None for those that are not there.

    Raises:
        ConfigError: a file is not a result.
    """
    return {name: load_result(folder / f"{name}.json") for name in COMMANDS}


def render(results: Results) -> Mapping[str, str]:
    """Return the page and its pictures for some results."""
    sections: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
        ("machine", "What each part costs", _parts),
        ("stages", "How far from a copy", stage_section),
        ("peers", "Beside others", _beside),
        ("growth", "From 1 k to 1 M GPUs", _growth),
        ("colossus-100k", "100,032 GPUs at 1 Hz", _site),
        ("colossus-1m", "A million GPUs", _site),
        ("prometheus", "All of it in a Prometheus", _prometheus),
        ("scrape-formats", "What a scrape costs", format_section),
    )
    text = [_INTRODUCTION]
    for name, title, section in sections:
        result = results[name]
        body = _unmeasured(name) if result is None else section(result.figures) + source(result)
        text.append(f"\n## {title}\n\n{body}")
    text.append(sizing_section(results["prometheus"]))
    growth = results["growth"]
    pictures = {} if growth is None else _pictures(growth.figures["rows"])
    return {"scale.md": "".join(text), **pictures}


def _unmeasured(name: str) -> str:
    command = f"{COMMANDS[name]} --save benchmarks/results/{name}.json"
    return f"Not measured yet:\n\n```sh\n{command}\n```\n"


def source(result: Recorded) -> str:
    """Return the line that says when, where and how a result was measured."""
    machine = result.machine
    return (
        f"\n*{machine.date}, {machine.cores} cores of {machine.processor}, "
        f"{machine.memory_gb:.0f} GB, Python {machine.python}: `{result.command}`*\n"
    )


# -- sections -----------------------------------------------------------------------


def _parts(figures: Mapping[str, Any]) -> str:
    largest = ", ".join(
        f"{site['gpus']:,} GPUs with a frame every {site['interval_seconds']:g} s "
        f"(limited by {site['limited_by']})"
        for site in figures["largest"]
    )
    rows = table(("What", "Costs", "That is"), _part_rows(figures))
    return rows + _PARTS.format(largest=largest)


def _part_rows(figures: Mapping[str, Any]) -> Iterator[Row]:
    exposed, run = figures["exposition"], figures["end_to_end"]
    for step in (figures["array_step"], figures["step"]):
        yield (
            f"Step of the plant, {step['gpus']:,} GPUs", f"{step['step_ms']:.1f} ms",
            f"{step['real_time_ratio']:,.0f} times real time on one core",
        )  # fmt: skip
    for codec in figures["codecs"]:
        name, values = codec["codec"].upper(), codec["samples"]
        yield (
            f"Encode a rack, {name}", f"{codec['encode_us']:.1f} µs",
            f"{values:,} values in {codec['size_bytes'] / 1e3:.0f} KB",
        )  # fmt: skip
        yield (
            f"Decode, check and take over a rack, {name}", f"{codec['ingest_us']:.0f} µs",
            f"{values / codec['ingest_us']:,.0f} M values a second on one core",
        )  # fmt: skip
    for bus in figures["bus"]:
        size = f"{bus['size_bytes'] / 1e3:.0f} KB"
        yield f"Publish {size} to {bus['broker']}", f"{bus['publish_us']:.0f} µs", ""
        yield f"Receive {size} from {bus['broker']}", f"{bus['receive_us']:.0f} µs", ""
    yield (
        "Expose a series", f"{figures['expose_us_per_series']:.2f} µs",
        f"an array's {exposed['series']:,} series in {exposed['array_ms']:.1f} ms",
    )  # fmt: skip
    ratio = figures["expose_vs_prometheus_client"]
    yield (
        "The same by prometheus_client", f"{ratio * figures['expose_us_per_series']:.1f} µs",
        f"{ratio:.0f} times as long, on the same data",
    )  # fmt: skip
    yield (
        f"{run['gpus']:,} GPUs end to end at 1 Hz", f"{sum(run['cpu_cores'].values()):.2f} cores",
        f"{run['rss_total_mib']:,} MiB in three processes; lost or late: {_losses(run)}",
    )  # fmt: skip


def _beside(figures: Mapping[str, Any]) -> str:
    ratios = figures["ratios_to_twin_cbor"]
    receivers = (
        (
            name if name.startswith("twin") else f"`{name}`",
            f"{peer['us_per_sample']:.3g} µs",
            f"{ratios[name]['sample']:,.3g}",
            f"{peer['us_per_series']:.2g} µs",
            f"{ratios[name]['series']:,.2g}",
            f"{peer['rss_mib']} MiB",
        )
        for name, peer in figures["peers"].items()
    )
    header = ("", "A value taken over", "ratio", "A series scraped", "ratio", "Memory")
    exposition = (
        (way, f"{cost['us_per_series']:.2g} µs", f"{cost['ratio']:,.3g}")
        for way, cost in figures["prometheus_client"].items()
    )
    return _BESIDE.format(
        gpus=figures["gpus"],
        fields=figures["fields"],
        receivers=table(header, receivers),
        exposition=table(("", "A series", "ratio"), exposition),
    )


def _growth(figures: Mapping[str, Any]) -> str:
    rows = (
        (
            f"{row['gpus']:,}", f"{row['interval_seconds']:g} s", f"{row['step_ms']:.1f} ms",
            f"{sum(row['cpu_cores'].values()):.2f}", f"{row['rss_total_mib']:,} MiB",
            f"{row['lag_p99_seconds']:.2f} s", _losses(row),
        )
        for row in figures["rows"]
    )  # fmt: skip
    header = ("GPUs", "Frames every", "Step", "Cores", "Memory", "Lag, p99", "Lost or late")
    return _GROWTH.format(table=table(header, rows))


def _site(figures: Mapping[str, Any]) -> str:
    return _SITE.format(
        site=figures["site"],
        minutes=figures["seconds"] / 60,
        interval=figures["interval_seconds"],
        table=table(("What", "Figure"), _site_rows(figures)),
    )


def _site_rows(figures: Mapping[str, Any]) -> Iterator[Row]:
    yield "GPUs", f"{figures['gpus']:,}"
    yield "Frames published and taken over", f"{figures['frames_received']:,}"
    yield "Lost or late", _losses(figures)
    yield (
        "From tick to exposed value, median and p99",
        f"{figures['lag_p50_seconds']:.2f} s, {figures['lag_p99_seconds']:.2f} s",
    )
    for name, cores in figures["cpu_cores"].items():
        title = name.title() if name == "prometheus" else f"The {name}"
        yield title, f"{cores:.2f} cores, {figures['rss_mib'][name]:,} MiB"
    yield (
        "Together",
        f"{sum(figures['cpu_cores'].values()):.2f} cores, {figures['rss_total_mib']:,} MiB",
    )


def _durations(server: Mapping[str, Any]) -> Iterator[Row]:
    """Yield how long scrapes took; the slowest are those that create the series."""
    yield "Duration of a scrape, median", f"{server['scrape_p50_seconds']:.2f} s"
    first, longest = server["first_round_max_seconds"], server["scrape_max_seconds"]
    yield "The longest of the first rounds, which create the series", f"{first:.1f} s"
    if longest > first:
        yield "The longest of all", f"{longest:.1f} s"


def _prometheus(figures: Mapping[str, Any]) -> str:
    server, site = figures["prometheus"], figures["site"]
    rows = [
        ("Detail", f"`{figures['detail']}`"),
        ("Series in Prometheus", f"{server['series']:,}"),
        ("Targets", f"{server['targets']:,}, every {server['interval_seconds']:g} s"),
        ("Scrapes", f"{server['scrapes']:,}"),
        ("Failed", f"{server['scrapes_failed']:,}"),
        ("Left out", f"{server['scrapes_left_out']:,}"),
        *_durations(server),
        *_site_rows(site),
    ]
    return _PROMETHEUS.format(
        version=server["version"].partition("+")[0],
        site=site["site"],
        minutes=site["seconds"] / 60,
        table=table(("What", "Figure"), rows),
    )


def _losses(run: Mapping[str, Any]) -> str:
    if run["held"]:
        return "nothing"
    return f"{run['frames_missing']:,} frames lost, {run['late_ticks']:,} ticks late"


# -- pictures -----------------------------------------------------------------------


def _pictures(rows: list[Mapping[str, Any]]) -> Mapping[str, str]:
    def lines(figure: Callable[[Mapping[str, Any]], float]) -> list[DrawnLine]:
        return [
            DrawnLine(
                name,
                colour,
                [(row["gpus"], figure(row)) for row in rows if row["interval_seconds"] == interval],
            )
            for name, colour, interval in (
                ("a frame every second", _EVERY_SECOND, 1.0),
                ("a frame every ten seconds", _EVERY_TEN, 10.0),
            )
        ]

    def cores(row: Mapping[str, Any]) -> float:
        return float(sum(row["cpu_cores"].values()))

    def memory(row: Mapping[str, Any]) -> float:
        return float(row["rss_total_mib"])

    return {
        "img/scale-cores.svg": chart("Processors by size of the site", _GPUS, _CORES, lines(cores)),
        "img/scale-memory.svg": chart("Memory by size of the site", _GPUS, _MEMORY, lines(memory)),
    }
