"""Numbers of the units of sites that stand together: each counts on from the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.parameters import Site
from twin.parameters.numbering import NumberingParameters

__all__ = ["numbered_on"]

_COUNTS: Mapping[str, Callable[[Site], int]] = {
    "halls": lambda site: site.halls,
    "arrays": UnitKind.ARRAY.units,
    "racks": UnitKind.RACK.units,
    "planes": UnitKind.PLANE.units,
    "service_racks": UnitKind.SERVICE.units,
    "megapacks": UnitKind.MEGAPACK.units,
    "gensets": UnitKind.GENSET.units,
}
"""What has numbers, and how many of it a site has."""


def numbered_on(sites: Iterable[Site], where: str) -> tuple[Site, ...]:
    """Return sites of which no two have a unit of the same name.

    What a site's file gives of its ``numbers`` it keeps.

    Args:
        sites: in their order.
        where: the campus, for error messages.

    Raises:
        ConfigError: two sites have one name, or numbers that are given were used before.
    """
    made: list[Site] = []
    free = dict.fromkeys(_COUNTS, 1)
    for site in sites:
        if any(other.name == site.name for other in made):
            raise ConfigError(
                f"{where}: two of its sites are called {site.name!r}; each has its own name"
            )
        given = site.numbers.model_dump(exclude_unset=True)
        own = site.model_copy(update={"numbers": NumberingParameters(**{**free, **given})})
        for key, count in _COUNTS.items():
            first: int = getattr(own.numbers, key)
            if first < free[key]:
                raise ConfigError(
                    f"{where}: site {site.name!r}: numbers.{key}: is {first}, but the sites before "
                    f"it have those below {free[key]}; leave numbers out, they follow"
                )
            free[key] = first + count(own)
        made.append(own)
    return tuple(made)
