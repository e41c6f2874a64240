"""Readiness and key figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin.aggregator import Core
from twin.aggregator.summary import JobFigures
from twin.catalog import JOB, JOB_STATES, UnitKind
from twin.site import Layout, load_site
from twin.wire import Encoder, Topics

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed


def test_ready_once_every_rack_has_reported(feed: Feed) -> None:
    """Each sentence says what is still missing, until nothing is."""
    assert feed.core.not_ready() == [
        "The broker is not connected.",
        "3 of 3 racks never reported: r0001, r0002, r0003.",
    ]
    feed.core.connected(connected=True)
    feed.frame(UnitKind.RACK, 0)
    assert feed.core.not_ready() == ["2 of 3 racks never reported: r0002, r0003."]
    feed.site(ts=2.0, seq=2)
    assert feed.core.not_ready() == []


def test_one_silent_rack_is_a_finding_not_an_outage(feed: Feed) -> None:
    """Readiness only ends when all racks are stale."""
    feed.core.connected(connected=True)
    feed.site()
    feed.wait(4.0)
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
    feed.wait(4.0)
    assert feed.core.not_ready() == []
    feed.wait(6.0)
    assert feed.core.not_ready() == ["No rack is reporting any more."]


def test_long_lists_are_cut() -> None:
    """Of a large site only the first racks are named."""
    core = Core(Layout(load_site("demo")))
    assert core.not_ready()[1] == (
        "16 of 16 racks never reported: r0001, r0002, r0003, r0004, r0005 and 11 more."
    )


def test_summary_of_a_silent_site(feed: Feed) -> None:
    """Before the first frame there are counts of what could be, and no figures."""
    summary = feed.core.summary()
    assert (summary.racks, summary.racks_reporting) == (3, 0)
    assert (summary.gpus, summary.gpus_reporting) == (12, 0)
    assert summary.series == 0
    for figure in ("it_power_watts", "hottest_gpu", "megapack_soc_ratio"):
        assert getattr(summary, figure) is None
    assert summary.jobs == (JobFigures("pretrain", 3, None, None, None),)


def test_summary_of_a_site_that_reports(feed: Feed) -> None:
    """The key figures are those of the last frames."""
    feed.outputs["gpu"]["gpu_temp"][:] = 50.0
    feed.outputs["gpu"]["gpu_temp"][2, 3] = 71.0
    feed.outputs["server"]["power"][:] = 10_000.0
    feed.outputs["megapack"]["soc"][:, 0] = [0.4, 0.6]
    feed.outputs["megapack"]["power"][:, 0] = [-1_000.0, -2_000.0]
    feed.outputs["grid"]["power"][:] = 90_000.0
    feed.outputs["job"]["state"][:] = 2.0
    feed.outputs["job"]["steps"][:] = 17.0
    feed.outputs["job"]["goodput"][:] = 0.93
    feed.site(ts=1_000.0)
    summary = feed.core.summary()
    assert summary.racks_reporting == 3
    assert summary.gpus_reporting == 12
    assert summary.it_power_watts == 60_000.0
    assert summary.gpu_temperature_max_celsius == 71.0
    assert summary.hottest_gpu == "r0003-n2 gpu 1"
    assert summary.megapack_soc_ratio == pytest.approx(0.5)
    assert summary.megapack_power_watts == -3_000.0
    assert summary.grid_import_watts == 90_000.0
    assert summary.jobs == (JobFigures("pretrain", 3, JOB_STATES[2], 17, 0.93),)
    assert summary.simulated_time == 1_000.0
    assert summary.frames_ingested == sum(feed.layout.units(kind) for kind in UnitKind)


def test_summary_of_several_jobs() -> None:
    """Each job has its own figures, in order of their racks."""
    layout = Layout(load_site("shared"))
    core, encoder = Core(layout), Encoder(layout, UnitKind.JOB)
    wired = {signal.name for signal in JOB.wire_signals}
    outputs = {name: np.zeros((2, 1)) for name in wired}
    outputs["state"][:, 0] = [5.0, 2.0]
    outputs["steps"][:, 0] = [17.0, 51.0]
    outputs["goodput"][:, 0] = [0.5, 0.9]
    encoder.load({"job": outputs})
    topic = Topics(layout.site.name).frame(UnitKind.JOB, "finetune")
    core.handle(topic, encoder.encode(1, 1.0, 1), False, 1_000.0)
    assert core.summary().jobs == (
        JobFigures("pretrain", 10, None, None, None),
        JobFigures("finetune", 4, "training", 51, 0.9),
    )


def test_summary_by_array(feed: Feed) -> None:
    """Each array has its own figures; one without reports has none."""
    feed.outputs["server"]["power"][:] = 10_000.0
    feed.frame(UnitKind.RACK, 0)
    first, last = feed.core.summary().arrays
    assert (first.name, first.racks, first.racks_reporting) == ("a001", 2, 1)
    assert first.it_power_watts == 20_000.0
    assert (last.name, last.racks, last.racks_reporting) == ("a002", 1, 0)
    assert last.it_power_watts is None
    assert last.gpu_temperature_max_celsius is None


def test_summary_counts_what_went_wrong(feed: Feed) -> None:
    """Decode errors are those of content; a stale frame is valid and is none."""
    feed.frame(UnitKind.RACK, 0, ts=5.0, seq=5)
    feed.frame(UnitKind.RACK, 0, ts=8.0, seq=8)
    feed.frame(UnitKind.RACK, 0, ts=1.0, seq=9)
    feed.send(feed.topic(UnitKind.RACK, 0), b"{")
    summary = feed.core.summary()
    assert (summary.frames_ingested, summary.frames_lost, summary.decode_errors) == (2, 2, 1)
    assert summary.refused["stale"] == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_summary_counts_the_exposed_series(feed: Feed, share: float) -> None:
    """The number of series is that of the lines on all pages, whatever is missing."""
    rng = np.random.default_rng(7)
    for signals in feed.outputs.values():
        for values in signals.values():
            values[rng.random(values.shape) < share] = np.nan
    feed.site()
    arrays = sum(feed.core.array(a).series for a in range(feed.layout.site.arrays))
    own = sum(line.startswith("twin_") for line in feed.lines())
    assert feed.core.summary().series == arrays + len(feed.lines()) - own


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_is_set_silences_nobody(feed: Feed, jump: float) -> None:
    """Silence is measured by a clock that nobody sets: units neither fall silent nor stay."""
    core = feed.core
    core.handle(
        feed.topic(UnitKind.RACK, 0), feed.payload(UnitKind.RACK, 0), False, 1000.0, at=10.0
    )
    core.tick(1000.0 + jump, at=10.5)
    assert core.summary().racks_reporting == 1
    core.tick(1000.0 + jump, at=15.1)
    assert core.summary().racks_reporting == 0


def test_an_array_is_printed_later_as_it_was(feed: Feed) -> None:
    """A page that is sent piece by piece is of one moment, whatever comes in before its end."""
    for seq in range(1, 4):
        feed.site(ts=seq, seq=2 * seq)
        whole, later = bytes(feed.core.array(0)), feed.core.array(0, streams=True)
        feed.outputs["gpu"]["power_usage"] = feed.outputs["gpu"]["power_usage"] + 5.0
        feed.site(ts=seq, seq=2 * seq + 1)
        assert later.waits
        assert b"".join(later.pieces()) == whole
        assert bytes(feed.core.array(0)) != whole
