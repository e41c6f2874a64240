"""Parts of a past are written in order, one behind the simulation, and what fails is told."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from twin.history import PastPlan, processes_for, target_of
from twin.history.part_queue import PartQueue
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of


def test_parts_are_written_in_order_beside_the_simulation() -> None:
    """A part is written while the next is made, and its samples are told with the next."""
    begun, go_on, written = threading.Event(), threading.Event(), list[int]()

    def first() -> int:
        begun.set()
        assert go_on.wait(60.0)
        written.append(1)
        return 10

    def second() -> int:
        written.append(2)
        return 20

    with PartQueue() as parts:
        assert parts.put(first) == 0
        assert begun.wait(60.0)
        assert written == []
        go_on.set()
        assert parts.put(second) == 10
        assert parts.wait() == 20
        assert parts.wait() == 0
    assert written == [1, 2]


def test_part_that_fails_is_told() -> None:
    """What writing a part raises is raised where the next is put."""

    def failing() -> int:
        raise OSError("no space left")

    with PartQueue() as parts:
        parts.put(failing)
        with pytest.raises(OSError, match="no space left"):
            parts.put(failing)


def test_rules_are_evaluated_by_one_process(tmp_path: Path) -> None:
    """A past with rules is made by one process, however many it may have."""
    layout = Layout(site_of({"name": "tiny", "racks": 1, "racks_per_array": 1}, "tiny"))
    plan = PastPlan(layout, DetailPlan.of_site(layout.site), 1_772_323_200, 4, 60)
    target = target_of(f"parquet:{tmp_path}")
    assert processes_for(plan, target, 4) == 4
    assert processes_for(replace(plan, rules=True), target, 4) == 1
