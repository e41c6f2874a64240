"""Sites from whatever a caller has: a name, a path, a mapping, or a site with other values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from twin.errors import ConfigError, did_you_mean
from twin.parameters.site import Site
from twin.site import load_site as site_by_name
from twin.site.loader import site_of

__all__ = ["load_site", "site_with"]

_COUNT = "count"


def load_site(source: str | os.PathLike[str] | Mapping[str, Any] | Site) -> Site:
    """Return a site.

    Args:
        source: name of a shipped site, path of a YAML file, the keys and values of one, or a site.

    Raises:
        ConfigError: there is no such site, or what is given does not describe one.
    """
    if isinstance(source, Site):
        return source
    if isinstance(source, Mapping):
        return site_of(source, "site")
    if isinstance(source, str):
        return site_by_name(source)
    if isinstance(source, os.PathLike):
        path = os.fspath(source)
        return site_by_name(path if "/" in path else f"./{path}")
    raise ConfigError(
        f"site: is {source!r}; give the name of a shipped site, a path, or a mapping of keys to "
        "values"
    )


def site_with(site: Site, values: Mapping[str, Any]) -> Site:
    """Return a site with other values; what it does not give is sized anew.

    Args:
        site: the site.
        values: by key, ``cooling.supply_celsius``; a section that counts something may stand for
            its count, ``megapacks``.

    Raises:
        ConfigError: there is no such key, or a value is not allowed.
    """
    given = site.model_dump(exclude_unset=True)
    for key, value in values.items():
        _put(given, site, key, value)
    return site_of(given, f"site {site.name}")


def _put(given: dict[str, Any], site: Site, key: str, value: Any) -> None:
    """Put one value where its key says."""
    *path, last = key.split(".")
    section: Any = site
    for name in (*path, last):
        fields = getattr(type(section), "model_fields", None)
        if fields is None or name not in fields:
            known = did_you_mean(name, fields or ())
            raise ConfigError(f"site {site.name}: {key}: there is no such key{known}")
        section = getattr(section, name)
    if _COUNT in getattr(type(section), "model_fields", {}) and not isinstance(value, Mapping):
        path, last = [*path, last], _COUNT
    for name in path:
        given = given.setdefault(name, {})
    given[last] = value
