"""A part of a site has the names that its units have on the whole."""

from __future__ import annotations

import pytest

from twin.catalog import DEVICES, Level, UnitKind
from twin.site import (
    Layout,
    PartLayout,
    Shard,
    find_target,
    load_site,
    parse_site,
    rollup_labels,
    series_labels,
)

SITE = """
name: parted
racks: 11
racks_per_array: 2
halls: 2
servers_per_rack: 2
server: {gpus: 2, nics: 2, psus: 2}
jobs: [{name: big, racks: 5}, {name: small, racks: 4}]
"""
WHOLE = Layout(parse_site(SITE, "parted"))
SHARDS = 3


def parts(layout: Layout) -> list[PartLayout]:
    """Return the parts of all shards; the first has the facility too."""
    arrays = layout.site.arrays
    return [
        PartLayout.of(layout, Shard(i, SHARDS).arrays(arrays), facility=i == 0)
        for i in range(SHARDS)
    ]


@pytest.mark.parametrize("kind", UnitKind)
def test_units_of_the_parts_are_the_sites(kind: UnitKind) -> None:
    """Every unit of every kind is in one part, under its own name."""
    names = [
        part.unit_name(kind, unit) for part in parts(WHOLE) for unit in range(part.units(kind))
    ]
    assert sorted(names) == sorted(WHOLE.unit_name(kind, u) for u in range(WHOLE.units(kind)))


def test_series_of_the_parts_are_the_sites() -> None:
    """Every series has the same labels in its part as on the whole site."""

    def labels(layout: Layout) -> list[tuple[str, object]]:
        return [
            (signal.metric, series_labels(layout, signal, device, unit, index))
            for device in DEVICES
            for unit in range(layout.units(device.frame))
            for index in range(layout.per_unit(device))
            for signal in layout.reported[device.name]
        ]

    found = [own for part in parts(WHOLE) for own in labels(part)]
    assert sorted(map(str, found)) == sorted(map(str, labels(WHOLE)))


def test_places_of_the_parts_are_the_sites() -> None:
    """Names and places of racks and arrays do not depend on the part."""
    for part in parts(WHOLE):
        for rack, number in enumerate(part.rack_numbers):
            assert part.number(UnitKind.RACK, rack) == number
            for level in (Level.RACK, Level.SITE):
                whole = rollup_labels(WHOLE, level, number)
                assert rollup_labels(part, level, rack) == whole
            array = part.array_of(rack)
            name = part.unit_name(UnitKind.ARRAY, array)
            assert name == WHOLE.unit_name(UnitKind.ARRAY, WHOLE.array_of(number))
            assert part.unit_index(UnitKind.ARRAY, name) == array


def test_a_foreign_array_is_not_there() -> None:
    """Who asks a part for another's array or rack gets None."""
    first, second, _ = parts(WHOLE)
    assert first.unit_index(UnitKind.ARRAY, second.unit_name(UnitKind.ARRAY, 0)) is None
    assert first.unit_index(UnitKind.RACK, second.unit_name(UnitKind.RACK, 0)) is None
    assert second.unit_index(UnitKind.MEGAPACK, "mp001") is None


def test_a_place_is_found_from_any_part() -> None:
    """Faults strike the site: an address means the same in every part of it."""
    for part in parts(WHOLE):
        assert find_target(part, "r0009/n2") == find_target(WHOLE, "r0009/n2")


def test_a_million_gpus_are_parted_fast_and_in_full() -> None:
    """A part of the largest site has its racks only."""
    whole = Layout(load_site("colossus-1m"))
    part = PartLayout.of(whole, Shard(15, 16).arrays(whole.site.arrays))
    assert part.units(UnitKind.RACK) == len(part.rack_numbers) == part.site.racks < 1000
