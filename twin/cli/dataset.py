"""``twin dataset``: labelled data of sites on which faults are injected."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from twin.cli.options import seconds
from twin.errors import ConfigError

__all__ = ["dataset"]


def dataset(
    recipe: Annotated[
        str | None,
        typer.Argument(help="gpu-thermal, network-stragglers or power-quality; none lists them."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder that is made; by default named as the recipe.")
    ] = None,
    sites: Annotated[int, typer.Option(help="Sites, each of other hardware.", min=1, max=99)] = 3,
    days: Annotated[int, typer.Option(help="Days of each site.", min=1, max=366)] = 5,
    step: Annotated[str, typer.Option(help="Time between two samples, 1m.")] = "1m",
    processes: Annotated[
        int | None,
        typer.Option(help="That share the sites; by default one for each core.", min=1),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)] = 0,
) -> None:
    """Make a labelled dataset: signals in Parquet, events, splits and a data card.

    Faults strike at random, none meets the next, and events.parquet says what was wrong
    where, since and until when, how badly, and which alert should say so.

    \b
    Examples:
      twin dataset
      twin dataset gpu-thermal --to thermal --sites 3 --days 5
      twin dataset power-quality --step 30s --seed 7
    """  # noqa: D301 - click wants the backspace itself before lines to be kept
    from twin.dataset import RECIPES, DatasetPlan, make_dataset

    if recipe is None:
        for own in RECIPES.values():
            typer.echo(f"{own.name:20} {own.title}. {own.about}")
        return
    interval = seconds(step)
    if interval != int(interval):
        raise ConfigError(f"--step {step!r}: is no whole number of seconds; write 30s or 1m")
    plan = DatasetPlan(recipe, sites, days, int(interval), seed)
    folder, began = to or Path(recipe), time.monotonic()
    make_dataset(plan, folder, lambda name: typer.echo(f"{name} is done", err=True),
                 processes or os.cpu_count() or 1)  # fmt: skip
    typer.echo(f"{folder} in {time.monotonic() - began:,.0f} s; begin with its README.md", err=True)
