"""``python -m twin.grafana [--check]``: build the dashboards, or compare them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from twin.grafana.build import build_all

_FOLDER = Path(__file__).parents[2] / "dashboards"


def main(arguments: Sequence[str] | None = None, folder: Path = _FOLDER) -> int:
    """Write every dashboard, or with ``--check`` compare; return the exit status.

    Args:
        arguments: of the command line; None for the process's own.
        folder: where the JSON is.
    """
    parser = argparse.ArgumentParser(prog="python -m twin.grafana", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    check = parser.parse_args(arguments).check
    built = build_all()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    different = sorted(
        name for name in built.keys() | present.keys() if built.get(name) != present.get(name)
    )
    if check and different:
        sys.stderr.write(
            f"{', '.join(different)}: not what twin/grafana builds; run python -m twin.grafana\n"
        )
        return 1
    for name in different:
        if name in built:
            (folder / name).write_text(built[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
