"""Sweeps: a row for each combination, the same on one core and on many."""

from __future__ import annotations

import pytest

import twin
from twin.library.sites import site_with

OUTAGE = twin.Fault("grid-outage", at=5, duration=20)


def test_row_for_each_combination(site: twin.Site) -> None:
    """Megapacks decide whether the site rides through, and the order is that of the values."""
    table = twin.sweep(site, 30, megapacks=range(2), over={"cooling.supply_celsius": (30, 32)},
                       faults=[OUTAGE], workers=1, progress=False)  # fmt: skip
    assert [row["megapacks"] for row in table] == [0, 0, 1, 1] or len(table) == 4
    rides = {row["megapacks"]: row["ride_through_seconds"] for row in table}
    assert rides[0] < 20.0
    assert rides[1] == float("inf")
    assert len(table.to_dataframe()) == 4
    assert "ride_through_seconds" in str(table)
    assert table.column("seconds") == [30.0] * 4
    with pytest.raises(twin.ConfigError, match="column 'x'"):
        table.column("x")


def test_processes_give_what_one_gives(site: twin.Site) -> None:
    """Runs in processes of their own have the figures of those in this one."""
    alone, spread = (
        twin.sweep(site, 10, seed=range(2), workers=workers, progress=False) for workers in (1, 2)
    )
    assert list(alone) == list(spread)


def test_site_is_sized_anew(site: twin.Site) -> None:
    """What follows from a value follows it, and what the file gave stays."""
    larger = site_with(site, {"racks": 8})
    assert larger.racks == 8
    assert larger.megapacks.count == 1
    assert site_with(site, {}) == site
    assert site_with(twin.load_site("gefion"), {}) == twin.load_site("gefion")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"megapacks": 3}, "give several values, such as range(6)"),
        ({"megapack": range(2)}, "there is no such key; did you mean megapacks?"),
        ({"over": {"cooling.supply": [1]}}, "cooling.supply: there is no such key"),
        ({"megapacks": [-1]}, "megapacks.count: is -1"),
        ({"megapacks": []}, "a sweep of 0 runs"),
        ({"megapacks": range(2), "workers": 0}, "workers: is 0"),
        ({"racks": [1], "faults": [twin.Fault("pump-failure", target="r0002/pump1")]}, "r0002"),
    ],
)
def test_wrong_sweep_is_told_before_it_runs(
    site: twin.Site, options: dict[str, object], told: str
) -> None:
    """A value that a site cannot have, or a fault that it cannot, is refused at once."""
    with pytest.raises(twin.ConfigError) as caught:
        twin.sweep(site, 10, progress=False, **options)  # type: ignore[arg-type]
    assert told in str(caught.value)
