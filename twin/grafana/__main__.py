"""``python -m twin.grafana [--check]``: the same as ``twin dashboards build``."""

from __future__ import annotations

import sys
from pathlib import Path

from twin.grafana.build import differences, write_all

_FOLDER = Path(__file__).parents[2] / "dashboards"

if __name__ == "__main__":
    changed = differences(_FOLDER) if "--check" in sys.argv else write_all(_FOLDER)
    sys.exit(1 if changed and "--check" in sys.argv else 0)
