"""Plant cost: the step of one second, and reading all its signals.

Run: ``python benchmarks/step.py [--seconds 1] [--json] [--save FILE]``.
Figures are medians of CPU time; the ratio says how much faster than real time one core is
at a step of one second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from twin.bench.clock import Budget
from twin.bench.plant import measure_step
from twin.bench.script import parser, run
from twin.site import Layout, load_site, preset_names


def main() -> None:
    """Print milliseconds a step for every shipped site."""
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=1.0, help="CPU time for each figure")
    options = arguments.parse_args()
    budget = Budget(options.seconds, rounds=5)
    run(
        options,
        lambda: {
            name: asdict(measure_step(Layout(load_site(name)), budget)) for name in preset_names()
        },
        _table,
    )


def _table(rows: Mapping[str, Any]) -> str:
    lines = [f"{'site':16} {'GPUs':>9} {'step ms':>9} {'outputs ms':>11} {'x real time':>12}"]
    lines += [
        f"{name:16} {row['gpus']:9,} {row['step_ms']:9.2f} {row['outputs_ms']:11.2f} "
        f"{row['real_time_ratio']:12,.0f}"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
