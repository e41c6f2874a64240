"""Pasts: what is written is what would have been scraped, in every format, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from twin.aggregator.text_format import head
from twin.catalog import DEVICES
from twin.errors import ConfigError, ServiceError
from twin.history import PastPlan, SampleTarget, estimated, target_of, write_history
from twin.history.openmetrics import write_openmetrics
from twin.history.page_reader import Block
from twin.history.past import SimulatedPast
from twin.history.targets import ParquetTarget
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of

START = 1_772_323_200
"""2026-03-01 00:00 UTC."""
TINY = {"name": "tiny", "racks": 1, "racks_per_array": 1, "servers_per_rack": 1}


def plan(days: int = 2, seed: int = 1, detail: str = "gpu") -> PastPlan:
    """Return a plan of a tiny site."""
    layout = Layout(site_of(TINY, "tiny"))
    own = DetailPlan.of_site(layout.site).changed([detail])
    return PastPlan(layout, own, START, days, 15, seed, failures="none", day=60)


class Told:
    """What is told while a past is written."""

    def __init__(self) -> None:
        self.scrapes = 0
        self.days: list[int] = []

    def scraped(self) -> None:
        """Count."""
        self.scrapes += 1

    def written(self, day: int, samples: int) -> None:
        """Note the day."""
        assert samples > 0
        self.days.append(day - START)


def written(own: PastPlan, target: SampleTarget, processes: int = 1) -> tuple[int, list[int]]:
    """Write a past and return its samples and the days that were put in place."""
    told = Told()
    total = write_history(own, target, told, processes)
    assert told.scrapes == len(told.days) * own.scrapes
    return total, sorted(told.days)


def rows(folder: Path, pattern: str) -> list[dict[str, object]]:
    """Return the rows of the Parquet files below a folder."""
    files = sorted(folder.glob(pattern))
    return [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]


def test_parquet_has_identity_and_metrics_as_columns(tmp_path: Path) -> None:
    """A day and a device class is a folder, a device and a time a row, with exporters' names."""
    total, days = written(plan(), target_of(f"parquet:{tmp_path}"))
    assert days == [0, 60]
    gpus = rows(tmp_path, "day=2026-03-01/class=gpu/dcgm-exporter-0.parquet")
    assert len(gpus) == 4 * 8
    first = gpus[0]
    assert {"time", "gpu", "UUID", "Hostname", "job", "instance", "site", "rack"} <= first.keys()
    assert "DCGM_FI_DEV_GPU_TEMP" in first
    assert str(first["time"]) == "2026-03-01 00:00:15+00:00"
    folders = {path.name.removeprefix("class=") for path in tmp_path.glob("day=*/class=*")}
    assert folders <= {device.name for device in DEVICES} | {"site", "event"}
    every = rows(tmp_path, "day=*/class=*/*.parquet")
    numbers = sum(isinstance(value, float) for row in every for value in row.values())
    assert numbers == total


def test_values_are_those_of_the_metrics_pages() -> None:
    """Each sample of a scrape is a line of the page of that moment, and the other way round."""
    own = plan(days=1)
    lived = SimulatedPast(own)
    lived.scrape()
    seen = {
        block.head.name.encode() + labels: value
        for block in lived.blocks()
        for labels, value in zip(block.labels, block.values[-1].tolist(), strict=True)
        if np.isfinite(value)
    }
    lines = [line for line in bytes(lived.page(0)).splitlines() if line and line[:1] != b"#"]
    assert len(lines) > 1000
    for line in lines:
        name, _, value = line.rpartition(b" ")
        assert seen[name + b" "] == float(value)


def test_values_do_not_depend_on_how_many_scrapes_are_taken_at_once() -> None:
    """Roll-ups of many scrapes at once are those of each, over a fault and scrapes passed by."""
    found: list[dict[tuple[str, bytes, int], float]] = []
    for each in (1, 3):
        own: dict[tuple[str, bytes, int], float] = {}
        lived = SimulatedPast(plan(days=3, detail="rack"))
        for scrape in range(9):
            if scrape == 1:
                lived.inject("gpu-off-bus", "r0001/n1/gpu3", 20.0)
            lived.scrape()
            if scrape == 5:
                lived.forget()
            if (scrape + 1) % each == 0:
                own |= {
                    (block.head.name, labels, time): value
                    for block in lived.blocks()
                    for labels, values in zip(block.labels, block.values.T, strict=True)
                    for time, value in zip(block.times.tolist(), values.tolist(), strict=True)
                    if np.isfinite(value) and time > (START + 6 * 15) * 1000
                }
        found.append(own)
    assert found[0] == found[1]
    assert any(name.endswith("_total") and name.startswith("rack") for name, *_ in found[0])


def test_what_was_scraped_is_not_what_comes_later() -> None:
    """Blocks that are computed after more scrapes are those of the scrapes before the call."""
    found: list[list[tuple[str, bytes, bytes]]] = []
    for later in (0, 2):
        lived = SimulatedPast(plan(days=1))
        for _ in range(2):
            lived.scrape()
        taken = lived.blocks()
        for _ in range(later):
            lived.scrape()
        found.append([(own.head.name, own.times.tobytes(), own.values.tobytes()) for own in taken])
        assert len(list(lived.blocks())) == (len(found[0]) if later else 0)
    assert found[0] == found[1]


def test_openmetrics_and_blocks_have_the_same_samples(tmp_path: Path) -> None:
    """A file ends as OpenMetrics wants it, has each family once, and as many samples as Parquet."""
    total, _ = written(plan(days=1), target_of(f"openmetrics:{tmp_path / 'text'}"))
    text = (tmp_path / "text/2026-03-01/001.om").read_text(encoding="utf-8")
    assert text.endswith("# EOF\n")
    heads = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == total
    assert samples[0].endswith(" 1772323215.000")
    again, _ = written(plan(days=1), target_of(f"parquet:{tmp_path / 'parquet'}"))
    assert again == total


def test_past_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Days that are there stay, later ones follow from the kept state, and none is made twice."""
    target = target_of(f"parquet:{tmp_path / 'parts'}")
    assert written(plan(days=1), target)[1] == [0]
    assert written(plan(days=3), target)[1] == [60, 120]
    assert written(plan(days=3), target) == (0, [])
    whole = target_of(f"parquet:{tmp_path / 'whole'}")
    written(plan(days=3), whole)
    parts, one = (
        rows(tmp_path / folder, "day=2026-03-01T000200/class=gpu/dcgm-exporter-0.parquet")
        for folder in ("parts", "whole")
    )
    assert parts == one
    with pytest.raises(ConfigError, match="a past of another site, detail, step or seed"):
        written(plan(days=3, seed=2), target)


def test_what_is_cut_short_leaves_no_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that fails half way is not there, and the next call makes it."""
    target = target_of(f"parquet:{tmp_path}")
    real, calls = SimulatedPast.scrape, 0

    def failing(self: SimulatedPast) -> None:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        real(self)

    monkeypatch.setattr(SimulatedPast, "scrape", failing)
    with pytest.raises(KeyboardInterrupt):
        written(plan(), target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".twin-history", "day=2026-03-01"]
    assert written(plan(), target)[1] == [60]


def test_detail_chooses_the_size(tmp_path: Path) -> None:
    """The estimate is the number of series times scrapes, and less detail makes it smaller."""
    target = ParquetTarget(tmp_path)
    full, less = (estimated(plan(detail=detail), target) for detail in ("gpu", "rack"))
    assert less.series < full.series
    assert full.samples == full.series * 4 * 2
    total, _ = written(plan(), target)
    assert total == pytest.approx(full.samples, rel=0.05)
    assert estimated(plan(), target).samples == 0


def test_series_that_comes_and_goes_is_one_series(tmp_path: Path) -> None:
    """Blocks of one series are put together, and a time without a value has no line."""
    own = head("m_total", "counter", "A counter.")

    def block(labels: list[bytes], times: list[int], values: list[list[float]]) -> Block:
        return Block(own, "gpu", labels, True, np.array(times), np.array(values))

    blocks: Iterable[Block] = [
        block([b'{a="1"} ', b'{a="2"} '], [1000, 2500], [[1, 2], [3, np.nan]]),
        block([b'{a="2"} '], [3000], [[4]]),
    ]
    assert write_openmetrics(tmp_path / "x.om", blocks) == 4
    assert (tmp_path / "x.om").read_text().splitlines() == [
        "# HELP m A counter.",
        "# TYPE m counter",
        'm_total{a="1"} 1 1.000',
        'm_total{a="1"} 3 2.500',
        'm_total{a="2"} 2 1.000',
        'm_total{a="2"} 4 3.000',
        "# EOF",
    ]


@pytest.mark.parametrize("text", ["parquet", "parquet:", "csv:x", "", "./x"])
def test_unknown_target_is_refused(text: str) -> None:
    """What is no target is refused with those that are."""
    with pytest.raises(ConfigError, match="write one of parquet:FOLDER, openmetrics:FOLDER"):
        target_of(text)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without promtool or pyarrow, or with a file in the folder's place, one sentence says so."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="promtool is not installed"):
        target_of(f"blocks:{tmp_path}")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'pyarrow>=18'"):
        target_of(f"parquet:{tmp_path}").day(START)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        target_of(f"parquet:{tmp_path / 'file'}")


@pytest.mark.integration
def test_prometheus_takes_the_blocks(tmp_path: Path) -> None:
    """Blocks of a day are made by promtool, and none is left half-made."""
    total, _ = written(plan(days=1), target_of(f"blocks:{tmp_path}"))
    assert total > 1000
    blocks = [path for path in tmp_path.iterdir() if (path / "meta.json").is_file()]
    assert blocks
    assert (tmp_path / "twin-history-2026-03-01").is_file()
    assert not list(tmp_path.glob(".twin-history-2*"))


@pytest.mark.integration
def test_promtool_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What promtool complains of ends the command, and the day is not there."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/promtool").write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    (tmp_path / "bin/promtool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    target = target_of(f"blocks:{tmp_path / 'past'}")
    with pytest.raises(ServiceError, match="promtool could not make blocks: no space left"):
        written(plan(days=1), target)
    assert [path.name for path in (tmp_path / "past").iterdir()] == [".twin-history"]


def test_processes_write_what_one_writes(tmp_path: Path) -> None:
    """Days shared by two processes have the rows of those that one process writes."""
    shared, alone = (target_of(f"parquet:{tmp_path / name}") for name in ("shared", "alone"))
    assert written(plan(days=2), shared, processes=2) == written(plan(days=2), alone)
    for pattern in ("day=*/class=gpu/*.parquet", "day=*/class=site/*.parquet"):
        assert rows(tmp_path / "shared", pattern) == rows(tmp_path / "alone", pattern)


def test_process_that_fails_is_told(tmp_path: Path) -> None:
    """What goes wrong in a process that shares the days is said, and its day is not there."""
    target = target_of(f"parquet:{tmp_path / 'past'}")
    (tmp_path / "past/.day=2026-03-01.new").touch()
    with pytest.raises(ServiceError, match=r"day=2026-03-01\.new"):
        written(plan(days=2), target, processes=2)
    assert not target.has(START)


def test_steps_are_long_only_where_nothing_is_wrong() -> None:
    """The plant takes longer steps once a quarter of an hour of a day has been quiet."""
    own = replace(plan(days=2), step=450, day=1800)
    lived = SimulatedPast(own)
    longest = []
    for scrape in range(8):
        lived.pass_by()
        longest.append(lived.longest)
        if scrape == 5:
            lived.inject("pump-failure", "r0001/pump1", 60.0)
    short, long = own.longest, own.quiet
    assert longest == [short, short, long, long, short, short, short, short]
