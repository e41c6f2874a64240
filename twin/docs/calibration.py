"""Calibration page: the twin compared with measured data, as a table and plots."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.content_cache import Cache, code_key, user_folder
from twin.docs.chart import chart
from twin.docs.cluster_day import RUNS, day_table
from twin.docs.instrument_tables import instrument_tables
from twin.docs.laws import law_table
from twin.docs.markdown import NOTICE, table
from twin.docs.measurement import Comparison, comparisons, quantiles, training
from twin.docs.power_smoothing import smoothing_table
from twin.docs.power_statistics import spectrum
from twin.docs.rack_captures import rack_comparisons
from twin.docs.training_halves import HalfComparison, half_comparisons
from twin.docs.workload_runs import RunComparison, run_comparisons
from twin.drawing import Axis, DrawnLine
from twin.plant import load_trace

__all__ = ["MADE_OF", "pages"]

_MEASURED, _TWIN = "#c2410c", "#1d4ed8"
_FOLDER = "img"
MADE_OF = (
    "catalog",
    "described.py",
    "docs",
    "drawing.py",
    "parameters",
    "plant",
    "registry.py",
    "site",
    "yamls.py",
)
"""Parts of the package that the page and its plots follow from."""
_LIMIT = 1 << 26
"""Bytes that all pages that are kept may take."""
_EVALUATION_AT = 272.0
"""Start of the second evaluation of the measured run, in s."""
_SHORTEST, _LONGEST = 4.0, 16.0
"""Periods that the spectrum shows, in s."""
_INTRODUCTION = f"""{NOTICE}
# Calibration

The twin compared with measurements. The twin ran one array (512 H100) with seed 0 for 57 simulated
minutes in steps of 1 s, without checkpoints, sampled every 2 s like the measured run. Each row
with a tolerance is a test in `tests/calibration`. A row without a tolerance compares two different
systems; the text below explains the differences. *Calibrated* rows were fitted to their
measurement, *validated* ones are of runs to which nothing was fitted.

"""
_HALVES = """
## GPT-3 run

The run's first half is what the twin's steps, dips and meters were fitted to last, its second half
was held back; but of candidates that fitted the first half alike, that was taken which misses fewer
limits of both, and earlier fits saw all of it. DC is an instant of a node's power, AC what its
meter at the wall shows, which [averages](#instruments). A limit is held by both differences, as a
test in `tests/calibration`; where the twin misses it, the row says so.

"""
_LAWS = """
## Conservation laws

Property tests (`tests/plant/test_conservation.py`) strike random sites with random faults and
measure every law in every step. An error is a share of what is exchanged in a step, so it says how
much of it came from nowhere; the largest ever seen is the rounding of single precision, in which
GPUs and NICs are kept. A server that two jobs share, or GPUs that a job lacks, would count as 1.

"""
_WORKLOADS = """
## Workloads

Power of one node in W while it works: 1 %, 50 % and 99 % quantile, the twin's over ten minutes
without checkpoints and evaluations. A workload's levels are those of its *calibrated* run; nothing
was fitted to the *validated* ones. `tests/calibration` holds medians to 5 % and the other quantiles
to 10 %; of a run of less than 300 samples the 1 % quantile is a sample or two, and held to 15 %.

"""
_DAY = """
## A cluster's days

The jobs of the site `cluster-acme` beside those of Acme's two clusters (Hu et al. 2024). The mix
`acme-seren` was fitted to Seren, to what is marked *calibrated*. Of Kalos what users submit is put
in (`acme-kalos`: shares of jobs by kind, and sizes by the number of jobs), and what its Kubernetes
takes to let a job in, which is what jobs wait that are debugged; its evaluations may have as many
GPUs as the largest asks for. Lengths, ends and the quota of pre-training are Seren's, so the last
columns are a prediction. Shares of jobs and of GPU time, lengths and ends follow from the mixes;
time in the queue and held GPUs are of {runs} runs of {seren} days (Seren) and {kalos} days (Kalos)
of the scheduler. Mean waits of a kind are of the published distributions, which end at 9.1 h.
Differences of shares are in points.

"""
_RACKS = """
## NVL72 racks

A rack of GB300 (`nvl72-rack`) and one of GB200 beside captures of idle trays, of a pod at light
work, and of what sellers say. The captured trays are of different hosts and times: the GPUs of the
tray that Redfish shows draw 239 W each, those of nvidia-smi 178 W. No capture of a rack at full
load was found, so the figures under load are compared and not held. What sellers call a rack's
power is what its supply has to be sized for.

"""
_SMOOTHING = """
## Power smoothing

What the meter of the grid shows of eight racks of GB300, 1.1 MW, that train and whose job then
fails, by what smooths their power ([sites](sites.md#power-smoothing)). These are the twin's own
figures: of the real thing NVIDIA says that it takes up to 30 % off the peak (July 2025).

"""
_SMOOTHED = """
Energy is that of the same time of training. Software that burns is of no use when the job ends, and
a floor near the power of training holds all, for a tenth more energy. Ramps also cost time: after a
start GPUs take about a minute to full power at 20 W/s. All is at steps of a second, for which the
storage of the shelves is small: it takes the edges.
"""
_TEXT = """
## Plots

![Cumulative distribution of node power](img/calibration-nodes.svg)

*DC power of a node: share of all samples of 64 nodes below a given power. The upper edge is sharp:
a node rarely draws more than 7.5 kW. The lower tail comes from step boundaries, where single
nodes drop to the power of GPUs that wait in a collective.*

![Power of the array over five minutes](img/calibration-array.svg)

*DC power of the array over five minutes, both from the start of an evaluation. The power is flat
during the evaluation, about 13 s; twelve steps follow.*

![Spectrum of the array's power](img/calibration-spectrum.svg)

*Amplitude of the array's power by period. The steps restart after each evaluation, every 142.4 s,
so the lines are at integer fractions of that time: 10.95 s is a 13th of it.*

![Temperature of the fleet](img/calibration-temperature.svg)

*Die temperature: share of GPUs below a given temperature, for the air-cooled A100s of a shared
cluster and the twin's liquid-cooled H100s, all in one job.*

## Differences and their causes

* **Step period in power.** The run's log gives 10.64 s a step, but its power between two
  evaluations repeats every 10.80 s; twelve of those and an evaluation take the measured 142.4 s.
  A site's default follows the log; the run compared here repeats as the power does.
* **Autocorrelation of a node.** A node repeats from step to step, as it keeps its stage: measured,
  it is as much like itself two steps later as one step later, less and less after that, and not at
  all after ten. The twin's nodes keep how they dip for six steps, and what they fall short of the
  plateau in each seventh of a step for four.
* **Ramps.** The run's halves differ by 10 to 15 % in ramps and in the lines' amplitudes, so limits
  of 10 % around both leave a few percent between them. How long all wait for the slowest differs
  from step to step, which the twin draws for all nodes together; without it lines and usual ramps
  are too strong where the strongest are right. A measured node goes down in two stages, to 6.6 kW
  for a second and then to the bottom, and comes up at once; the twin's dips are symmetric.
* **Other seeds.** The table is of seed 0. With seeds 1 to 4 three, three, six and two of the 46
  rows miss their limit in one of the halves, by 0.3 to 7.6 points: all but one of them amplitudes
  of lines and ramps of the 64 nodes, in which the halves themselves differ most.
* **AC.** A node's AC and DC were read in the same moment, as the times in the published files tell.
  Folded over the steps of the first half, AC is DC of the last second with a weight of 0.74, of the
  one before with 0.17 and of all earlier with 0.09 (second half: 0.73, 0.18 and 0.09), and it falls
  as far in every dip: where it is below 6.2 kW, its median is 5.82 kW at a DC of 2 to 4 kW, 5.71 kW
  at 4 to 5 and 5.78 kW at 5 to 6. So nodes differ more in time than in depth, as the twin's meters
  show it. 2.5 % of the readings, AC and DC, repeat the one before, as every two minutes one or two
  are not new; the twin's are always new.
* **Lowest samples.** 0.1 % of the samples are below 3.03 kW in the measurement and below 2.95 kW in
  the twin, whose deep dips reach the power of waiting GPUs.
* **Pairs of nodes.** 30 of the 64 measured files are copies of others, so the run has 34 distinct
  nodes. The correlations above are over all 64, as published; over the 34 that of DC is 0.28.
* **Idle node.** An idle node of the AC measurement draws 2.2 to 2.8 kW DC because its host is busy
  between two phases of a run; the twin's idle node has no such load.
* **Training power in other runs.** 8 GPUs that train an 8B model draw 4.4 kW before a checkpoint;
  those of the GPT-3 run, and therefore the twin's, about 4.7 kW. The floor, where all ranks wait,
  is the same.
* **Fine-tuning over many nodes.** A node of a fine-tuning job draws what one alone draws, however
  many there are. Published runs of 8 and 64 nodes draw less, as more of a step is communication;
  none was compared, so the workload is validated for single nodes only.
* **Jobs' sizes.** Seren's mean of 5.7 GPUs a job does not fit its own distributions of length,
  size and GPU time unless large jobs are shorter than small ones of their kind; the mix takes size
  and length of a kind to be independent.
* **Ends of Kalos's jobs.** More of its long jobs complete than of Seren's, so 10 points of its GPU
  time are foretold as cancelled that completed.
* **Waiting.** Published is a mean, 446 s on Seren and 214 s on Kalos, beside medians of 1 s and
  17 s. The distributions by kind, integrated, give 219 s for Kalos; for Seren they give 183 s up to
  9.1 h, their last point, and beyond it are 0.4 % of all jobs, nearly all of the kind *other*,
  which wait 19 h in the mean and make up more than half of the 446 s. What holds these is not
  published, and the twin has none of it. Evaluations wait though they are the smallest jobs, as
  most GPUs are reserved for pre-training: in the twin they have a limit, and pre-training has a
  quota in which its teams follow one another. Shares of evaluations and of pre-training that wait
  are met, on Kalos too. Means are no prediction: the load of a run differs by tens of points, as
  single jobs hold a thousand GPUs for days, and one or two runs in which the cluster is full make
  up most of a mean; half as many runs gave a fifth of Seren's.
* **Kalos's lengths.** Its trace counts `duration` from the submission, as both rows of its
  description show, and with it GPU time: the mean length is the published one less the mean wait.
  Its evaluations last a quarter as long as Seren's, whose lengths the prediction has. Its days are
  the 91.2 from its first to its last submission.
* **Temperatures.** The only public distribution is of air-cooled A100s in a cluster of many small
  jobs that is half idle: 25 to 40 °C up to the median, 62 °C at the 95 % quantile. The twin's GPUs
  have coolant at 32 °C and all train at about 590 W, so their distribution is narrow. The offset
  between memory and die is comparable: 11 K between the medians of the fleet, about 9 K in the
  twin. The twin's thermal resistance remains an estimate.

## Sources

* *MLPerf DC*, *MLPerf AC*: MLCommons `training_results_v4.0`, Sustainable Metal Cloud, whose
  servers have no fans and sit in immersion tanks: GPT-3 on 64 nodes of 8 H100 and
  llama2-70b-lora, BERT, DLRM-DCNv2 and 3D U-Net on one; Apache-2.0.
* *Acme*: InternLM/AcmeTrace, cluster Kalos, quantiles of August 2023; CC-BY-4.0.
  Jobs: the figures of the same repository, read from their vector graphics, and its summary.
* *nvidia-smi*: published outputs of H100 hosts.
* *100 ms trace*: levels read from a published trace that has no licence and is not shipped here.

The files and their attribution are in `twin/plant/traces/`.
"""


def pages() -> Mapping[str, str]:
    """Return ``calibration.md`` and its plots.

    They take a minute, so they are kept for as long as what they are made of does not change.
    """
    kept, key = Cache(user_folder("docs"), _LIMIT), code_key(MADE_OF)
    before = kept.read(key)
    if before is not None:
        return {str(path): str(text) for path, text in json.loads(before).items()}
    made = _made()
    kept.write(key, json.dumps(made).encode())
    return made


def _made() -> dict[str, str]:
    return {
        "calibration.md": "".join(
            (
                _INTRODUCTION,
                _compared(comparisons()),
                _halves(),
                instrument_tables(),
                _workloads(),
                _DAY.format(**RUNS),
                day_table(),
                _RACKS,
                _compared(rack_comparisons()),
                _SMOOTHING,
                smoothing_table(),
                _SMOOTHED,
                _LAWS,
                law_table(),
                _TEXT,
            )
        ),
        f"{_FOLDER}/calibration-nodes.svg": _nodes(),
        f"{_FOLDER}/calibration-array.svg": _array(),
        f"{_FOLDER}/calibration-spectrum.svg": _spectrum(),
        f"{_FOLDER}/calibration-temperature.svg": _temperature(),
    }


def _compared(found: Iterable[Comparison]) -> str:
    rows = [
        (row.quantity, _value(row, row.measured), _value(row, row.twin), _percent(row.difference),
         "none" if row.tolerance is None else f"± {100 * row.tolerance:.2g} %", row.basis,
         _use(row))
        for row in found
    ]  # fmt: skip
    header = ("Quantity", "Measured", "Twin", "Difference", "Tolerance", "Measured in", "Use")
    return table(header, rows)


def _halves() -> str:
    header = ("Side", "Quantity", "Calibrated on: first half", "Validated on: second half", "Twin",
              "Differences", "Limit", "Held")  # fmt: skip
    return _HALVES + table(header, [_half(row) for row in half_comparisons()])


def _half(row: HalfComparison) -> tuple[str, ...]:
    unit = row.statistic.unit
    return (
        row.side, row.statistic.quantity,
        *(f"{value:,.4g} {unit}".strip() for value in (row.calibrated, row.validated, row.twin)),
        " / ".join(_percent(part) for part in row.differences),
        f"± {100 * row.statistic.limit:.2g} %", "yes" if row.holds else "**no**",
    )  # fmt: skip


def _workloads() -> str:
    header = ("Workload", "Measured run", "GPU", "Side", "Measured", "Twin", "Differences", "Use")
    return _WORKLOADS + table(header, [_run(row) for row in run_comparisons()])


def _run(row: RunComparison) -> tuple[str, ...]:
    run = row.run
    measured = (run.least_watts, run.median_watts, run.most_watts)
    return (
        f"`{row.workload}`", run.run, run.gpu, run.side.upper(),
        " / ".join(f"{watts:,.0f}" for watts in measured),
        " / ".join(f"{watts:,.0f}" for watts in row.watts),
        " / ".join(_percent(part) for part in row.differences), run.use,
    )  # fmt: skip


def _use(row: Comparison) -> str:
    if row.validated:
        return "validated"
    return "compared" if row.tolerance is None else "calibrated"


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
