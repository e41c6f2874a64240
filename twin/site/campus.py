"""Shipped campuses: sites that stand together, each a preset of its own."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from twin.errors import ConfigError, validation_message
from twin.parameters.campus import Campus
from twin.yamls import load

__all__ = ["campus_names", "campus_of", "check_no_campus"]

_CAMPUSES = resources.files("twin.site") / "campuses"


def campus_names() -> tuple[str, ...]:
    """Return the names of the shipped campuses."""
    names = (Path(entry.name) for entry in _CAMPUSES.iterdir())
    return tuple(sorted(name.stem for name in names if name.suffix == ".yaml"))


def campus_of(name: str) -> Campus | None:
    """Return the shipped campus of that name, None where there is none.

    Raises:
        ConfigError: its file does not describe a campus.
    """
    if name not in campus_names():
        return None
    where = f"campus {name}"
    text = (_CAMPUSES / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return Campus.model_validate(load(text, where))
    except ValidationError as error:
        raise ConfigError(validation_message(error, where)) from error


def check_no_campus(name: str) -> None:
    """Refuse the name of a campus where a site is wanted.

    Raises:
        ConfigError: it is one; the message names its sites.
    """
    campus = campus_of(name)
    if campus is not None:
        sites = " and ".join(block.site for block in campus.blocks)
        raise ConfigError(
            f"{name!r} is a campus of several sites, whose racks differ in build; choose one of "
            f"them, {sites}, or see twin sites show {name}"
        )
