"""Lists that a light command prints as they are: files that ``python -m twin.docs`` makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["listing"]

_TWIN = Path(__file__).parents[1]


def listing(path: Path, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return a list by the path of its file below ``docs/``, with a line for each entry."""
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    return {(Path("..") / path.relative_to(_TWIN.parent)).as_posix(): f"[\n{lines}\n]\n"}
