"""Limits of this machine: ``twin bench``, with its result kept in a file.

Run: ``python benchmarks/machine.py [--quick] [--json] [--save FILE]``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from twin.bench.script import lines, parser, run
from twin.bench.suite import FULL, QUICK, measure


def main() -> None:
    """Print every figure of ``twin bench`` on a line."""
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="take 20 seconds")
    options = arguments.parse_args()
    run(options, lambda: measure(QUICK if options.quick else FULL, _told).figures(), _table)


def _told(stage: str) -> None:
    sys.stderr.write(f"{stage} …\n")


def _table(figures: Mapping[str, Any]) -> str:
    return "\n".join(lines(figures))


if __name__ == "__main__":
    main()
