"""List of the shipped sites with their figures, which ``twin sites`` prints without counting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["FIGURES", "counted", "pages"]

_TWIN = Path(__file__).parents[1]
FIGURES = _TWIN / "site" / "figures.json"
"""What :func:`counted` returns, which takes 0.4 s; ``python -m twin.docs`` makes it."""


def pages() -> dict[str, str]:
    """Return the list, by its path below ``docs/``."""
    lines = ",\n".join(f"  {json.dumps(figures)}" for figures in counted())
    path = Path("..") / FIGURES.relative_to(_TWIN.parent)
    return {path.as_posix(): f"[\n{lines}\n]\n"}


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
