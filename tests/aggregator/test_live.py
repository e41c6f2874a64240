"""What is remembered for the page."""

from __future__ import annotations

import pytest

from tests.aggregator.conftest import Feed
from twin.aggregator import Core
from twin.aggregator.live import charts_of
from twin.catalog import UnitKind
from twin.site import Layout, load_site, parse_site


def test_a_tick_is_a_row(feed: Feed) -> None:
    """Each frame of the grid closes a tick and gives one row of the site's own meters."""
    for second in range(1, 4):
        feed.site(ts=float(second), seq=second)
    times, columns = feed.core.live.rows(None)
    assert times == [1.0, 2.0, 3.0]
    keys = [line.key for chart in feed.core.live.charts for line in chart.lines]
    power = columns[keys.index("grid_power")]
    assert power == pytest.approx([float(feed.outputs["grid"]["power"].sum())] * 3, abs=1)
    packs = columns[keys.index("megapack_power")]
    assert packs == pytest.approx([float(feed.outputs["megapack"]["power"].sum())] * 3, abs=1)
    charge = columns[keys.index("megapack_soc")]
    assert charge == pytest.approx([100 * float(feed.outputs["megapack"]["soc"].mean())] * 3, abs=1)


def test_nothing_is_remembered_where_nobody_looks(feed: Feed) -> None:
    """A core that is not watched exposes the same, and has no history and no events."""
    unwatched = Core(feed.layout, watched=False)
    for core in (feed.core, unwatched):
        own = Feed(core, feed.outputs)
        core.connected(connected=True)
        own.site()
        own.wait(1.0)
    assert bytes(unwatched.array(0)) == bytes(feed.core.array(0))
    assert (unwatched.live.rows(None)[0], unwatched.live.watch.last) == ([], 0)
    assert (feed.core.live.rows(None)[0], feed.core.live.watch.last > 0) == ([1.0], True)


def test_what_does_not_report_is_unknown(feed: Feed) -> None:
    """A meter that has told nothing has no number, and never an old one."""
    feed.frame(UnitKind.GRID, 0)
    keys = [line.key for chart in feed.core.live.charts for line in chart.lines]
    _, columns = feed.core.live.rows(None)
    values = {key: column[0] for key, column in zip(keys, columns, strict=True)}
    assert values["megapack_power"] is None
    assert values["goodput"] is None
    assert values["grid_frequency"] is not None


def test_only_what_the_site_has() -> None:
    """A site without Megapacks and generators has no lines of them."""
    bare = Layout(
        parse_site("{name: x, racks: 1, megapacks: {count: 0}, gensets: {count: 0}}", "x")
    )
    assert [chart.key for chart in charts_of(bare)] == ["power", "grid", "job"]
    assert [line.key for line in charts_of(bare)[0].lines] == ["it_power", "grid_power"]


@pytest.mark.parametrize("name", ["demo", "colossus-1m"])
def test_keys_are_unique(name: str) -> None:
    """No two lines of a site have the same key."""
    keys = [line.key for chart in charts_of(Layout(load_site(name))) for line in chart.lines]
    assert len(keys) == len(set(keys))
