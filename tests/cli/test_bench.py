"""``twin bench`` as a user meets it: what it prints, and how it fails."""

from __future__ import annotations

import importlib
import json
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from twin.bench import suite
from twin.bench.bus import BusCost
from twin.bench.codec import CodecCost
from twin.bench.exposition import COLLECTOR, GAUGES, OURS, Exposition
from twin.bench.largest import Largest
from twin.bench.machine import Machine
from twin.bench.plant import StepCost
from twin.bench.site_run import SiteReport
from twin.bench.stages import StageCosts
from twin.bench.suite import FULL, QUICK, STAGES, Effort, Result
from twin.cli import main
from twin.errors import ServiceError

Capture = pytest.CaptureFixture[str]

# The package has the function under that name.
command = importlib.import_module("twin.cli.bench")

RUN = SiteReport(
    site="scaled-9984", gpus=9_984, codec="cbor", broker="mosquitto", interval_seconds=1.0,
    seconds=30.0, ticks=40, late_ticks=0, clock_restarts=0, slowdown=1.0,
    frames_published=8_000, frames_unsent=0, frames_overdue=0, blocked_seconds=0.0,
    frames_received=8_000, frames_missing=0, gaps=0, refused=0, lag_p50_seconds=0.3,
    lag_p99_seconds=0.68, cpu_cores={"broker": 0.1, "emulator": 0.2, "aggregator": 0.3},
    rss_mib={"broker": 10, "emulator": 80, "aggregator": 100}, rss_total_mib=190, held=True,
)  # fmt: skip
RESULT = Result(
    machine=Machine("2026-11-27", "a processor", 2, 25.3, "Linux x86_64", "3.11.7", "0.1.0"),
    step=StepCost(100_032, 12.5, 6.0, 80.0),
    array_step=StepCost(512, 1.25, 1.0, 800.0),
    codecs=(
        CodecCost("json", 5_000, 28_000, 60.0, 300.0, 400.0),
        CodecCost("cbor", 5_000, 25_000, 2.0, 30.0, 50.0),
    ),
    bus=(
        BusCost("mosquitto", 28_000, 20.0, 30.0, 5_000.0),
        BusCost("mosquitto", 25_000, 19.0, 29.0, 6_000.0),
    ),
    stages=StageCosts(
        "colossus-100k",
        100_032,
        8,
        5_000,
        25_000,
        9_000,
        20.0,
        2.0,
        1.0,
        {"encode": 10.0, "store": 13.0},
        5.0,
        900.0,
    ),
    exposition=Exposition(
        48_400, 11_000_000, 6.8, 90.0, 30.0, 866, 5.0, {OURS: 0.125, COLLECTOR: 12.5, GAUGES: 15.0}
    ),
    end_to_end=RUN,
    largest=(
        Largest(1.0, 150_016, "the aggregator's core"),
        Largest(10.0, 1_280_000, "the model's largest site"),
    ),
)


@pytest.fixture(autouse=True)
def signals_are_given_back() -> Iterator[None]:
    """Undo what the command does when it is ended from outside."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def efforts(monkeypatch: pytest.MonkeyPatch) -> list[Effort]:
    """Let nothing be measured; return with how much effort it would have been."""
    asked: list[Effort] = []

    def measure(effort: Effort, begin: Callable[[str], None]) -> Result:
        asked.append(effort)
        for stage in STAGES:
            begin(stage)
        return RESULT

    monkeypatch.setattr(suite, "measure", measure)
    return asked


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``twin bench`` in this process and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["twin", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("efforts")
def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The promised keys are at the top, with everything else beside them, and no other output."""
    assert run(monkeypatch, "--json") == 0
    captured = capsys.readouterr()
    figures = json.loads(captured.out)
    assert figures["step_100k_ms"] == 12.5
    assert figures["expose_us_per_series"] == 0.125
    assert figures["expose_vs_prometheus_client"] == 100.0
    assert figures["ingest_json_samples_per_s"] == 12.5e6
    assert figures["ingest_cbor_samples_per_s"] == 100e6
    assert figures["machine"]["cores"] == 2
    assert figures["end_to_end"]["frames_missing"] == 0
    assert [largest["gpus"] for largest in figures["largest"]] == [150_016, 1_280_000]


@pytest.mark.usefixtures("efforts")
def test_table_has_every_stage(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Each stage has its line, and the largest sites say what limits them and how it is known."""
    monkeypatch.setenv("COLUMNS", "120")
    assert run(monkeypatch) == 0
    text = capsys.readouterr().out
    for words in ("2 cores", "step, 100,032 GPUs", "encode, a rack in json",
                  "decode, a rack in cbor",
                  "publish, json", "receive, cbor", "expose, a series", "100 times as long",
                  "9,984 GPUs end to end", "0.60 cores", "no frame lost", "0.68 s",
                  "150,016", "the aggregator's core", "Derived from that run"):  # fmt: skip
        assert words in text, words


def test_quick_asks_for_less(efforts: list[Effort], monkeypatch: pytest.MonkeyPatch) -> None:
    """``--quick`` and nothing else changes how long it takes."""
    for arguments in ((), ("--quick",), ("--quick", "--json")):
        assert run(monkeypatch, *arguments) == 0
    assert efforts == [FULL, QUICK, QUICK]


def test_losses_are_told(
    efforts: list[Effort], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A machine that did not keep up is not praised."""
    assert efforts == []
    lossy = {name: getattr(RUN, name) for name in RUN.__slots__}
    lossy |= {"frames_missing": 12, "late_ticks": 3, "held": False}
    parts = {name: getattr(RESULT, name) for name in RESULT.__slots__}
    worse = Result(**(parts | {"end_to_end": SiteReport(**lossy)}))
    monkeypatch.setattr(suite, "measure", lambda *_: worse)
    monkeypatch.setenv("COLUMNS", "120")
    assert run(monkeypatch) == 0
    assert "12 frames lost, 3 ticks late" in capsys.readouterr().out


def test_a_process_that_ends_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Whatever was started and failed is named, with status 3 and nothing on standard output."""

    def measure(effort: Effort, begin: Callable[[str], None]) -> Result:
        begin(STAGES[-1])
        raise ServiceError(f"twin emulate ended with status 2 after {effort.seconds:g} s")

    monkeypatch.setattr(suite, "measure", measure)
    assert run(monkeypatch, "--json") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "twin: twin emulate ended with status 2 after 30 s\n" in captured.err


@pytest.mark.usefixtures("efforts")
def test_a_word_too_many(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """An argument that it does not know ends it with status 2."""
    assert run(monkeypatch, "colossus-100k") == 2
    assert "unexpected extra argument" in capsys.readouterr().err


@pytest.mark.usefixtures("efforts")
def test_systems_without_proc(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Where CPU time of processes cannot be read it says so instead of measuring nonsense."""
    monkeypatch.setattr(command, "PROC", "/nonexistent")
    assert run(monkeypatch) == 2
    assert "use Linux" in capsys.readouterr().err
