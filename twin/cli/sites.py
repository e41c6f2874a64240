"""``twin sites``: what can be modelled."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from twin.catalog import Frame
from twin.cli.options import JsonOutput
from twin.site import Layout, Site, load_site, preset_names

__all__ = ["app"]

app = typer.Typer(help="List the sites, or describe one.", invoke_without_command=True)


@app.callback()
def sites(context: typer.Context, as_json: JsonOutput = False) -> None:
    """List the sites that ship with the twin."""
    if context.invoked_subcommand is not None:
        return
    described = [_describe(load_site(name)) for name in preset_names()]
    if as_json:
        typer.echo(orjson.dumps(described))
        return
    table = Table(box=None, header_style="bold")
    for column, justify in (
        ("site", "left"), ("GPUs", "right"), ("racks", "right"), ("arrays", "right"),
        ("IT power", "right"), ("series", "right"),
    ):  # fmt: skip
        table.add_column(column, justify=justify)  # type: ignore[arg-type]  # rich's literal
    for site in described:
        table.add_row(
            site["name"], f"{site['gpus']:,}", f"{site['racks']:,}", f"{site['arrays']:,}",
            _megawatts(site["installed_it_power_watts"]), f"{site['series']['gpu']:,}",
        )  # fmt: skip
    Console().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A preset's name or a YAML file.")],
    as_json: JsonOutput = False,
) -> None:
    """Describe a site: counts, installed power, series at each level of detail."""
    site = load_site(name)
    described = _describe(site)
    if as_json:
        typer.echo(orjson.dumps(described))
        return
    series = described["series"]
    rows = (
        ("halls", f"{site.halls:,}"),
        ("arrays", f"{site.arrays:,} of up to {site.racks_per_array} racks"),
        ("racks", f"{site.racks:,} of {site.servers_per_rack} servers"),
        ("servers", f"{site.servers:,} of {site.server.gpus} GPUs, {site.server.nics} NIC ports"),
        ("GPUs", f"{site.gpus:,} x {site.gpu.name}"),
        ("jobs", _jobs(described)),
        ("NIC ports", f"{site.racks * site.nics_per_rack:,}"),
        ("IT power while training", _megawatts(site.installed_power_watts)),
        ("grid limit", _megawatts(site.grid.limit_watts)),
        ("Megapacks", _units(site.megapacks.count, site.megapacks.power_watts)
         + f", {site.megapacks.energy_joules / 3.6e9:.1f} MWh each"),
        ("generators", _units(site.gensets.count, site.gensets.power_watts)),
        ("frames a second", f"{described['frames_per_second']:,.0f}"),
        ("series, site only", f"{series['site']:,}"),
        ("series, site and racks", f"{series['rack']:,}"),
        ("series, full detail", f"{series['gpu']:,}"),
    )  # fmt: skip
    console = Console(highlight=False)
    console.print(f"[bold]{site.name}[/bold]  {site.title}\n{site.description}\n")
    table = Table(box=None, show_header=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if site.sources:
        console.print("\nSources")
        for source in site.sources:
            console.print(f"  {source}")


def _describe(site: Site) -> dict[str, Any]:
    layout = Layout(site)
    units = sum(layout.units(frame) for frame in Frame)
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
            for job in layout.jobs
        ],
        "megapacks": site.megapacks.count,
        "gensets": site.gensets.count,
        "installed_it_power_watts": round(site.installed_power_watts),
        "grid_limit_watts": site.grid.limit_watts,
        "frames_per_second": units / site.telemetry.interval_seconds,
        "series": layout.series(),
    }


def _jobs(described: dict[str, Any]) -> str:
    jobs = described["jobs"]
    named = [f"{job['name']} on {job['racks']:,} racks" for job in jobs]
    idle = described["racks"] - sum(job["racks"] for job in jobs)
    return ", ".join(named + [f"{idle:,} racks idle"] * (idle > 0))


def _megawatts(watts: float) -> str:
    return f"{watts / 1e6:,.2f} MW"


def _units(count: int, watts: float) -> str:
    return f"{count:,} x {_megawatts(watts)}"
