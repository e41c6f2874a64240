"""``twin sites``: what can be modelled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from twin.cli.columns import columns, paragraph
from twin.cli.completion import complete_site
from twin.cli.extensions import extended
from twin.cli.options import DetailSettings, JsonOutput

if TYPE_CHECKING:
    from twin.site import Layout, Site

__all__ = ["app"]

_GIGABYTE = 10**9

app = typer.Typer(invoke_without_command=True)


@app.callback()
def sites(context: typer.Context, as_json: JsonOutput = False) -> None:
    """List the sites that ship with the twin, or describe one.

    \b
    Examples:
      twin sites
      twin sites --json
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    if context.invoked_subcommand is not None:
        return
    if as_json:
        from twin.site import load_site, preset_names

        typer.echo(orjson.dumps([_describe(load_site(name)) for name in preset_names()]))
        return
    header = ("site", "GPUs", "racks", "arrays", "IT power", "series")
    from twin.docs.site_list import FIGURES, counted

    found = counted() if extended(context) else orjson.loads(FIGURES.read_bytes())
    rows = [
        (own["name"], f"{own['gpus']:,}", f"{own['racks']:,}", f"{own['arrays']:,}",
         _megawatts(own["watts"]), f"{own['series']:,}")
        for own in found
    ]  # fmt: skip
    typer.echo("\n".join(columns(header, rows, right=header[1:])))


@app.command("show")
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A preset's name, a campus' or a YAML file.", autocompletion=complete_site
        ),
    ],
    detail: DetailSettings = None,
    as_json: JsonOutput = False,
) -> None:
    """Describe a site: counts, installed power, series at each level of detail.

    \b
    Examples:
      twin sites show colossus-100k
      twin sites show colossus-100k --detail rack --detail a001-a004=gpu
      twin sites show campus-memphis
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.site import campus_of, load_site

    campus = campus_of(name)
    if campus is not None:
        from twin.cli.campus import campus_lines, described_campus

        described = described_campus(campus)
        typer.echo(orjson.dumps(described) if as_json else "\n".join(campus_lines(campus, name)))
        return
    site = load_site(name)
    from twin.alerts.fit import misfits

    described = _describe(site, detail or ())
    described["misfits"] = [str(misfit) for misfit in misfits(site)]
    if as_json:
        typer.echo(orjson.dumps(described))
        return
    typer.echo(f"{typer.style(site.name, bold=True)}  {site.title}")
    typer.echo(paragraph(site.description, "") + "\n")
    typer.echo("\n".join(columns((), [*_counts(site, described), *_series(described)])))
    for misfit in described["misfits"]:
        typer.echo("\n" + paragraph(f"does not fit: {misfit}", ""))
    if site.sources:
        typer.echo("\nSources")
        for source in site.sources:
            typer.echo(paragraph(source, "  "))


def _counts(site: Site, described: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return (
        ("halls", f"{site.halls:,}"),
        ("arrays", f"{site.arrays:,} of up to {site.racks_per_array} racks"),
        ("racks", f"{site.racks:,} of {site.servers_per_rack} servers"),
        ("servers", f"{site.servers:,} of {site.server.gpus} GPUs, {site.server.nics} NIC ports"),
        ("GPUs", _gpus(site)),
        ("jobs", _jobs(described)),
        *_scheduler(described),
        ("NIC ports", f"{site.racks * site.nics_per_rack:,}"),
        ("IT power while training", _megawatts(site.installed_power_watts)),
        *((("coolant unit", _coolant(site)),) if site.has_liquid else ()),
        *((("fans", _fans(site)),) if site.has_air else ()),
        ("chillers", _units(site.chillers, site.chiller_rated_watts)),
        ("grid limit", _megawatts(site.grid.limit_watts)),
        ("Megapacks", _units(site.megapacks.count, site.megapacks.power_watts)
         + f", {site.megapacks.energy_joules / 3.6e9:.1f} MWh each"),
        ("generators", _units(site.gensets.count, site.gensets.power_watts)),
        ("gas turbines", _units(site.turbines.count, site.turbines.power_watts)),
        ("frames a second", f"{described['frames_per_second']:,.0f}"),
    )  # fmt: skip


def _coolant(site: Site) -> str:
    """Return what the coolant unit of a rack is made for."""
    cooling = site.cooling
    heat, flow = cooling.nominal_heat_watts / 1e3, cooling.flow_liters_per_minute
    return f"{heat:,.1f} kW and {flow:g} L/min a rack of {_rack_watts(site) / 1e3:,.1f} kW"


def _fans(site: Site) -> str:
    """Return what the fans of an air-cooled server are made for."""
    fans = site.fans
    air, power = fans.nominal_kilograms_per_second, fans.nominal_power_watts / 1e3
    return f"{fans.per_server} a server, {air:.2f} kg/s of air and {power:,.1f} kW at work"


def _rack_watts(site: Site) -> float:
    """Return the greatest power of a rack that has a coolant unit, in W."""
    blocks = zip(site.models, site.air_blocks, strict=True)
    return max(site.rack_power_watts(model, air=False) for model, air in blocks if not air)


def _gpus(site: Site) -> str:
    """Return how many GPUs there are of each model."""
    racks: dict[str, int] = {}
    for block in site.blocks:
        racks[block.gpu.name] = racks.get(block.gpu.name, 0) + block.racks
    a_rack = site.servers_per_rack * site.server.gpus
    counted = {name: count * a_rack for name, count in racks.items()} or {site.gpu.name: site.gpus}
    return ", ".join(f"{count:,} x {name}" for name, count in counted.items())


def _series(described: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what each detail costs, and the one that is set."""
    from twin.site import BYTES_A_SERIES

    series, memory = described["series"], described["prometheus_bytes"]
    meanings = {"site": "site only", "rack": "site and racks", "gpu": "full detail"}
    costs = (
        (f"series, {meanings[level]}", f"{count:,}, {_memory(memory[level])} of Prometheus")
        for level, count in series.items()
    )
    as_set = described["series_as_set"]
    hosts = (
        (
            f"full detail, hosts {level}",
            f"{count:,}, {_memory(count * BYTES_A_SERIES)} of Prometheus",
        )
        for level, count in described["series_by_host"].items()
    )
    scheduled = described.get("scheduler", {"series": {}})
    beside = [(f"series, {title}", f"about {own:,}") for title, own in scheduled["series"].items()]
    if "gpu_series_an_hour" in scheduled:
        new = scheduled["gpu_series_an_hour"]
        beside.append(("series, new an hour", f"about {new:,} of GPUs that go from job to job"))
    return (
        *costs,
        *beside,
        *hosts,
        ("hosts", described["host"]),
        *(
            (("GPU instances", f"{described['gpu_instances']:,}"),)
            if "gpu_instances" in described
            else ()
        ),
        (
            f"series, {described['detail']}",
            f"{as_set:,}, {_memory(as_set * BYTES_A_SERIES)} of Prometheus, as it is set",
        ),
    )


def _describe(site: Site, settings: Iterable[str] = ()) -> dict[str, Any]:
    from twin.catalog import UnitKind
    from twin.site import (
        BYTES_A_SERIES,
        DetailPlan,
        Layout,
        count_series,
        job_places,
        series_by_detail,
        series_by_host,
    )

    layout = Layout(site)
    plan, series = DetailPlan.of_site(layout.site).changed(settings), series_by_detail(layout)
    units = sum(layout.units(frame) for frame in UnitKind)
    return {
        "name": site.name,
        "title": site.title,
        "halls": site.halls,
        "arrays": site.arrays,
        "racks": site.racks,
        "servers": site.servers,
        "gpus": site.gpus,
        "gpu_model": site.gpu.name,
        "jobs": [
            {"name": job.name, "racks": len(job.racks), "workload": job.workload}
            for job in job_places(layout.site)
        ],
        "megapacks": site.megapacks.count,
        "gensets": site.gensets.count,
        "turbines": site.turbines.count,
        "installed_it_power_watts": round(site.installed_power_watts),
        "grid_limit_watts": site.grid.limit_watts,
        "frames_per_second": units / site.telemetry.interval_seconds,
        "series": series,
        "prometheus_bytes": {level: count * BYTES_A_SERIES for level, count in series.items()},
        "series_by_host": series_by_host(layout),
        "host": str(layout.host_plan),
        "detail": str(plan),
        "series_as_set": count_series(layout, plan),
        **_partitioned(layout),
        **_scheduled(layout),
    }


def _partitioned(layout: Layout) -> dict[str, Any]:
    """Return the instances of a site with partitioned GPUs (MIG), nothing without."""
    gpus = layout.site.gpus_per_rack
    count = sum(
        len(layout.racks_of(array)) * gpus * len(instances)
        for array, instances in enumerate(layout.partitions)
    )
    return {"gpu_instances": count} if count else {}


def _scheduled(layout: Layout) -> dict[str, Any]:
    """Return what a scheduler adds to the description of a site, nothing without one."""
    from twin.site import ScheduledFigures

    if not layout.site.scheduled:
        return {}
    figures = ScheduledFigures.of(layout)
    described = {
        "kind": layout.site.scheduler.kind,
        "running": round(figures.running),
        "submitted_an_hour": round(figures.an_hour),
        "series": figures.by_exporter(layout),
    }
    if new := figures.new_gpu_series_an_hour(layout):
        described["gpu_series_an_hour"] = new
    return {"scheduler": described}


def _scheduler(described: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    own = described.get("scheduler")
    if own is None:
        return ()
    jobs = f"about {own['running']:,} jobs at a time, {own['submitted_an_hour']:,} an hour"
    return (("scheduler", f"{own['kind']}: {jobs}"),)


def _jobs(described: dict[str, Any]) -> str:
    jobs = described["jobs"]
    named = [f"{job['name']} on {job['racks']:,} racks" for job in jobs]
    idle = described["racks"] - sum(job["racks"] for job in jobs)
    rest = "the scheduler's" if "scheduler" in described else "idle"
    return ", ".join(named + [f"{idle:,} racks {rest}"] * (idle > 0))


def _memory(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= _GIGABYTE else f"{size / 1e6:,.0f} MB"


def _megawatts(watts: float) -> str:
    return f"{watts / 1e6:,.2f} MW"


def _units(count: int, watts: float) -> str:
    return f"{count:,} x {_megawatts(watts)}"
