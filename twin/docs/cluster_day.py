"""A cluster's days: jobs, their ends, their waiting and idle GPUs beside those of Acme.

What follows from a mix alone is worked out. How long jobs wait takes days of a scheduler, some
minutes of CPU time, so it is a record beside this module::

    python -m twin.docs.cluster_day
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from twin.docs.markdown import table
from twin.parameters import JobMixParameters
from twin.plant.scheduler import BatchState, Lengths, Scheduler, ending_shares
from twin.plant.units import Floats
from twin.site import Layout, Site
from twin.site.loader import load_site, site_of

__all__ = ["RUNS", "DayComparison", "day_comparisons", "day_table", "of_days", "of_mix"]

_RECORD = Path(__file__).with_name("cluster_days.json")
_STEP_SECONDS = 16.0
"""The points at which published waits are compared are multiples of it."""
_SHORT, _LONG = 32, 1024
"""Waits in s whose shares are compared."""
_LONGEST = 32_768.0
"""Last point of the published distributions of waits, in s: means of kinds are up to there."""
_SEEDS = 12
"""Runs whose jobs are taken together: the load differs from one to the next as from day to day."""
_EVALUATION, _PRETRAINING, _TUNING = "evaluation", "pretraining", "fine-tuning"
_WAITING = {
    _EVALUATION: ("Evaluations that wait", "Wait of evaluations, mean"),
    _PRETRAINING: ("Pre-training that waits", "Wait of pre-training, mean"),
    _TUNING: ("Fine-tuning that waits", "Wait of fine-tuning, mean"),
}
"""Kinds whose waits are compared."""
_LARGE = 256
_LARGE_TIME = f"GPU time of jobs of {_LARGE} GPUs or more"
_WHOLE = 1000.0
"""From here on a figure is shown without decimals."""
_KALOS_RACKS = 38
_DRAWN = 2000
"""Lengths of each kind by which means over all jobs are taken, as many quantiles."""


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A published cluster and how many days of it the twin runs.

    Attributes:
        name: of the cluster.
        days: simulated in each run.
        measured: its figures by their names.
        fitted: names of those that the mix was fitted to.
        given: names of those that are put in.
    """

    name: str
    days: int
    measured: Mapping[str, float]
    fitted: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()


_HELD, _RESTING, _ALL_WAIT = "GPUs held by jobs, mean", "GPUs at rest (DCGM)", "Wait, mean"
_MOST_WAIT = "Wait, mean of those of up to 9.1 h"
_OF_MIX = {
    "Jobs with GPUs a day": "", "Length, median": "s", "Length, mean": "s",
    "GPUs of a job, mean": "", "Jobs of one GPU": "%",
    **dict.fromkeys(
        (
            "GPU time of evaluation", "GPU time of pre-training", _LARGE_TIME,
            "Jobs completed", "Jobs cancelled", "Jobs failed",
            "GPU time completed", "GPU time cancelled", "GPU time failed",
        ),
        "%",
    ),
}  # fmt: skip


def _waits(kind: str) -> tuple[str, str, str]:
    """Return the names of the figures of a kind's waits: two shares and a mean."""
    shares, mean = _WAITING[kind]
    return f"{shares} {_SHORT} s at most", f"{shares} {_LONG:,} s at most", mean


_UNITS = {
    **_OF_MIX,
    **{
        name: unit for kind in _WAITING
        for name, unit in zip(_waits(kind), ("%", "%", "s"), strict=True)
    },
    _MOST_WAIT: "s", _ALL_WAIT: "s", _HELD: "%", _RESTING: "%",
}  # fmt: skip
_NAMES = tuple(_UNITS)
_SEREN = _Cluster(
    "Seren", 2,
    dict(zip(_NAMES[:5], (3608, 122, 1414.3, 5.68, 54.04), strict=True))
    | dict(zip(_NAMES[5:14], (6.24, 69.49, 56.38, 49.7, 7.5, 42.9, 21.2, 66.4, 12.4), strict=True))
    | dict(zip(_waits(_EVALUATION), (75.6, 96.2, 211), strict=True))
    | dict(zip(_waits(_PRETRAINING), (91.7, 99.1, 63), strict=True))
    | dict(zip(_waits(_TUNING), (82.7, 97.9, 132), strict=True))
    | {_MOST_WAIT: 183, _ALL_WAIT: 446, _HELD: 59.1, _RESTING: 31.5},
    fitted=frozenset({*_NAMES[1:3], *_NAMES[4:16]}),
    given=frozenset({_HELD}),
)  # fmt: skip
_KALOS = _Cluster(
    "Kalos", 6,
    {"Jobs with GPUs a day": 218, "Length, mean": 1045.5, "GPUs of a job, mean": 26.77,
     "Jobs of one GPU": 86.28}
    | dict(zip(_NAMES[5:14], (0.42, 95.48, 96.25, 54.1, 6.2, 39.7, 31.3, 60.7, 8.0), strict=True))
    | dict(zip(_waits(_EVALUATION), (65.4, 94.8, 227), strict=True))
    | dict(zip(_waits(_PRETRAINING), (78.9, 98.3, 106), strict=True))
    | {_ALL_WAIT: 214, _HELD: 28.0},
    given=frozenset({"Jobs of one GPU", _HELD}),
)  # fmt: skip
"""Kalos's trace is of 91.2 days, and its lengths and GPU time run from the submission: its mean
length is 1,259.7 s less the mean wait of 214.2 s; a median cannot be had from what is published."""

RUNS = {"runs": _SEEDS, "seren": _SEREN.days, "kalos": _KALOS.days}
"""Runs of the scheduler, and the days of each."""


@dataclass(frozen=True, slots=True)
class DayComparison:
    """A figure of a cluster, measured and the twin's.

    Attributes:
        quantity: what it is.
        unit: of both.
        cluster: Seren or Kalos.
        measured: published.
        twin: the same of the twin.
        use: calibrated, validated, or put in.
    """

    quantity: str
    unit: str
    cluster: str
    measured: float
    twin: float
    use: str

    @property
    def difference(self) -> float:
        """Difference in points for shares, else over the measured value."""
        points = self.twin - self.measured
        return points if self.unit == "%" else 100.0 * points / self.measured


@cache
def day_comparisons() -> tuple[DayComparison, ...]:
    """Return all figures of both clusters."""
    rows = []
    recorded = json.loads(_RECORD.read_text(encoding="utf-8"))
    for cluster, site in _clusters():
        twin = {**of_mix(site), **recorded[cluster.name]}
        for name, measured in cluster.measured.items():
            fitted, given = name in cluster.fitted, name in cluster.given
            use = "calibrated" if fitted else "put in" if given else "validated"
            rows.append(DayComparison(name, _UNITS[name], cluster.name, measured, twin[name], use))
    return tuple(rows)


def day_table() -> str:
    """Return the table of both clusters, a row for each figure."""
    found = {(row.cluster, row.quantity): row for row in day_comparisons()}
    header = ("Quantity", "Seren", "Twin", "Difference", "Use",
              "Kalos", "Twin", "Difference", "Use")  # fmt: skip
    rows = [
        (name, *_cells(found.get(("Seren", name))), *_cells(found.get(("Kalos", name))))
        for name in _NAMES
    ]
    return table(header, rows)


def _cells(row: DayComparison | None) -> tuple[str, str, str, str]:
    if row is None:
        return "", "", "", ""
    points = "points" if row.unit == "%" else "%"
    return (
        _value(row.measured, row.unit), _value(row.twin, row.unit),
        f"{round(row.difference, 1) + 0.0:+.1f} {points}", row.use,
    )  # fmt: skip


def _value(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:,.1f} %"
    return f"{value:,.0f} {unit}".strip() if value >= _WHOLE else f"{value:,.4g} {unit}".strip()


def _clusters() -> tuple[tuple[_Cluster, Site], ...]:
    return (_SEREN, load_site("cluster-acme")), (_KALOS, _kalos())


def _kalos() -> Site:
    """Return a site of the size of Kalos, to which users submit as much GPU time."""
    return site_of(
        {
            "name": "kalos",
            "racks": _KALOS_RACKS,
            "scheduler": {"kind": "slurm", "load_ratio": 0.28, "queue_jobs": 4096,
                          "start_seconds": 20},
            "job_mix": "acme-kalos",
        },
        "Kalos",
    )  # fmt: skip


def of_mix(site: Site) -> dict[str, float]:
    """Return what follows from a mix without a scheduler: means over all of its jobs."""
    parts = [_kind(kind) for kind in site.mix]
    weights = np.concatenate([jobs for jobs, *_ in parts])
    weights = weights / weights.sum()
    seconds = np.concatenate([own for _, own, *_ in parts])
    gpus, large, single, failing, cancelled = (
        np.concatenate([part[index] for part in parts]) for index in range(2, 7)
    )
    time = weights * seconds * gpus
    time, whole = time / time.sum(), float((weights * seconds * gpus).sum())
    names = np.repeat([kind.name for kind in site.mix], [len(own) for _, own, *_ in parts])
    order = np.argsort(seconds)
    middle = int(np.searchsorted(np.cumsum(weights[order]), 0.5))
    done = 1.0 - failing - cancelled
    values = (
        site.gpus * site.scheduler.load_ratio * 86_400.0 / whole,
        seconds[order][middle], (weights * seconds).sum(), (weights * gpus).sum(),
        100 * (weights * single).sum(),
        100 * time[names == _EVALUATION].sum(), 100 * time[names == _PRETRAINING].sum(),
        100 * (time * large).sum(),
        *(100 * (weights * share).sum() for share in (done, cancelled, failing)),
        *(100 * (time * share).sum() for share in (done, cancelled, failing)),
    )  # fmt: skip
    return {name: float(value) for name, value in zip(_OF_MIX, values, strict=True)}


def _kind(kind: JobMixParameters) -> tuple[Floats, ...]:
    """Return of each length: jobs, the length, mean GPUs, and shares of what is asked of them.

    The shares are those of GPU time in large jobs, of jobs of one GPU, of failed and of
    cancelled ones.
    """
    lengths = Lengths(kind.lengths)
    seconds = np.array([lengths.at((place + 0.5) / _DRAWN) for place in range(_DRAWN)])
    sizes, shares = np.array(kind.gpus), np.array(kind.shares_of(kind.gpus))
    mean = float(sizes @ shares)
    large = float((sizes * shares)[sizes >= _LARGE].sum()) / mean
    single = float(shares[sizes == 1].sum())
    ends = np.array([ending_shares(kind, length) for length in seconds])
    return (
        np.full(_DRAWN, kind.share / _DRAWN), seconds, np.full(_DRAWN, mean),
        np.full(_DRAWN, large), np.full(_DRAWN, single), ends[:, 0], ends[:, 1],
    )  # fmt: skip


def of_days(site: Site, days: float, seeds: int) -> dict[str, float]:
    """Return what a scheduler makes of it: how long jobs wait, and how many GPUs they hold."""
    waits: dict[str, list[float]] = {kind.name: [] for kind in site.mix}
    busy = 100.0 * float(np.mean([_run(site, days, seed, waits) for seed in range(seeds)]))
    every = np.concatenate([np.array(own) for own in waits.values()])
    values = {
        _MOST_WAIT: float(every[every <= _LONGEST].mean()), _ALL_WAIT: float(every.mean()),
        _HELD: busy, _RESTING: 100.0 - busy,
    }  # fmt: skip
    for kind in _WAITING:
        own = np.array(waits.get(kind, []))
        if (own <= _LONGEST).any():
            shares = [100.0 * float((own <= most).mean()) for most in (_SHORT, _LONG)]
            mean = float(own[own <= _LONGEST].mean())
            values |= dict(zip(_waits(kind), (*shares, mean), strict=True))
    return {name: round(values[name], 1) for name in _NAMES if name in values}


def _run(site: Site, days: float, seed: int, waits: dict[str, list[float]]) -> float:
    """Add how long jobs wait on some days, and return the mean share of GPUs that they hold."""
    scheduler = Scheduler(Layout(site), np.random.default_rng(seed))
    table, kinds = scheduler.table, [kind.name for kind in site.mix]
    starting: set[int] = set()
    held = 0.0
    steps = int(days * 86_400.0 / _STEP_SECONDS)
    for _ in range(steps):
        scheduler.step(_STEP_SECONDS)
        held += float((scheduler.owner >= 0).mean())
        now = {
            int(row) for row in np.nonzero(table.start == scheduler.time)[0]
            if table.state[row] != BatchState.FREE
        }  # fmt: skip
        for row in now - starting:
            if not table.restarts[row]:
                name = kinds[int(table.kind[row])]
                waits[name].append(float(table.start[row] - table.submit[row]))
        starting = now
    return held / steps


def main() -> None:
    """Run the days of both clusters and write the record."""
    recorded = {own.name: of_days(site, own.days, _SEEDS) for own, site in _clusters()}
    _RECORD.write_text(json.dumps(recorded, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
