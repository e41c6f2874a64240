"""Assignment of arrays to shards.

Arrays are divided as evenly as possible, by arithmetic alone: every process on every machine
computes the same result from the numbers of arrays and shards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from twin.errors import ConfigError

__all__ = ["FACILITY", "MOST_SHARDS", "Shard", "owners", "ranges", "replica_of"]

FACILITY = "facility"
"""What the shard that runs the power plant is called, where others have a number."""
MOST_SHARDS = 1000
"""More shards than that are a slip of the pen."""

_FORM = re.compile(r"(auto|\d{1,4})/(\d{1,4})", re.ASCII)
_ORDINAL = re.compile(r"(?:^|.*[^0-9])(\d{1,4})$", re.ASCII)


@lru_cache(maxsize=64)
def owners(arrays: int, shards: int) -> tuple[int, ...]:
    """Return the shard that owns each array.

    One shard has all. Each further one takes, from the shard with the most, the last of its arrays
    until it has its even part. So the arrays of any two shards differ in number by one at
    most, one more shard moves ``arrays // shards`` arrays, the fewest that keep it so, and
    moves them to the new shard only; and arrays that stand beside each other mostly stay in
    one shard.

    Args:
        arrays: of the site.
        shards: that share them.
    """
    held = [list(range(arrays))]
    for shard in range(1, shards):
        taken: list[int] = []
        for _ in range(arrays // (shard + 1)):
            giver = max(range(shard), key=lambda other: len(held[other]))
            taken.append(held[giver].pop())
        held.append(sorted(taken))
    return tuple(
        owner
        for _, owner in sorted((array, owner) for owner, own in enumerate(held) for array in own)
    )


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` shards of a site's arrays.

    Attributes:
        index: from 0 to ``count - 1``.
        count: shards that share the arrays.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str, host: str = "", replicas: int = 1) -> Shard:
        """Return the shard that ``0/3`` names, or ``auto/3`` on this host.

        ``auto`` takes the number at the end of the host's name, as the pods of a StatefulSet
        have one: ``twin-emulator-2`` is the shard 2. With replicas the pods of a shard follow
        each other.

        Args:
            text: as a person writes it.
            host: name of the host, for ``auto``.
            replicas: processes that a shard has.

        Raises:
            ConfigError: it is not a shard, or the host's name has no number that is one.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ConfigError(
                f"shard {text!r} is not valid; write for example 0/3 for the first of three, or "
                "auto/3 to take the number at the end of the host's name"
            )
        count = int(match[2])
        index = _ordinal(text, host) // replicas if match[1] == "auto" else int(match[1])
        if not 1 <= count <= MOST_SHARDS:
            raise ConfigError(f"shard {text!r}: there are from 1 to {MOST_SHARDS} shards")
        if index >= count:
            what = f"host {host!r} would be shard {index}" if match[1] == "auto" else repr(text)
            raise ConfigError(
                f"shard {text!r}: {what}, but the shards of {count} are numbered from 0 to "
                f"{count - 1}; give a lower one, or say that there are more"
            )
        return cls(index, count)

    def of(self, count: int) -> Shard:
        """Return the shard of the same number among ``count``."""
        return Shard(self.index, count)

    def arrays(self, arrays: int) -> tuple[int, ...]:
        """Return the arrays that it owns, of a site that has so many.

        Raises:
            ConfigError: there are fewer arrays than shards.
        """
        if self.count > arrays:
            raise ConfigError(
                f"shard {self}: the site has only {arrays} arrays; use at most as many shards"
            )
        return tuple(
            array for array, owner in enumerate(owners(arrays, self.count)) if owner == self.index
        )


def replica_of(host: str, replicas: int) -> int:
    """Return which of a shard's replicas a host is by the number at the end of its name.

    Raises:
        ConfigError: there is no number.
    """
    return _ordinal("auto", host) % replicas


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Return rising numbers as ranges, each with its first and its last number."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def _ordinal(text: str, host: str) -> int:
    match = _ORDINAL.match(host.partition(".")[0])
    if match is None:
        raise ConfigError(
            f"shard {text!r}: the host's name {host!r} does not end in a number; "
            "write the shard itself, for example 0/3"
        )
    return int(match[1])
