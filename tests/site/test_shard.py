"""Which shard has which arrays, and how a shard is named."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.errors import ConfigError
from twin.site import Shard, owners, ranges, replica_of

ARRAYS = st.integers(1, 400)
SHARDS = st.integers(1, 24)


@given(ARRAYS, SHARDS)
def test_every_array_has_exactly_one_owner(arrays: int, shards: int) -> None:
    """The arrays of all shards together are those of the site, none twice."""
    shards = min(shards, arrays)
    held = [Shard(index, shards).arrays(arrays) for index in range(shards)]
    assert sorted(array for own in held for array in own) == list(range(arrays))


@given(ARRAYS, SHARDS)
def test_shards_are_even(arrays: int, shards: int) -> None:
    """Any two shards differ by one array at most."""
    counts = [owners(arrays, shards).count(index) for index in range(shards)]
    assert max(counts) - min(counts) <= 1


@given(ARRAYS, SHARDS)
def test_one_shard_more_moves_the_fewest_arrays(arrays: int, shards: int) -> None:
    """Whatever moves goes to the new shard, and no more than its even part."""
    before, after = owners(arrays, shards), owners(arrays, shards + 1)
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) <= {shards}
    assert len(moved) == arrays // (shards + 1)


def test_the_division_stays_what_it_is() -> None:
    """Processes of different versions must agree, so the arithmetic is pinned."""
    assert owners(10, 3) == (0, 0, 0, 2, 2, 1, 1, 1, 1, 2)
    assert owners(7, 4) == (0, 0, 2, 2, 1, 1, 3)


@pytest.mark.parametrize(
    ("text", "host", "expected"),
    [
        ("0/3", "", Shard(0, 3)),
        ("auto/3", "twin-emulator-2", Shard(2, 3)),
        ("auto/3", "twin-emulator-1.twin.svc.cluster.local", Shard(1, 3)),
    ],
)
def test_a_shard_is_read(text: str, host: str, expected: Shard) -> None:
    """A number of how many, or the number at the end of a pod's name."""
    assert Shard.parse(text, host) == expected


@pytest.mark.parametrize("text", ["3/3", "0/0", "1", "a/b", "-1/3", "auto/3", "auto/2", "0/5000"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    """The message names what was written."""
    host = "twin-emulator-7" if text == "auto/2" else "laptop"
    with pytest.raises(ConfigError, match=text.replace("/", "/")):
        Shard.parse(text, host)


def test_replicas_of_a_shard_follow_each_other() -> None:
    """Growing by a shard adds pods at the end and changes no other's number."""
    found = [
        (Shard.parse("auto/2", f"agg-{pod}", 2).index, replica_of(f"agg-{pod}", 2))
        for pod in range(4)
    ]
    assert found == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_more_shards_than_arrays_are_refused() -> None:
    """A shard without an array would do nothing."""
    with pytest.raises(ConfigError, match="only 3 arrays"):
        Shard(0, 4).arrays(3)


@given(st.sets(st.integers(0, 60)))
def test_ranges_say_the_same_in_fewer_words(numbers: set[int]) -> None:
    """Written out again they are the numbers."""
    found = ranges(sorted(numbers))
    assert {n for first, last in found for n in range(first, last + 1)} == numbers
    assert all(before[1] + 1 < after[0] for before, after in pairwise(found))
