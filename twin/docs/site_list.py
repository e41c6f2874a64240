"""List of the shipped sites with their figures, which ``twin sites`` prints without counting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twin.docs.listing import listing

__all__ = ["FIGURES", "counted", "pages"]

FIGURES = Path(__file__).parents[1] / "site" / "figures.json"
"""What :func:`counted` returns, which takes 0.4 s; ``python -m twin.docs`` makes it."""


def pages() -> dict[str, str]:
    """Return the list, by its path below ``docs/``."""
    return listing(FIGURES, counted())


def counted() -> list[dict[str, Any]]:
    """Return the figures of the shipped sites, smallest first; series are those in full detail."""
    from twin.site import (  # noqa: PLC0415 - who reads the list needs none of it
        DetailPlan,
        Layout,
        count_series,
        load_site,
        preset_names,
    )

    return [
        {
            "name": site.name,
            "gpus": site.gpus,
            "racks": site.racks,
            "arrays": site.arrays,
            "watts": round(site.installed_power_watts),
            "series": count_series(Layout(site), DetailPlan.of(site.arrays)),
        }
        for site in map(load_site, preset_names())
    ]
