"""The table of a divided site is made from a saved result, and says what went wrong in it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from twin.bench.machine import Machine
from twin.bench.results import Recorded
from twin.docs.markdown import BEGIN, END
from twin.docs.scale_out import with_table

PAGE = f"before\n{BEGIN}old\n{END}after\n"
WHOLE = {"series": 1000, "series_expected": 1000, "series_missing": 0, "series_twice": 0}
FIGURES: dict[str, Any] = {
    "site": "demo", "gpus": 1024, "arrays": 2, "interval_seconds": 10.0, "emulators": 3,
    "aggregators": 2, "detail": "rack", "broker": "3 nodes of nats",
    "quiet": {
        "seconds": 60.0, **WHOLE, "prometheus_series": 1000, "late_ticks": 0, "frames": 5000,
        "unsent": 0,
        "cpu_cores": {"emulator-0": 0.1, "emulator-1": 0.15, "aggregator-0": 0.05},
        "rss_mib": {"emulator-0": 90, "emulator-1": 100, "aggregator-0": 80},
    },
    "emulator_killed": {
        **WHOLE, "first_frame_after_seconds": 2.4, "frames_gap_seconds": 10.0, "doubled_frames": 0,
        "prometheus_gap_seconds": 5.0,
    },
    "aggregator_killed": {**WHOLE, "ready_after_seconds": 12.0, "prometheus_gap_seconds": None},
    "broker_node_killed": {
        **WHOLE, "frames_gap_seconds": 20.0, "doubled_frames": 0, "away_seconds": 60.0,
        "whole_after_seconds": 7.0,
        "series_missing_without_it": 0, "prometheus_gap_seconds": 15.0,
    },
    "grown": {
        **WHOLE, "arrays_moved": 1, "arrays": 2, "frames_gap_seconds": 10.0, "doubled_frames": 0,
    },
}  # fmt: skip


def page(figures: dict[str, Any]) -> str:
    """Return the page with the table of these figures."""
    machine = Machine("2026-11-27", "a processor", 2, 25.0, "Linux", "3.11", "0.1.0")
    return with_table(PAGE, Recorded("python -m benchmarks.scale_out", machine, figures))


def test_every_loss_has_a_row() -> None:
    """What was killed, how long it was missed, and whether all was there in the end."""
    text = page(FIGURES)
    assert "3 nodes of nats" in text
    assert "its first frame after 2.4 s; longest time between two frames 10 s" in text
    assert "A node of the broker killed, and started anew after 60 s" in text
    assert "whole 7 s later" in text
    assert "1 of 2 arrays moved" in text
    assert "| 2 emulators, with the facility | 0.25 cores together; the largest 100 MiB |" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_what_went_wrong_is_told() -> None:
    """Series that were there twice and frames that came twice are in the table."""
    bad = copy.deepcopy(FIGURES)
    bad["grown"] |= {"series_twice": 7, "doubled_frames": 3}
    text = page(bad)
    assert "1,000 of 1,000, 7 twice" in text
    assert "3 frames came twice" in text


def test_nothing_measured_is_said() -> None:
    """Without a result the page says so, and a page without its marks is an error."""
    assert "Nothing was measured yet." in with_table(PAGE, None)
    with pytest.raises(ValueError, match=r"scale-out\.md must have one place"):
        with_table("nothing\n", None)
