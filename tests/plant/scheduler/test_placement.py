"""Placement of a job on free GPUs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.plant.scheduler.placement import place

ARRAYS = np.repeat([0, 1, 2], 4)


def cluster(held: dict[int, int]) -> np.ndarray:
    """Return 12 servers of four GPUs, of which some have this many held."""
    owner = np.full((12, 4), -1, np.int32)
    for server, gpus in held.items():
        owner[server, :gpus] = 7
    return owner


def test_small_job_goes_to_the_fullest_server_that_has_room() -> None:
    """A job of two GPUs takes the two left on a server rather than opening a free one."""
    chosen = place(cluster({3: 2, 5: 1}), np.ones(12, bool), ARRAYS, 2)
    assert chosen is not None
    assert [part.tolist() for part in chosen] == [[3, 3], [2, 3]]


def test_large_job_stays_in_one_array_where_it_can() -> None:
    """Three servers are taken of the array with the fewest free ones that has three."""
    chosen = place(cluster({0: 1, 8: 1, 9: 1}), np.ones(12, bool), ARRAYS, 12)
    assert chosen is not None
    assert np.unique(chosen[0]).tolist() == [1, 2, 3]


def test_largest_job_spans_as_few_arrays_as_it_can() -> None:
    """Six servers come from the two arrays with the most free ones."""
    chosen = place(cluster({0: 1, 1: 1, 4: 1}), np.ones(12, bool), ARRAYS, 24)
    assert chosen is not None
    assert set(ARRAYS[chosen[0]]) == {1, 2}


def test_no_room_is_no_placement() -> None:
    """A job gets nothing of servers that are out of service, or too few whole ones."""
    usable = np.zeros(12, bool)
    assert place(cluster({}), usable, ARRAYS, 1) is None
    usable[:2] = True
    assert place(cluster({1: 1}), usable, ARRAYS, 8) is None


@given(
    st.lists(st.integers(0, 4), min_size=12, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.sampled_from([1, 2, 3, 4, 8, 12, 24]),
)
def test_what_is_placed_was_free(held: list[int], usable: list[bool], gpus: int) -> None:
    """Whatever is held and in service, a job gets as many GPUs as it asks for, all of them free."""
    owner = cluster(dict(enumerate(held)))
    chosen = place(owner, np.array(usable), ARRAYS, gpus)
    if chosen is None:
        return
    servers, slots = chosen
    assert len(set(zip(servers.tolist(), slots.tolist(), strict=True))) == gpus
    assert (owner[chosen] == -1).all()
    assert np.array(usable)[servers].all()
