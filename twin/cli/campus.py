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
    from twin.site import load_site

    return [
        {
            "gpus": site.gpus,
            "racks": site.racks,
            "rack": site.rack,
            "it_power_watts": site.installed_power_watts,
            "grid_limit_watts": site.grid.limit_watts,
            "megapacks": site.megapacks.count,
            "turbines": site.turbines.count,
        }
        for site in (load_site(block.site) for block in campus.blocks)
    ]


def campus_lines(campus: Campus) -> Iterator[str]:
    """Yield the description of a campus for people."""
    yield f"{typer.style(campus.name, bold=True)}  {campus.title}"
    yield paragraph(campus.description, "") + "\n"
    header = ("block", "GPUs", "racks", "IT power", "grid", "Megapacks", "turbines", "site")
    found = _modelled(campus)
    names = [(block.name, block.site) for block in campus.blocks]
    summed = {key: sum(row[key] for row in found) for key in found[0] if key != "rack"}
    rows = [
        (name, *_cells(row), site)
        for (name, site), row in zip([*names, ("together", "")], [*found, summed], strict=True)
    ]
    yield from columns(header, rows, right=header[1:-1])
    for block in campus.blocks:
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
        f"{row['it_power_watts'] / _MEGA:,.0f} MW",
        f"{row['grid_limit_watts'] / _MEGA:,.0f} MW",
        f"{row['megapacks']:,}",
        f"{row['turbines']:,}",
    )
