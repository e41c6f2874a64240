"""What an aggregator says of itself, as the benchmarks read it."""

from __future__ import annotations

import pytest

from twin.bench.page import NO_BROKER, _lines_with, missing, quantile, read_own
from twin.errors import ServiceError

INFINITY = float("inf")


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 1.0), (0.25, 0.5), (0.75, 1.5), (1.0, 2.0), (0.0, 0.0)]
)
def test_quantile_is_linear_within_a_bucket(share: float, expected: float) -> None:
    """As histogram_quantile does it."""
    counts = {1.0: 50.0, 2.0: 100.0, INFINITY: 100.0}
    assert quantile(counts, share) == pytest.approx(expected)


def test_quantile_beyond_the_last_bound() -> None:
    """What lies above every bound is given as the last of them."""
    assert quantile({1.0: 1.0, INFINITY: 10.0}, 0.99) == 1.0


def test_nobody_listens() -> None:
    """An aggregator that is not there yet has no broker either."""
    assert missing("http://127.0.0.1:1") == NO_BROKER


def test_own_lines_of_a_page() -> None:
    """Of a long page only the lines with the word are looked at, the first and the last as well."""
    page = b"twin_a 1\nother 2\n# HELP x twin_b\nx 3\ntwin_c 4\n"
    found = [b"twin_a 1\n", b"# HELP x twin_b\n", b"twin_c 4\n"]
    assert list(_lines_with(page, b"twin_")) == found
    assert list(_lines_with(b"other 2\n", b"twin_")) == []


async def test_a_page_that_is_gone() -> None:
    """An aggregator that ended is told in a sentence with its address."""
    with pytest.raises(ServiceError, match=r"does not answer on http://127\.0\.0\.1:1/metrics"):
        await read_own("http://127.0.0.1:1/metrics")
