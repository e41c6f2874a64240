"""Plans of datasets: how many sites and days, what is written, and which part each is of."""

from __future__ import annotations

from dataclasses import dataclass

from twin.catalog import DEVICES
from twin.dataset.recipes import RECIPES, Recipe
from twin.errors import ConfigError, did_you_mean
from twin.history.past import DAY
from twin.site import Layout
from twin.site.loader import site_of

__all__ = ["DatasetPlan", "columns_of", "splits_of"]

_VALIDATION = 0.8
"""Of the days, or the sites, so many are for training and validation."""


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """What dataset is made.

    Attributes:
        recipe: name of the recipe.
        sites: how many sites there are, each with hardware and faults of its own.
        days: of each.
        step: seconds between two samples.
        seed: of all random numbers.
        day: seconds of a day; shorter ones are for trials.
    """

    recipe: str
    sites: int = 3
    days: int = 5
    step: int = 60
    seed: int = 0
    day: int = DAY

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            known = did_you_mean(self.recipe, RECIPES) or f"; they are {', '.join(RECIPES)}"
            raise ConfigError(f"recipe {self.recipe!r} does not exist{known}")
        if self.day % self.step:
            raise ConfigError(
                f"--step {self.step}s: a day must be a whole number of steps; write 30s or 1m"
            )

    @property
    def own(self) -> Recipe:
        """The recipe."""
        return RECIPES[self.recipe]

    @property
    def names(self) -> list[str]:
        """Names of the sites."""
        return [f"site-{number + 1}" for number in range(self.sites)]

    def layout(self, number: int) -> Layout:
        """Return a site by its number."""
        name = self.names[number]
        return Layout(site_of({"name": name, **self.own.site}, name))


def columns_of(recipe: Recipe) -> list[dict[str, str]]:
    """Return what each metric of a recipe is: class, signal, name, type, unit, help."""
    return [
        {
            "class": device.name, "metric": signal.metric,
            "signal": signal.name, "kind": signal.kind.value,
            "unit": signal.unit.word, "help": signal.help,
        }
        for device in DEVICES
        for name in recipe.signals.get(device.name, ())
        for signal in (device[name],)
    ]  # fmt: skip


def splits_of(plan: DatasetPlan) -> list[dict[str, object]]:
    """Return for each day of each site which part it is of, by time and by site.

    Every fault begins and ends within a day, and no device is on two sites, so nothing that is
    trained on is seen again in validation or test.
    """
    return [
        {
            "site": name, "day": f"{day + 1:03d}",
            "by_time": _part(day, plan.days), "by_site": _part(number, plan.sites),
        }
        for number, name in enumerate(plan.names)
        for day in range(plan.days)
    ]  # fmt: skip


def _part(number: int, count: int) -> str:
    """Return the part of one of so many: the last is always for the test."""
    if number == count - 1 and count > 1:
        return "test"
    if number >= max(1, round(_VALIDATION * count) - 1) and count > 2:  # noqa: PLR2004 - three parts
        return "validation"
    return "train"
