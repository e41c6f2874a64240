"""Racks and arrays of a real fleet: from a table, from labels, or from host names."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from twin.errors import ConfigError
from twin.fleet.hosts import natural

__all__ = ["FleetRacks", "RackPlace", "place_racks", "read_table"]

_HOSTS_A_RACK = 4
"""Where nothing says it, est.: air-cooled racks of HGX servers hold four."""
_RACKS_AN_ARRAY = 8
_MOST_RACKS_AN_ARRAY = 64
_LAST_NUMBER = re.compile(r"^(.*\d.*?\D)\d+\D*$")
"""A host name with two numbers: what stands before the last is the rack's."""


@dataclass(frozen=True, slots=True)
class RackPlace:
    """Where a host stands, as far as it is told.

    Attributes:
        rack: name of the rack.
        array: name of the array, empty for none.
    """

    rack: str
    array: str = ""


@dataclass(frozen=True, slots=True)
class FleetRacks:
    """Racks in order, each with its hosts.

    Attributes:
        names: of the racks.
        hosts: of each.
        racks_per_array: that make an array.
        arrays: names of the arrays, in order; none where they are counted off.
        how: what said where hosts stand, in a few words.
        guesses: what was assumed, in sentences.
    """

    names: tuple[str, ...]
    hosts: tuple[tuple[str, ...], ...]
    racks_per_array: int
    arrays: tuple[str, ...]
    how: str
    guesses: tuple[str, ...]


def read_table(text: str, where: str) -> dict[str, RackPlace]:
    """Return where the hosts of a CSV table stand: ``host,rack`` or ``host,rack,array``.

    Raises:
        ConfigError: with file and line.
    """
    found: dict[str, RackPlace] = {}
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if header not in (["host", "rack"], ["host", "rack", "array"]):
            raise ConfigError(f"{where}:1: the first line must be host,rack or host,rack,array")
        for row in reader:
            if not row:
                continue
            place = f"{where}:{reader.line_num}"
            fields = [field.strip() for field in row]
            if len(fields) != len(header) or not all(fields):
                raise ConfigError(f"{place}: has not one value for each of {','.join(header)}")
            if fields[0] in found:
                raise ConfigError(f"{place}: host {fields[0]!r} is given twice; remove one line")
            found[fields[0]] = RackPlace(*fields[1:])
    except csv.Error as error:
        raise ConfigError(f"{where}:{reader.line_num}: is no CSV: {error}") from error
    return found


def place_racks(
    hosts: Sequence[str],
    table: Mapping[str, RackPlace] | None,
    labels: Mapping[str, RackPlace],
    models: Mapping[str, str],
) -> FleetRacks:
    """Return the racks of a fleet.

    Args:
        hosts: all that have GPUs.
        table: of the user, None without one.
        labels: where the hosts stand by their labels; those without are missing.
        models: GPU model by host.

    Raises:
        ConfigError: a host is not in the user's table, or a rack has GPUs of two models.
    """
    guesses: list[str] = []
    ordered = sorted(hosts, key=natural)
    if table is not None:
        absent = [host for host in ordered if host not in table]
        if absent:
            raise ConfigError(
                f"--racks has no line of {len(absent)} hosts with GPUs, the first is "
                f"{absent[0]!r}; add them"
            )
        places, how = {host: table[host] for host in ordered}, "by the table"
    elif labels and len(labels) >= len(hosts):
        places, how = dict(labels), "by label"
    else:
        if labels:
            guesses.append(
                f"{len(labels)} of {len(hosts)} hosts have a label of their rack, so it is not used"
            )
        places, how = _by_name(ordered, models, guesses)
    return _arranged(ordered, places, models, how, guesses)


def _by_name(
    hosts: Sequence[str], models: Mapping[str, str], guesses: list[str]
) -> tuple[dict[str, RackPlace], str]:
    """Return the racks that host names tell, or count them off."""
    prefixes = {host: found[1] for host in hosts if (found := _LAST_NUMBER.match(host))}
    sizes = Counter(prefixes.values())
    if len(prefixes) == len(hosts) and max(sizes.values()) > 1:
        example = hosts[0]
        rack = prefixes[example].rstrip("-_.")
        guesses.append(
            f"no label says a host's rack, so its name does: {example} stands in {rack}; "
            "give --racks FILE if that is wrong"
        )
        stripped = {host: RackPlace(prefix.rstrip("-_.nsh")) for host, prefix in prefixes.items()}
        unique = len({place.rack for place in stripped.values()}) == len(sizes)
        full = {host: RackPlace(prefix) for host, prefix in prefixes.items()}
        return stripped if unique else full, "by host name"
    guesses.append(
        f"neither a label nor a host's name says its rack, so {_HOSTS_A_RACK} hosts in order of "
        "their names make one; give --racks FILE if that is wrong"
    )
    counted: dict[str, RackPlace] = {}
    number = 0
    for _, same in groupby(hosts, key=lambda host: models[host]):
        for index, host in enumerate(same):
            number += index % _HOSTS_A_RACK == 0
            counted[host] = RackPlace(f"{number}")
    return counted, "counted off"


def _arranged(
    hosts: Sequence[str],
    places: Mapping[str, RackPlace],
    models: Mapping[str, str],
    how: str,
    guesses: list[str],
) -> FleetRacks:
    inside: dict[RackPlace, list[str]] = {}
    for host in hosts:
        inside.setdefault(places[host], []).append(host)
    for place, own in inside.items():
        kinds = sorted({models[host] for host in own})
        if len(kinds) > 1:
            raise ConfigError(
                f"rack {place.rack!r} has GPUs of {' and '.join(kinds)}; a rack has one model: "
                "divide it by --racks FILE"
            )
    racks = sorted(inside, key=lambda place: (natural(place.array), natural(place.rack)))
    sizes = [len(list(same)) for _, same in groupby(racks, key=lambda place: place.array)]
    arrays = tuple(dict.fromkeys(place.array for place in racks))
    each = _array_size(sizes)
    if arrays == ("",) or each is None:
        why = "no label says a rack's array"
        if each is None:
            why = "arrays are of unequal sizes, or of more than 64 racks"
            racks = sorted(inside, key=lambda place: natural(place.rack))
        guesses.append(f"{why}, so {_RACKS_AN_ARRAY} racks in order make one")
        arrays, each = (), _RACKS_AN_ARRAY
    return FleetRacks(
        names=tuple(place.rack for place in racks),
        hosts=tuple(tuple(inside[place]) for place in racks),
        racks_per_array=each,
        arrays=arrays,
        how=how,
        guesses=tuple(guesses),
    )


def _array_size(sizes: Sequence[int]) -> int | None:
    """Return the racks of an array where all but the last have the same, None where not."""
    first = sizes[0]
    same = all(size == first for size in sizes[:-1]) and sizes[-1] <= first
    return first if same and first <= _MOST_RACKS_AN_ARRAY else None
