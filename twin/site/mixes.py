"""Mixes of jobs by name: the shipped ones, which a site's `job_mix` may name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from twin.errors import ConfigError
from twin.yamls import load

__all__ = ["mix_names", "mix_of", "mix_title"]

_MIXES = resources.files("twin.site") / "mixes"


@cache
def mix_names() -> tuple[str, ...]:
    """Return the names of the shipped mixes."""
    found = (Path(entry.name) for entry in _MIXES.iterdir())
    return tuple(sorted(path.stem for path in found if path.suffix == ".yaml"))


def mix_title(name: str) -> tuple[str, str]:
    """Return what a shipped mix is, and where its figures come from."""
    values = _file(name)
    return str(values["title"]), str(values["source"])


def mix_of(name: str, where: str) -> list[dict[str, Any]]:
    """Return the kinds of jobs of a shipped mix, as a site's file has them.

    Args:
        name: of the mix.
        where: the site's file, for the error message.

    Raises:
        ConfigError: there is no such mix.
    """
    if name not in mix_names():
        raise ConfigError(
            f"{where}: job_mix: is {name!r}; name a shipped mix ({', '.join(mix_names())}) or list "
            "kinds of jobs"
        )
    values = _file(name)
    like = values.get("like")
    base = {kind["name"]: kind for kind in mix_of(like, where)} if like else {}
    defaults = values.get("defaults", {})
    return [{**base.get(kind["name"], {}), **defaults, **kind} for kind in values["kinds"]]


def _file(name: str) -> Mapping[str, Any]:
    text = (_MIXES / f"{name}.yaml").read_text(encoding="utf-8")
    values: Mapping[str, Any] = load(text, f"mix {name}")
    return values
