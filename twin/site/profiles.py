"""Workload profiles: the shipped ones by name, and those that a site brings along."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from twin.errors import ConfigError, validation_message
from twin.parameters import WorkloadParameters
from twin.parameters.site import Site
from twin.yamls import load

__all__ = ["BUILT_IN", "profile_names", "profile_of", "shipped_profiles"]

BUILT_IN = ("training", "idle")
"""Workloads that need no profile."""
_PROFILES = resources.files("twin.site") / "workloads"


@cache
def profile_names() -> tuple[str, ...]:
    """Return the names of the shipped workload profiles."""
    found = (Path(entry.name) for entry in _PROFILES.iterdir())
    return tuple(sorted(path.stem for path in found if path.suffix == ".yaml"))


def profile_of(site: Site, name: str) -> WorkloadParameters | None:
    """Return the profile that a job of a site means by ``name``; None where there is none."""
    own = next((profile for profile in site.workloads if profile.name == name), None)
    if own is not None or name in BUILT_IN or name not in profile_names():
        return own
    return _shipped(name)


def shipped_profiles() -> tuple[WorkloadParameters, ...]:
    """Return the shipped workload profiles in order of their names."""
    return tuple(_shipped(name) for name in profile_names())


@cache
def _shipped(name: str) -> WorkloadParameters:
    where = f"workload {name}"
    text = (_PROFILES / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return WorkloadParameters.model_validate({"name": name, **load(text, where)})
    except ValidationError as error:
        raise ConfigError(validation_message(error, where)) from error
