"""A campus on the command line: its sites, and what public sources say of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from twin.cli.columns import columns, paragraph

if TYPE_CHECKING:
    from twin.parameters.campus import Campus

__all__ = ["campus_lines", "described_campus"]

_MEGA = 1e6


def described_campus(campus: Campus) -> dict[str, Any]:
    """Return a campus as JSON has it, with the counts of its sites."""
    described = campus.model_dump(mode="json")
    for block, row in zip(described["blocks"], _modelled(campus), strict=True):
        block["modelled"] = row
    return described


def _modelled(campus: Campus) -> list[dict[str, Any]]:
    from twin.catalog import UnitKind
    from twin.site import Layout, campus_sites

    return [
        {
            "gpus": site.gpus,
            "racks": site.racks,
            "rack": site.rack,
            "it_power_watts": site.installed_power_watts,
            "grid_limit_watts": site.grid.limit_watts,
            "megapacks": site.megapacks.count,
            "turbines": site.turbines.count,
            "site": site.name,
            "first_rack": Layout(site).unit_name(UnitKind.RACK, 0),
            "last_rack": Layout(site).unit_name(UnitKind.RACK, site.racks - 1),
        }
        for site in campus_sites(campus)
    ]


def campus_lines(campus: Campus, name: str) -> Iterator[str]:
    """Yield the description of a campus for people, who called it by that name or path."""
    yield f"{typer.style(campus.name, bold=True)}  {campus.title}"
    yield paragraph(campus.description, "") + "\n"
    header = ("block", "GPUs", "racks", "IT power", "grid", "Megapacks", "turbines", "named",
              "site")  # fmt: skip
    found = _modelled(campus)
    rows = [
        (block.name, *_cells(row), f"{row['first_rack']} to {row['last_rack']}",
         f"{name}/{row['site']}")
        for block, row in zip(campus.blocks, found, strict=True)
    ]  # fmt: skip
    counts = [key for key, value in found[0].items() if not isinstance(value, str)]
    summed = {key: sum(row[key] for row in found) for key in counts}
    yield from columns(header, [*rows, ("together", *_cells(summed), "", "")], right=header[1:-2])
    for block in (block for block in campus.blocks if block.figures):
        yield f"\n{typer.style(block.name, bold=True)}: what public sources say"
        head = ("date", "basis", "confidence", "what")
        yield from columns(
            head,
            [
                (own.date, own.basis, own.confidence, f"{own.what}: {own.value} ({own.source})")
                for own in block.figures
            ],
        )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['gpus']:,}",
        f"{row['racks']:,}",
        _megawatts(row["it_power_watts"]),
        _megawatts(row["grid_limit_watts"]),
        f"{row['megapacks']:,}",
        f"{row['turbines']:,}",
    )


def _megawatts(watts: float) -> str:
    decimals = 0 if watts >= 10 * _MEGA else 2
    return f"{watts / _MEGA:,.{decimals}f} MW"
