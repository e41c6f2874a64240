"""One claim about many rows: what its test says when some break it."""

from __future__ import annotations

import inspect

import pytest

from tests.every import every


def test_every_row_that_fails_is_named() -> None:
    """All rows are tried, those that fail are listed, and fixtures are asked for as ever."""

    @every("number, limit", [(1, 2), (5, 2), (3, 2)], lambda number, _: f"row {number}")
    def small(offset: int, number: int, limit: int) -> None:
        assert number + offset < limit, "too large"

    assert list(inspect.signature(small).parameters) == ["offset"]
    with pytest.raises(
        AssertionError, match=r"(?s)2 of 3 rows:\nrow 5: too large.*\nrow 3: too large"
    ):
        small(offset=0)
    small(offset=-9)


def test_no_row_is_no_proof() -> None:
    """A table that has become empty fails."""

    @every("number", [])
    def small(number: int) -> None:
        assert number < 1

    with pytest.raises(AssertionError, match="there is no row"):
        small()
