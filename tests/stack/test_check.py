"""The checks of a run can fail, and say why."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client.samples import Sample

from twin.catalog import ROLLUPS, Level
from twin.catalog.own import UNIT_LAST_FRAME
from twin.plant import load_trace
from twin.site import Layout, load_site, parse_site
from twin.stack.check import RunReport, TraceComparison, drained
from twin.stack.local import LocalStack

GOOD = RunReport(
    site="demo",
    seconds=20.0,
    racks=16,
    racks_reporting=16,
    frames_published=420,
    frames_unsent=0,
    frames_ingested=420,
    frames_lost=0,
    decode_errors=0,
    late_ticks=3,
    ticks=20,
    series=85_000,
    it_power_watts=9e5,
    trace_samples=50,
    trace_correlation=0.999,
    trace_error_ratio=0.001,
)


def test_all_well() -> None:
    """A run without loss passes; late ticks are shown but are no failure."""
    assert GOOD.failures() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"racks_reporting": 15}, "only 15 of 16 racks"),
        ({"frames_ingested": 419}, "1 did not arrive"),
        ({"frames_lost": 2}, "2 gaps"),
        ({"frames_unsent": 4}, "4 were never sent"),
        ({"decode_errors": 1}, "1 messages were no valid frames"),
        ({"frames_published": 0, "frames_ingested": 0}, "no frame was published"),
        ({"trace_samples": 9}, "scraped 9 times, and the trace is compared from 10 on"),
        ({"trace_correlation": 0.98}, "correlation with the trace is 0.9800"),
        ({"trace_error_ratio": 0.02}, "mean error against the trace is 2.00%"),
    ],
)
def test_each_promise_can_fail(change: dict[str, float], words: str) -> None:
    """Each promise that is broken is named."""
    (failure,) = replace(GOOD, **change).failures()  # type: ignore[arg-type]  # by parametrize
    assert words in failure


LAYOUT = Layout(load_site("colossus-array"))
TRACE = load_trace("gpt3-512xh100")
DC_POWER = next(r for r in ROLLUPS if r.name == "psu_output_power_watts").metric(Level.RACK)


def page(seconds: float, factor: float = 1.0, racks: int = 8) -> list[Sample]:
    """Return what ``/metrics`` would show ``seconds`` into a replay."""
    watts = TRACE.at(seconds).reshape(8, 8).sum(axis=1) * factor
    names = [f"r{rack + 1:04d}" for rack in range(racks)]
    return [
        *(Sample(DC_POWER, {"rack": n}, w) for n, w in zip(names, watts, strict=False)),
        *(Sample(UNIT_LAST_FRAME.name, {"rack": n}, 1000.0 + seconds) for n in names),
    ]


def comparison(factor: float = 1.0, scrapes: int = 50, shift: float = 0.0) -> TraceComparison:
    """Return a comparison after some scrapes."""
    compared = TraceComparison(LAYOUT, TRACE, epoch=1000.0 + shift)
    for scrape in range(scrapes):
        compared.add(page(7.0 * scrape, factor))
    return compared


def test_a_faithful_replay() -> None:
    """Exposed power that is the trace correlates fully and without error."""
    assert comparison().correlation == pytest.approx(1.0)
    assert comparison().error_ratio == pytest.approx(0.0)


def test_a_replay_beside_idle_racks() -> None:
    """Each job replays the trace from its first node; racks without one are not compared."""
    text = "{name: x, racks: 12, jobs: [{name: a, racks: 3}, {name: b, racks: 8}]}"
    compared = TraceComparison(Layout(parse_site(text, "x")), TRACE, epoch=1000.0)
    for scrape in range(20):
        watts = TRACE.at(7.0 * scrape).reshape(8, 8).sum(axis=1)
        racks = [*watts[:3], *watts, 17_000.0]
        names = [f"r{rack + 1:04d}" for rack in range(12)]
        compared.add(
            [Sample(DC_POWER, {"rack": n}, w) for n, w in zip(names, racks, strict=True)]
            + [Sample(UNIT_LAST_FRAME.name, {"rack": n}, 1000.0 + 7.0 * scrape) for n in names]
        )
    assert compared.samples == 20
    assert compared.error_ratio == pytest.approx(0.0)


def test_a_scaled_replay() -> None:
    """A replay that is 5 % too high still correlates, but its error is 5 %."""
    assert comparison(1.05).correlation == pytest.approx(1.0)
    assert comparison(1.05).error_ratio == pytest.approx(0.05)


def test_a_shifted_replay() -> None:
    """A replay that is four seconds off does not correlate."""
    assert comparison(shift=4.0).correlation < 0.9


def test_too_few_scrapes_prove_nothing() -> None:
    """With less than ten scrapes, or with racks missing, there is no correlation to show."""
    assert comparison(scrapes=9).correlation == 0.0
    partial = TraceComparison(LAYOUT, TRACE, epoch=1000.0)
    partial.add(page(0.0, racks=7))
    assert partial.samples == 0


@pytest.mark.parametrize(("published", "arrived"), [(20, 20), (21, 20)])
async def test_frames_are_awaited_as_long_as_more_arrive(published: int, arrived: int) -> None:
    """A slow machine's frames are waited for one by one; after the last one nothing is."""
    counts = iter(range(arrived + 1))
    seen: list[int] = []

    def summary() -> SimpleNamespace:
        seen.append(next(counts, arrived))
        return SimpleNamespace(frames_ingested=seen[-1])

    stack = SimpleNamespace(
        aggregator=SimpleNamespace(summary=summary), emulator=SimpleNamespace(published=published)
    )
    await drained(cast("LocalStack", stack), patience=0.0)
    assert seen[arrived] == seen[-1] == arrived
