"""Base of all sections of a site."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field

from twin.described import Described

__all__ = [
    "Amount",
    "Distribution",
    "Fraction",
    "Percent",
    "Positive",
    "Section",
    "Trips",
    "is_distribution",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Distribution = Annotated[tuple[tuple[Positive, Percent], ...], Field(max_length=64)]
"""Points of a measured distribution: seconds, and which percent of all are no longer."""
Trips = tuple[tuple[Positive, Positive], ...]
"""Rows of a trip table: a level and the seconds beyond it after which a unit trips."""


class Section(Described):
    """A part of a site: read-only, and no key may be misspelt."""


def is_distribution(points: tuple[tuple[float, float], ...]) -> bool:
    """Whether points rise in seconds, do not fall in percent, and end with 100 %."""
    rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(points))
    return rising and points[-1][1] == 100.0  # noqa: PLR2004 - percent
