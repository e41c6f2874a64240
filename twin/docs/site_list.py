"""List of the shipped sites with their figures, which ``twin sites`` prints without counting."""

from __future__ import annotations

import json
from pathlib import Path

from twin.cli.sites import FIGURES, counted

__all__ = ["pages"]

_DOCS = Path(__file__).parents[2] / "docs"


def pages() -> dict[str, str]:
    """Return the list, by its path below ``docs/``."""
    lines = ",\n".join(f"  {json.dumps(figures)}" for figures in counted())
    path = Path("..") / FIGURES.relative_to(_DOCS.parent)
    return {path.as_posix(): f"[\n{lines}\n]\n"}
