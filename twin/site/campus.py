"""Campuses: sites that stand together, shipped ones by name, a user's own by path."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from twin.errors import ConfigError, validation_message
from twin.parameters.campus import Campus
from twin.yamls import load, read_text

__all__ = ["campus_names", "campus_of", "check_no_campus", "is_campus", "is_path", "refused"]

_CAMPUSES = resources.files("twin.site") / "campuses"


def campus_names() -> tuple[str, ...]:
    """Return the names of the shipped campuses."""
    names = (Path(entry.name) for entry in _CAMPUSES.iterdir())
    return tuple(sorted(name.stem for name in names if name.suffix == ".yaml"))


def is_path(name: str) -> bool:
    """Whether a name is that of a file."""
    return "/" in name or name.endswith((".yaml", ".yml"))


def is_campus(values: Any) -> bool:
    """Whether a file has the sites of a campus, and not the racks of a site."""
    blocks = values.get("blocks") if isinstance(values, Mapping) else None
    sites = isinstance(blocks, list) and [isinstance(b, Mapping) and "site" in b for b in blocks]
    return bool(sites) and any(sites or ())


def campus_of(name: str) -> Campus | None:
    """Return the campus of that name or in that file, None where it is none.

    The sites of a file are presets, or files beside it.

    Raises:
        ConfigError: the file is not there, or does not describe a campus.
    """
    if name in campus_names():
        where = f"campus {name}"
        return _campus(load((_CAMPUSES / f"{name}.yaml").read_text(encoding="utf-8"), where), where)
    if not name.endswith((".yaml", ".yml")):
        return None
    values = load(read_text(Path(name)), name)
    if not is_campus(values):
        return None
    found = _campus(values, name)
    beside = [
        block.model_copy(update={"site": str(Path(name).parent / block.site)})
        if is_path(block.site)
        else block
        for block in found.blocks
    ]
    return found.model_copy(update={"blocks": tuple(beside)})


def _campus(values: Any, where: str) -> Campus:
    try:
        return Campus.model_validate(values)
    except ValidationError as error:
        raise ConfigError(validation_message(error, where)) from error


def check_no_campus(name: str) -> None:
    """Refuse the name of a campus where a site is wanted.

    Raises:
        ConfigError: it is one; the message names its sites.
    """
    if name in campus_names():
        campus = campus_of(name)
        assert campus is not None  # noqa: S101 - it is one of the shipped ones
        raise refused(name, [block.site for block in campus.blocks])


def refused(name: str, sites: list[str]) -> ConfigError:
    """Return the error of one who names a campus where a site is wanted."""
    each = " or ".join(f"{name}/{Path(site).stem}" for site in sites)
    return ConfigError(
        f"{name!r} is a campus of several sites; choose one of them, {each}, see them with "
        f"`twin sites show {name}`, or run all with `twin up --site {name}`"
    )
