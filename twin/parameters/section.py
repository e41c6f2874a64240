"""Base of all sections of a site."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.described import Described

__all__ = ["Amount", "Fraction", "Positive", "Section", "Trips"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Trips = tuple[tuple[Positive, Positive], ...]
"""Rows of a trip table: a level and the seconds beyond it after which a unit trips."""


class Section(Described):
    """A part of a site: read-only, and no key may be misspelt."""
