"""Several sites in one process: the ports, the folders and the detail that each of them has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.site import DetailPlan, Layout
    from twin.stack.local import LocalConfig

__all__ = ["beside_each_other", "plans_of", "ports_from"]

_LAST_PORT = 65_535


def plans_of(layouts: Sequence[Layout], settings: Iterable[str]) -> list[DetailPlan]:
    """Return the detail of each site; what is set of some arrays is the site's that has them.

    Raises:
        ConfigError: a setting is of no level, or of arrays that no site has.
    """
    from twin.site import DetailPlan
    from twin.site.detail import split_settings

    plans = [DetailPlan.of_site(layout.site) for layout in layouts]
    for setting in split_settings(settings):
        refusals: list[ConfigError] = []
        for place, plan in enumerate(plans):
            try:
                plans[place] = plan.changed([setting])
            except ConfigError as error:
                refusals.append(error)
        if len(refusals) == len(plans):
            raise refusals[0]
    return plans


def ports_from(first: int | None, sites: int, option: str) -> list[int | None]:
    """Return a port for each of several sites, counted on from the first; 0 stays any free one.

    Raises:
        ConfigError: there are not so many ports.
    """
    if not first:
        return [first] * sites
    if first + sites - 1 > _LAST_PORT:
        raise ConfigError(
            f"{option} is {first}, and {sites} sites need as many ports from it on; "
            f"the last one is {_LAST_PORT}"
        )
    return [first + place for place in range(sites)]


def beside_each_other(
    config: LocalConfig, layouts: Sequence[Layout], plans: Sequence[DetailPlan]
) -> list[LocalConfig]:
    """Return the configuration of each site; of a single one it is the given one.

    Each has its page on a port of its own, its state in a folder of its own, and links to the
    others where their ports are known.

    Args:
        config: that of the first.
        layouts: the sites.
        plans: what is exposed of each.

    Raises:
        ConfigError: there are not so many ports.
    """
    if len(layouts) == 1:
        return [config]
    ports = [port or 0 for port in ports_from(config.port, len(layouts), "--port")]
    names = [layout.site.name for layout in layouts]
    pages = {name: f":{port}" for name, port in zip(names, ports, strict=True) if port}
    return [
        replace(
            config,
            layout=layout,
            detail=plan,
            port=port,
            state=None if config.state is None else config.state / layout.site.name,
            beside={name: at for name, at in pages.items() if name != layout.site.name},
        )
        for layout, plan, port in zip(layouts, plans, ports, strict=True)
    ]
