"""A campus: sites that stand together, with racks of a build of its own each, and who says what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.parameters.section import Section

__all__ = ["Campus", "CampusBlock", "CampusFigure"]


class CampusFigure(Section):
    """A number that public sources give of a block."""

    what: str
    """What it counts."""
    value: str
    """The number, with its unit."""
    date: Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
    """Month in which it was true, or was said."""
    basis: Literal["claimed", "reported", "filed", "seen"]
    """Whether the owner claimed it, the press reported it, an authority or a court has it, or
    satellites saw it."""
    confidence: Literal["high", "medium", "low"]
    """How far to trust it."""
    source: str
    """Who says so."""


class CampusBlock(Section):
    """A site of the campus."""

    name: str
    """What people call it."""
    site: str
    """The preset that models it."""
    figures: tuple[CampusFigure, ...] = ()
    """What public sources say of it."""


class Campus(Section):
    """Sites that stand together."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Name."""
    title: str
    """One line for people."""
    description: str = ""
    """What it is, and what of it is modelled."""
    blocks: Annotated[tuple[CampusBlock, ...], Field(min_length=1)]
    """Its sites."""
