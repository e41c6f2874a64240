"""Events that dcgm-exporter counts itself: their series come and go as the exporter's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.aggregator.conftest import SMALL
from twin.aggregator import Core
from twin.catalog import UnitKind
from twin.site import Layout, exporting, parse_site
from twin.wire import Outputs

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

LISTED = """
DCGM_FI_DEV_GPU_TEMP, gauge, temperature
DCGM_EXP_XID_ERRORS_COUNT, gauge, XIDs in the window
DCGM_EXP_XID_ERRORS_TOTAL, counter, XIDs
DCGM_FI_DEV_CLOCKS_EVENT_REASONS, gauge, reasons
DCGM_EXP_CLOCK_EVENTS_COUNT, gauge, clock events in the window
DCGM_EXP_CLOCK_EVENTS_TOTAL, counter, clock events
"""
WINDOW = 'window_size_in_ms="300000"'


class Fed:
    """The small site, fed frame by frame."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.seq = 0

    def frame(self, ts: float, **signals: float) -> None:
        """Publish a frame of the first rack, with these values of its first GPU."""
        self.seq += 1
        for signal, value in signals.items():
            self.feed.outputs["gpu"][signal][0, 0] = value
        self.feed.frame(UnitKind.RACK, 0, ts=ts, seq=self.seq)

    def series(self, metric: str) -> list[str]:
        """Return a metric's own labels and values of the first GPU."""
        lines = [line for line in self.feed.lines(0) if line.startswith(metric + '{gpu="0"')]
        lines = [line for line in lines if 'instance="r0001-n1:' in line]
        kept = ("window_size_in_ms", "xid", "clock_event")
        found = []
        for line in lines:
            inside, value = line.partition("{")[2].split("} ")
            labels = [own for own in inside.split(",") if own.split("=")[0] in kept]
            found.append(" ".join([*labels, value]))
        return sorted(found)


@pytest.fixture
def fed(outputs: Callable[[Layout], Outputs], new_feed: type[Feed]) -> Fed:
    """Return the small site with a counters file that lists all of them."""
    site = exporting(parse_site(SMALL, "small"), ["dcgm=4.9.0"], LISTED, "listed.csv")
    layout = Layout(site)
    values = {name: dict(signals) for name, signals in outputs(layout).items()}
    values["gpu"]["xid"] = np.zeros_like(values["gpu"]["gpu_temp"])
    values["gpu"]["clock_reasons"] = np.zeros_like(values["gpu"]["gpu_temp"])
    return Fed(new_feed(Core(layout), values))


def test_xids_in_the_window(fed: Fed) -> None:
    """Without events one series of 0 without a code; with them one a code; then 0 again."""
    count = "DCGM_EXP_XID_ERRORS_COUNT"
    fed.frame(0.0)
    assert fed.series(count) == [f"{WINDOW} 0"]
    fed.frame(10.0, xid=31.0)
    fed.frame(20.0, xid=79.0)
    fed.frame(30.0, xid=31.0)
    assert fed.series(count) == [f'{WINDOW} xid="31" 2', f'{WINDOW} xid="79" 1']
    fed.frame(315.0)
    assert fed.series(count) == [f'{WINDOW} xid="31" 1', f'{WINDOW} xid="79" 1']
    fed.frame(400.0)
    assert fed.series(count) == [f"{WINDOW} 0"]


def test_total_xids_begin_with_the_first(fed: Fed) -> None:
    """A total is never 0: it appears with the first event and stays when the window is over."""
    total = "DCGM_EXP_XID_ERRORS_TOTAL"
    fed.frame(0.0)
    assert fed.series(total) == []
    fed.frame(10.0, xid=79.0)
    fed.frame(600.0)
    assert fed.series(total) == ['xid="79" 1']


def test_totals_end_with_the_exporter(fed: Fed) -> None:
    """When a host's exporter restarts, it knows nothing of what was before."""
    fed.frame(0.0)
    fed.frame(10.0, xid=79.0)
    own = fed.feed.outputs["gpu"]
    kept = {name: values.copy() for name, values in own.items()}
    for values in own.values():
        values[0, :2] = np.nan
    fed.frame(20.0)
    assert fed.series("DCGM_EXP_XID_ERRORS_TOTAL") == []
    own.update(kept)
    fed.frame(30.0, xid=0.0)
    assert fed.series("DCGM_EXP_XID_ERRORS_TOTAL") == []
    assert fed.series("DCGM_EXP_XID_ERRORS_COUNT") == [f"{WINDOW} 0"]


def test_clock_events_are_samples_in_the_window_and_edges_in_all(fed: Fed) -> None:
    """A reason that holds counts a sample every 30 s, and once in all; without one no series."""
    count, total = "DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_EXP_CLOCK_EVENTS_TOTAL"
    fed.frame(0.0)
    assert fed.series(count) == []
    fed.frame(30.0, clock_reasons=4.0)
    fed.frame(40.0)
    fed.frame(60.0, clock_reasons=36.0)
    assert fed.series(count) == [f'{WINDOW} clock_event="power_cap" 2',
                                 f'{WINDOW} clock_event="sw_thermal" 1']  # fmt: skip
    assert fed.series(total) == ['clock_event="power_cap" 1', 'clock_event="sw_thermal" 1']
    fed.frame(90.0, clock_reasons=0.0)
    fed.frame(120.0, clock_reasons=4.0)
    assert 'clock_event="power_cap" 2' in fed.series(total)


def test_nothing_is_counted_where_nothing_lists_it(feed: Feed) -> None:
    """By default the families are not there, as with the exporter, and cost nothing."""
    feed.site()
    assert not feed.core.store.events.wanted
    assert not [line for line in feed.lines(0) if line.startswith("DCGM_EXP")]
    assert "clock_reasons" not in {s.name for s in feed.layout.reported["gpu"]}
