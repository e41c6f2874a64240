"""Data card of a dataset: how it was made, what it holds, and what it does not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twin import __version__
from twin.dataset.plan import DatasetPlan, splits_of
from twin.faults import FAULTS

__all__ = ["card_of"]

_LIMITS = (
    (
        "Everything is simulated. The sites, their names and their failures are invented; the "
        "physics is compared with measured runs in docs/calibration.md of the twin."
    ),
    (
        "Faults are far more frequent than on a real site, and each strikes alone: rates of "
        "faults, and what follows from several at once, cannot be learned from it."
    ),
    "A fault begins and ends at once, unless its own model says otherwise, and leaves no damage.",
    "All sites have the same model of GPU and the same size; only hardware and events differ.",
    "Each site runs one synchronous training job, so a fault of one rack is seen in all others.",
    (
        "Alerts are those proven for the fault's default parameters; `certain` is false for a "
        "milder case, which may stay below their limits."
    ),
)


def card_of(
    plan: DatasetPlan, counts: Mapping[str, int], columns: Sequence[Mapping[str, str]]
) -> str:
    """Return the card, in Markdown.

    Args:
        plan: of the dataset.
        counts: events by kind of fault.
        columns: what each metric is.
    """
    recipe = plan.own
    parts = [
        f"# {recipe.title}",
        recipe.about,
        "## How it was made",
        (f"By datacenter-twin {__version__}: `twin dataset {plan.recipe} --sites {plan.sites} "
        f"--days {plan.days} --step {plan.step}s --seed {plan.seed}`. The same command gives the "
        "same values. Times are UTC, and those of a made-up January 2026."),
        "## What it holds",
        _files(plan),
        _table(("Fault", "Events", "What it is"),
               [(kind, str(count), FAULTS[kind].title) for kind, count in sorted(counts.items())]),
        "## Columns of the signals",
        "A row has the labels of a device, `time`, and these; what was not reported is null.",
        _table(("Class", "Signal", "Metric", "Type", "Unit", "Help"),
               [(own["class"], own["signal"], f"`{own['metric']}`", own["kind"], own["unit"],
                 own["help"]) for own in columns]),
        "## Known limits",
        "\n".join(f"- {limit}" for limit in (*_LIMITS, *recipe.limits)),
        "## Licence",
        ("CC0-1.0: the data are the output of a program, and their maker claims no rights in them. "
        "The program is under Apache-2.0."),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _files(plan: DatasetPlan) -> str:
    splits = splits_of(plan)
    shares = {
        by: ", ".join(
            f"{sum(own[by] == part for own in splits)} {part}"
            for part in ("train", "validation", "test")
        )
        for by in ("by_time", "by_site")
    }
    return "\n".join((
        "- `signals/site=…/day=…/class=…/*.parquet`: a row is a device at a time.",
        ("- `events.parquet`: what was wrong where, since and until when, how badly (`degree` from "
        "0 to 1, `severity`), and which `alerts` should say so."),
        (f"- `splits.parquet`: days by time ({shares['by_time']}) and by site "
        f"({shares['by_site']}). No event lasts beyond its day, and no device is on two sites."),
        "- `dataset.json`: the options, and the columns with type and unit.",
    ))  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
