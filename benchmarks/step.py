"""What a second of a site costs the plant: to step it, and to read all its signals.

Run: ``python benchmarks/step.py [--seconds 60] [--json]``.
Figures are medians; the ratio says how much faster than real time one core is at a
step of one second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from twin.plant import Conditions, Plant
from twin.site import Layout, load_site, preset_names


def main() -> None:
    """Print milliseconds a step for every shipped site."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=60, help="steps of one second")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    options = arguments.parse_args()

    rows = {name: _measure(name, options.seconds) for name in preset_names()}
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'site':16} {'GPUs':>8} {'step ms':>9} {'outputs ms':>11} {'x real time':>12}")
    for name, row in rows.items():
        print(
            f"{name:16} {row['gpus']:8,.0f} {row['step_ms']:9.2f} {row['outputs_ms']:11.2f} "
            f"{row['real_time_ratio']:12,.0f}"
        )


def _measure(name: str, seconds: int) -> dict[str, float]:
    layout = Layout(load_site(name))
    plant, conditions = Plant(layout), Conditions.healthy(layout)
    step, outputs = [], []
    for _ in range(seconds):
        began = time.perf_counter()
        plant.step(1.0, conditions)
        stepped = time.perf_counter()
        plant.outputs()
        step.append(stepped - began)
        outputs.append(time.perf_counter() - stepped)
    cost = statistics.median(step)
    return {
        "gpus": layout.site.gpus,
        "step_ms": 1e3 * cost,
        "outputs_ms": 1e3 * statistics.median(outputs),
        "real_time_ratio": 1.0 / cost,
    }


if __name__ == "__main__":
    main()
