"""Partitions of a site's GPUs: which array has which instances, and the words that set it.

A setting is ``off``, the profiles of the instances of each GPU as in ``3g.40gb+2g.20gb+2g.20gb``,
or ``all-1g.10gb`` for as many as have a place; ``a001=all-1g.10gb`` sets it for one array.
"""

from __future__ import annotations

from twin.catalog import GpuInstance, partition
from twin.errors import ConfigError
from twin.parameters import GpuModel, Site
from twin.site.detail import chosen_arrays, split_settings

__all__ = ["partitions_of"]

_OFF, _ALL = "off", "all-"
_MOST = 8
"""Instances of a GPU at most, and one more."""

_Instances = tuple[GpuInstance, ...]


def partitions_of(site: Site) -> tuple[_Instances, ...]:
    """Return the instances of each GPU of every array, none where they are not partitioned.

    Raises:
        ConfigError: a setting names no array or no profile of its GPUs, or the instances have no
            place beside each other.
    """
    chosen: list[_Instances] = [()] * site.arrays
    for setting in split_settings([site.telemetry.mig]):
        arrays, _, words = setting.rpartition("=")
        try:
            numbers = chosen_arrays(arrays, site.arrays, site.numbers.arrays)
        except ValueError as error:
            raise ConfigError(f"mig {setting!r}: {error}") from error
        if words == _OFF:
            chosen[numbers.start : numbers.stop] = [()] * len(numbers)
            continue
        for array in numbers:
            chosen[array] = _cut(site, array, setting, words)
    return tuple(chosen)


def _cut(site: Site, array: int, setting: str, words: str) -> _Instances:
    first = array * site.racks_per_array
    racks = range(first, min(first + site.racks_per_array, site.racks))
    models = {model.key: model for model in (site.gpu_model(rack) for rack in racks)}
    cuts = [_instances(model, setting, words) for model in models.values()]
    return cuts[0]


def _instances(model: GpuModel, setting: str, words: str) -> _Instances:
    profiles = model.mig_profiles
    where = f"mig {setting!r}"
    if not profiles:
        raise ConfigError(f"{where}: the {model.name} cannot be partitioned; write off there")
    wanted = words.removeprefix(_ALL).split("+")
    for profile in wanted:
        if profile not in profiles:
            raise ConfigError(
                f"{where}: the {model.name} has no profile {profile!r}; write some of "
                f"{', '.join(profiles)} with + between them, or all-{profiles[0]}"
            )
    if words.startswith(_ALL):
        wanted = max(
            (wanted * count for count in range(1, _MOST) if partition(wanted * count, profiles)),
            key=len,
        )
    found = partition(wanted, profiles) if len(wanted) < _MOST else None
    if found is None:
        raise ConfigError(
            f"{where}: these instances have no place beside each other on one {model.name}; a GPU "
            "has eight slices of memory and seven of compute"
        )
    return found
