"""Rules of a past: alerts and recorded series are those of one evaluation, however it is cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.history import PastPlan, has_rules, target_of
from twin.history.events import PastEvent, event_of
from twin.history.page_reader import Block
from twin.history.past import SimulatedPast
from twin.history.rule_history import RuleHistory, evaluation_interval
from twin.rules import promtool
from twin.rules.sampling import labels_of_block
from twin.site import DetailPlan, Layout, load_site
from twin.site.loader import site_of

START = 1_772_323_200
LAYOUT = Layout(
    site_of({"name": "tiny", "racks": 1, "racks_per_array": 1, "servers_per_rack": 1}, "tiny")
)
DETAIL = DetailPlan.of_site(LAYOUT.site).changed(["gpu"])
PART, PARTS, LOST = 600, 4, 300

Series = dict[tuple[str, frozenset[tuple[str, str]]], dict[int, float]]


def plan() -> PastPlan:
    """Return a plan whose days are ten minutes."""
    return PastPlan(LAYOUT, DETAIL, START, PARTS, 60, 1, failures="none", day=PART, rules=True)


def series_of(blocks: Iterable[Block]) -> Series:
    """Return the samples of blocks by series."""
    found: Series = {}
    for block in blocks:
        for place, labels in enumerate(block.labels):
            key = block.head.name, frozenset(labels_of_block(labels).items())
            own = found.setdefault(key, {})
            for at, value in zip(block.times.tolist(), block.values[:, place], strict=True):
                if np.isfinite(value):
                    own[at // 1000 - START] = float(value)
    return found


@pytest.fixture(scope="module")
def parts() -> list[list[Block]]:
    """Return the scrapes of a site that loses a GPU for good after five minutes."""
    past, made = SimulatedPast(plan()), []
    past.watch(RuleHistory(plan(), at_once=True).reads)
    for scrape in range(PARTS * PART // 60):
        if scrape == LOST // 60:
            past.inject("gpu-off-bus", "r0001/n1/gpu3", 86_400.0)
        past.scrape()
        if (scrape + 1) % (PART // 60) == 0:
            made.append(list(past.blocks()))
    return made


@pytest.fixture(scope="module")
def cut(parts: list[list[Block]], tmp_path_factory: pytest.TempPathFactory) -> Series:
    """Return what the rules gave part by part, kept in a file between two of them."""
    kept, given = tmp_path_factory.mktemp("rules") / "rules.npz", []
    for number, blocks in enumerate(parts):
        rules = RuleHistory(plan(), at_once=True)
        if number:
            rules.load(kept)
        given += rules.take(blocks, START + (number + 1) * PART)
        rules.save(kept)
    return series_of(given)


def test_alert_fires_and_keeps_its_beginning(cut: Series) -> None:
    """The lost GPU's alert is pending, then fires to the end, since one moment all along."""
    fired = {
        (name, dict(labels).get("alertstate")): values
        for (name, labels), values in cut.items()
        if dict(labels).get("alertname") == "GpuLost"
    }
    firing = fired["ALERTS", "firing"]
    assert min(firing) <= LOST + 180
    assert max(firing) == PARTS * PART
    assert len(firing) == (max(firing) - min(firing)) // 60 + 1
    assert set(firing.values()) == {1.0}
    since = fired["ALERTS_FOR_STATE", None]
    assert set(since) >= set(firing)
    assert set(since.values()) == {START + float(min(since))}


def test_parts_give_what_the_whole_gives(parts: list[list[Block]], cut: Series) -> None:
    """Alerts and recorded series are the same evaluated at once and in four parts."""
    rules = RuleHistory(plan(), at_once=True)
    whole = series_of(
        rules.take([block for blocks in parts for block in blocks], START + PARTS * PART)
    )
    assert any(name == "instance:dcgm_gpus:known" for name, _ in whole)
    assert cut.keys() == whole.keys()
    for key, values in whole.items():
        assert cut[key] == pytest.approx(values), key


def test_evaluations_fit_a_day() -> None:
    """Rules are evaluated once a minute, or with the next step that divides a day."""
    chosen = {step: evaluation_interval(step, 86_400) for step in (1, 15, 45, 60, 90, 3600)}
    assert chosen == {1: 60, 15: 60, 45: 90, 60: 60, 90: 90, 3600: 3600}
    assert evaluation_interval(15, 60) == 60


def event() -> PastEvent:
    """Return a fault of a minute."""
    faults = FaultSchedule(LAYOUT, FAULTS)
    return event_of(faults.inject("natural-1", "gpu-off-bus", "r0001/n1/gpu0", START, 60.0), LAYOUT)


def from_parquet(folder: Path) -> dict[str, object]:
    """Return the event of a day in Parquet."""
    path = folder / "day=2026-03-01/class=event/events.parquet"
    (row,) = parquet.ParquetFile(path).read().to_pylist()
    return {**row, "start": int(row["start"].timestamp() * 1000)}


def from_lines(folder: Path) -> dict[str, object]:
    """Return the event of a day in lines of JSON."""
    (path,) = (own for own in folder.rglob("*2026-03-01*") if own.is_file())
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("word", "read"), [("parquet", from_parquet), ("blocks", from_lines)])
def test_day_says_what_was_wrong(
    tmp_path: Path, word: str, read: Callable[[Path], dict[str, object]]
) -> None:
    """A day that is put in place has its events: what, where, since when, and which alerts."""
    writer = target_of(f"{word}:{tmp_path}").day(START)
    writer.finish([event()])
    told = read(tmp_path)
    assert told["fault"] == "gpu-off-bus"
    assert told["host"] == "r0001-n1"
    assert told["start"] == START * 1000
    assert "GpuLost" in list(told["alerts"])  # type: ignore[call-overload]  # read from a file


def test_past_knows_what_was_in_force() -> None:
    """Events of a span are those that touch it, also where they began before."""
    past = SimulatedPast(plan())
    past.inject("pump-failure", "r0001/pump1", 90.0)
    for _ in range(3):
        past.pass_by()
    (found,) = past.events(START, START + 60)
    assert (found.fault, found.rack, found.end - found.start) == ("pump-failure", "r0001", 90_000)
    assert past.events(START + 60, START + 120) == [found]
    assert past.events(START + 120, START + 180) == []


def test_missing_promtool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts that are asked for need promtool; by default a past without it has none."""
    monkeypatch.setattr(promtool, "_PATH", "")
    monkeypatch.delenv("PROMTOOL", raising=False)
    promtool.promtool.cache_clear()
    try:
        assert not has_rules(None, LAYOUT, DETAIL)
        with pytest.raises(ConfigError, match="--alerts: promtool is not installed"):
            has_rules(True, LAYOUT, DETAIL)
    finally:
        promtool.promtool.cache_clear()
    assert not has_rules(False, LAYOUT, DETAIL)


def test_many_series_are_evaluated_when_asked() -> None:
    """Of a thousand GPUs in full no alerts are written unasked, and of their racks there are."""
    layout = Layout(load_site("demo"))
    full, racks = (DetailPlan.of_site(layout.site).changed([own]) for own in ("gpu", "rack"))
    assert [has_rules(own, layout, full) for own in (None, True)] == [False, True]
    assert has_rules(None, layout, racks)


def test_damaged_state_of_rules_is_named(tmp_path: Path) -> None:
    """A file that is no archive is refused by its name."""
    path = tmp_path / "rules-1.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ConfigError, match=r"rules-1\.npz: is damaged"):
        RuleHistory(plan(), at_once=True).load(path)


def test_events_of_racks_name_the_alerts_that_fire() -> None:
    """Where devices have no series, a GPU's event has the alerts on its rack, which fire."""
    own = replace(plan(), detail=DETAIL.changed(["rack"]), day=PART * 2)
    past, rules = SimulatedPast(own), RuleHistory(own, at_once=True)
    for scrape in range(own.scrapes):
        if scrape == LOST // 60:
            past.inject("gpu-double-bit", "r0001/n1/gpu3", 86_400.0)
        past.scrape()
    given = series_of(rules.take(list(past.blocks()), round(past.now)))
    firing = {dict(labels)["alertname"] for name, labels in given
              if name == "ALERTS" and ("alertstate", "firing") in labels}  # fmt: skip
    (event,) = past.events(START, START + own.day)
    assert event.alerts == ("JobCrashed", "JobStalled", "RackGpusWithXid")
    assert event.certain
    assert set(event.alerts) <= firing
