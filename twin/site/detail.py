"""Detail of each array's exposition and of its hosts, and the words that set them.

A setting is ``rack`` for all arrays, ``a001=gpu`` for one, ``a010-a020=site`` for some in
a row; of several, a later one overrides an earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import ClassVar, Generic, Self, TypeVar, cast

from twin.catalog import Detail, HostLevel, UnitKind
from twin.errors import ConfigError
from twin.parameters import Site

__all__ = [
    "DetailPlan",
    "HostPlan",
    "LevelPlan",
    "array_index",
    "array_name",
    "chosen_arrays",
    "split_settings",
]


def array_name(array: int, number: int = 1) -> str:
    """Return the name of an array; ``number`` is that of the first one."""
    return UnitKind.ARRAY.pattern.format(array + number)


def array_index(name: str, arrays: int, number: int = 1) -> int | None:
    """Return the index of the array called ``name`` on a site of so many, or None."""
    match = re.fullmatch(r"a(\d{3,5})", name, re.ASCII)
    index = int(match[1]) - number if match else -1
    return index if 0 <= index < arrays and array_name(index, number) == name else None


def chosen_arrays(text: str, arrays: int, number: int = 1) -> range:
    """Return the arrays that ``a010`` or ``a010-a020`` names on a site of so many; all for none.

    Args:
        text: as a person writes it.
        arrays: of the site.
        number: of its first array.

    Raises:
        ValueError: there are no such arrays, or the first comes after the last.
    """
    if not text:
        return range(arrays)
    first, _, last = text.partition("-")
    found = [array_index(name, arrays, number) for name in (first, last or first)]
    if found[0] is None or found[1] is None or (last == "" and "-" in text):
        raise ValueError(
            f"{text!r} names no array of this site; write a001, or a001-a005 for several; "
            f"{_those_there(arrays, number)}"
        )
    if found[0] > found[1]:
        raise ValueError(f"{text!r} ends before it begins; write {last}-{first}")
    return range(found[0], found[1] + 1)


def _those_there(arrays: int, number: int) -> str:
    last = array_name(arrays - 1, number)
    return f"the last is {last}" if number == 1 else f"it has {array_name(0, number)} to {last}"


L = TypeVar("L", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class LevelPlan(Generic[L]):
    """A level for every array of a site.

    Attributes:
        levels: one an array.
        number: of the first array.
    """

    words: ClassVar[type[StrEnum]]
    """The levels that there are."""
    what: ClassVar[str]
    """What a setting sets, as its sentence begins."""

    levels: tuple[L, ...]
    number: int = 1

    def changed(self, settings: Iterable[str]) -> Self:
        """Return the plan after some settings, each of which may be several with commas.

        Raises:
            ConfigError: a setting names no level or no array of this site.
        """
        levels = list(self.levels)
        for setting in split_settings(settings):
            arrays, _, word = setting.rpartition("=")
            try:
                level = cast("L", self.words(word))
            except ValueError as error:
                known = tuple(self.words)
                raise ConfigError(
                    f"{self.what} {setting!r} is not valid; write {', '.join(known)} for all "
                    f"arrays, or for example a001={known[-1]} or a010-a020={known[1]}"
                ) from error
            try:
                chosen = chosen_arrays(arrays, len(levels), self.number)
            except ValueError as error:
                raise ConfigError(f"{self.what} {setting!r}: {error}") from error
            levels[chosen.start : chosen.stop] = [level] * len(chosen)
        return self.with_levels(levels)

    def with_levels(self, levels: Iterable[L]) -> Self:
        """Return a plan of the same arrays with other levels."""
        return replace(self, levels=tuple(levels))

    @property
    def settings(self) -> tuple[str, ...]:
        """The plan as the fewest words: the commonest level, then what differs, in order."""
        usual = max(
            self.words, key=lambda level: (self.levels.count(level), level is self.levels[0])
        )
        runs: Iterator[tuple[L, list[int]]] = (
            (level, list(run)) for level, run in groupby(range(len(self.levels)), self.__getitem__)
        )
        return (
            usual.value,
            *(self._named(run, level) for level, run in runs if level is not usual),
        )

    def _named(self, arrays: list[int], level: StrEnum) -> str:
        first, last = (array_name(array, self.number) for array in (arrays[0], arrays[-1]))
        return f"{first}={level}" if first == last else f"{first}-{last}={level}"

    def __getitem__(self, array: int) -> L:
        return self.levels[array]

    def __str__(self) -> str:
        return ", ".join(self.settings)


class DetailPlan(LevelPlan[Detail]):
    """The detail of every array of a site."""

    __slots__ = ()
    words = Detail
    what = "detail"

    @classmethod
    def of_site(cls, site: Site) -> DetailPlan:
        """Return the plan that the site file sets."""
        whole = cls((Detail.GPU,) * site.arrays, site.numbers.arrays)
        return whole.changed([site.telemetry.detail])

    @classmethod
    def of(cls, arrays: int, level: Detail = Detail.GPU) -> DetailPlan:
        """Return the plan that gives so many arrays the same detail."""
        return cls((level,) * arrays)


class HostPlan(LevelPlan[HostLevel]):
    """How much is exposed of the hosts of every array of a site."""

    __slots__ = ()
    words = HostLevel
    what = "host"

    @classmethod
    def of_site(cls, site: Site) -> HostPlan:
        """Return the plan that the site file sets."""
        off = cls((HostLevel.OFF,) * site.arrays, site.numbers.arrays)
        return off.changed([site.telemetry.host])

    @property
    def at_least_aggregate(self) -> HostPlan:
        """The plan with ``aggregate`` in place of ``off``."""
        shown = (HostLevel.AGGREGATE if level is HostLevel.OFF else level for level in self.levels)
        return self.with_levels(shown)

    @property
    def most(self) -> HostLevel:
        """The highest level of any array, which hosts outside the arrays have too."""
        return max(self.levels, key=tuple(HostLevel).index)


def split_settings(settings: Iterable[str]) -> Iterator[str]:
    """Yield each setting; one argument may hold several, separated by commas."""
    for setting in settings:
        yield from (part.strip() for part in setting.split(","))
