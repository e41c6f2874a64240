"""Labelled datasets: signals of sites on which faults are injected, and what was wrong when."""

from twin.dataset.making import make_dataset
from twin.dataset.plan import DatasetPlan
from twin.dataset.recipes import RECIPES, Recipe

__all__ = ["RECIPES", "DatasetPlan", "Recipe", "make_dataset"]
