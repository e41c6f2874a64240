"""Calibration page: the twin beside measured data, as a table and as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.docs.chart import chart
from twin.docs.markdown import NOTICE, table
from twin.docs.measurement import Comparison, comparisons, quantiles, spectrum, training
from twin.drawing import Axis, DrawnLine
from twin.plant import load_trace

__all__ = ["pages"]

_MEASURED, _TWIN = "#c2410c", "#1d4ed8"
_FOLDER = "img"
_EVALUATION_AT = 272.0
"""Start of the second evaluation of the measured run, in s."""
_SHORTEST, _LONGEST = 4.0, 16.0
"""Periods that the spectrum shows, in s."""
_INTRODUCTION = f"""{NOTICE}
# Calibration

The twin beside measurements. The twin ran one array (512 H100) with seed 0 for 57 simulated
minutes in steps of 1 s, without checkpoints, and was sampled every 2 s, as the measured run was.
Each row with a tolerance is a test in `tests/calibration`; a row without one sets two things side
by side that are not the same, and the text below says why.

"""
_TEXT = """
## Pictures

![Cumulative distribution of node power](img/calibration-nodes.svg)

*DC power of a node: share of all samples of 64 nodes below a power. The edge above is sharp (hardly
ever does a node draw more than 7.5 kW), the tail below comes from the step boundary, at which
single nodes fall to the power of GPUs that wait in a collective.*

![Power of the array over five minutes](img/calibration-array.svg)

*DC power of the array over five minutes, both from the start of an evaluation: twelve steps follow
each evaluation, which is flat for about 13 s.*

![Spectrum of the array's power](img/calibration-spectrum.svg)

*Amplitude of the array's power by period. Steps begin anew after each evaluation, every 142.4 s, so
the lines lie on whole fractions of that time: 10.95 s is its 13th part.*

![Temperature of the fleet](img/calibration-temperature.svg)

*Die temperature: share of GPUs below a temperature, air-cooled A100 of a shared cluster and
liquid-cooled H100 of the twin, all in one job.*

## What does not match, and why

* **The step's period in power.** The run's log gives 10.64 s a step; folded between two
  evaluations, its power repeats every 10.80 s. The twin follows the log, and twelve steps with an
  evaluation take the measured 142.4 s. Hence the second line of the twin's spectrum is strongest at
  5.3 s, where the measured one has its weaker line and the stronger one at 5.5 s.
* **Memory of a single node.** A measured node's power repeats from step to step more than the
  twin's: the autocorrelation after two steps (22 s) is 0.47, the twin's about 0.2. The nodes of a
  pipeline keep their stage; the twin draws the dips of every step anew.
* **The lowest nodes.** A tenth of a percent of the measured samples lies below 3.03 kW, of the
  twin's below 2.95 kW: the twin lets deep dips go all the way down to the power of waiting GPUs.
* **Pairs of nodes.** 30 of the 64 measured files equal another one, so the run shows 34 distinct
  nodes. The correlation above is over all 64, as published; over the 34 it is 0.28.
* **An idle node** of the AC measurement draws 2.2 to 2.8 kW DC, that is with the host busy between
  two phases of a run; the twin's idle node has no such load.
* **Level of training in other runs.** 8 GPUs that train an 8B model draw 4.4 kW before a
  checkpoint, those of the GPT-3 run (and so the twin's) about 4.7 kW. The floor, at which all ranks
  wait, is the same.
* **Temperatures.** The only public distribution is of air-cooled A100 in a cluster of many small
  jobs, half of it idle: 25 to 40 °C up to the median, 62 °C at 95 %. The twin's GPUs have coolant
  of 32 °C and all train at about 590 W, so their distribution is narrow. What can be compared is
  the distance of memory above die: 11 K between the medians of the fleet, about 9 K in the twin.
  The twin's thermal resistance stays an estimate.

## Sources

* *MLPerf DC*, *MLPerf AC*: MLCommons `training_results_v4.0`, Sustainable Metal Cloud, whose
  servers stand in immersion tanks without fans: GPT-3 on 64 nodes of 8 H100 and
  llama2-70b-lora on one; Apache-2.0.
* *Acme*: InternLM/AcmeTrace, cluster Kalos, quantiles of August 2023; CC-BY-4.0.
* *nvidia-smi*: published outputs of H100 hosts.
* *100 ms trace*: levels read from a published trace that has no licence and so does not ship here.

The files and their attribution are in `twin/plant/traces/`.
"""


def pages() -> Mapping[str, str]:
    """Return ``calibration.md`` and its pictures."""
    rows = [
        (row.quantity, _value(row, row.measured), _value(row, row.twin), _percent(row.difference),
         "none" if row.tolerance is None else f"± {100 * row.tolerance:.0f} %", row.basis)
        for row in comparisons()
    ]  # fmt: skip
    header = ("Quantity", "Measured", "Twin", "Difference", "Tolerance", "Measured in")
    return {
        "calibration.md": _INTRODUCTION + table(header, rows) + _TEXT,
        f"{_FOLDER}/calibration-nodes.svg": _nodes(),
        f"{_FOLDER}/calibration-array.svg": _array(),
        f"{_FOLDER}/calibration-spectrum.svg": _spectrum(),
        f"{_FOLDER}/calibration-temperature.svg": _temperature(),
    }


def _percent(ratio: float) -> str:
    # Adding zero takes the sign off a negative zero.
    return f"{round(100 * ratio, 1) + 0.0:+.1f} %"


def _value(row: Comparison, value: float) -> str:
    return f"{value:,.4g} {row.unit}".strip()


def _cumulative(values: NDArray[np.floating[Any]], scale: float) -> list[tuple[float, float]]:
    shares = np.concatenate([[0.0, 0.1, 0.25, 0.5], np.arange(1, 100), [99.5, 99.9, 100.0]])
    return [(float(np.percentile(values, share)) / scale, float(share)) for share in shares]


def _nodes() -> str:
    return chart(
        "Cumulative distribution of node power",
        Axis("node power, kW DC", [2.5 + 0.5 * i for i in range(11)]),
        Axis("samples below, %", range(0, 101, 20)),
        [
            DrawnLine("measured, GPT-3 run", _MEASURED,
                      _cumulative(load_trace("gpt3-512xh100").watts, 1e3)),
            DrawnLine("twin", _TWIN, _cumulative(training().nodes, 1e3)),
        ],
    )  # fmt: skip


def _array() -> str:
    trace, run = load_trace("gpt3-512xh100"), training()
    begins = int(np.flatnonzero(run.evaluation[1:] & ~run.evaluation[:-1])[0])
    twin = run.nodes.sum(axis=1)[begins : begins + 151] / 1e3
    first = int(np.searchsorted(trace.times, _EVALUATION_AT))
    measured = trace.watts.sum(axis=1)[first : first + 151] / 1e3
    times = trace.times[first : first + 151] - trace.times[first]
    return chart(
        "Power of the array over five minutes",
        Axis("time, s", range(0, 301, 30)),
        Axis("array power, kW DC", range(340, 481, 20)),
        [
            DrawnLine("measured, GPT-3 run", _MEASURED,
                      list(zip(times.tolist(), measured.tolist(), strict=True))),
            DrawnLine("twin", _TWIN, [(2.0 * i, float(value)) for i, value in enumerate(twin)]),
        ],
    )  # fmt: skip


def _spectrum() -> str:
    lines = []
    for name, colour, nodes, seconds in (
        ("measured, GPT-3 run", _MEASURED, load_trace("gpt3-512xh100").watts, 2.005),
        ("twin", _TWIN, training().nodes, 2.0),
    ):
        periods, amplitude = spectrum(nodes, seconds)
        shown = (periods >= _SHORTEST) & (periods <= _LONGEST)
        points = zip(periods[shown].tolist(), amplitude[shown].tolist(), strict=True)
        lines.append(DrawnLine(name, colour, list(points)))
    return chart(
        "Spectrum of the array's power",
        Axis("period, s", range(4, 17)),
        Axis("amplitude, kW", range(0, 31, 5)),
        lines,
    )


def _temperature() -> str:
    fleet = quantiles()
    measured = [(float(row[2]), 100 * float(row[0])) for row in fleet[::10]]
    return chart(
        "Temperature of the fleet",
        Axis("die temperature, °C", range(10, 81, 10)),
        Axis("GPUs below, %", range(0, 101, 20)),
        [
            DrawnLine("measured, A100 in air", _MEASURED, measured),
            DrawnLine("twin, H100 with coolant", _TWIN, _cumulative(training().dies, 1.0)),
        ],
    )
