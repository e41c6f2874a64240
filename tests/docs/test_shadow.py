"""Tables of the observer's page."""

from __future__ import annotations

from typing import Any

import pytest

from twin.bench.machine import Machine
from twin.bench.results import Recorded
from twin.docs.markdown import BEGIN, END
from twin.docs.shadow import with_tables

_MACHINE = Machine("2026-01-31", "a processor", 3, 12.0, "Linux", "3.11", "0.1.0")


def _trial(size: float, observer: float | None, **others: Any) -> dict[str, Any]:
    """Return a row of a result."""
    own = {"fault": "pump", "unit": "%", "size": size, "observer": observer, "named": True}
    more: dict[str, Any] = {
        "rules": [],
        "ruled": None,
        "statistics": None,
        "shift": 0.0,
        "turned": 0.0,
    }
    return {**own, **more, **others}


def test_page_tells_the_smallest_fault_that_was_seen_in_time() -> None:
    """Of each method and span the least size counts, and none says that there was none."""
    figures = {
        "racks": 2, "gpus": 32, "interval_seconds": 5.0,
        "wrong": {"observer": 0, "statistics": 1}, "turned": {"observer": 0, "statistics": 7},
        "flow_percent": 10.0, "kelvin": 1.0,
        "trials": [_trial(2.0, 2_000.0), _trial(5.0, 300.0, statistics=3_000.0), _trial(9.0, 60.0)],
    }  # fmt: skip
    text = with_tables(f"# Page\n{BEGIN}{END}", Recorded("python x.py", _MACHINE, figures))
    assert "| pump | 5 % | none | none | 2 % | none | 5 % |" in text
    assert "| pump | 2 % | 33.3 min | no rule | not in an hour | yes |" in text
    assert "`gpu_temperature`" in text


def test_page_tells_how_many_times_smaller_a_fault_is_seen() -> None:
    """Than by others, or earlier where the smallest is the same, also beyond set points."""
    alike = {"turned": 0.1, "statistics": 600.0}
    figures = {
        "racks": 2, "gpus": 32, "interval_seconds": 5.0,
        "wrong": {"observer": 0, "statistics": 0}, "turned": {"observer": 0, "statistics": 7},
        "flow_percent": 10.0, "kelvin": 1.0,
        "trials": [
            _trial(2.0, 300.0, shift=0.02, **alike),
            _trial(8.0, 60.0, shift=-0.2, **alike, rules=["PumpWorn"]),
        ],
    }  # fmt: skip
    text = with_tables(f"# Page\n{BEGIN}{END}", Recorded("python x.py", _MACHINE, figures))
    assert "| pump | no rule | 2 times earlier | 4 times smaller |" in text
    figures["trials"] = [_trial(2.0, 300.0, rules=["PumpWorn"]), _trial(9.0, 60.0)]
    text = with_tables(f"# Page\n{BEGIN}{END}", Recorded("python x.py", _MACHINE, figures))
    assert "| pump | > 4.5 times smaller | > 4.5 times smaller | > 4.5 times smaller |" in text


def test_page_without_its_place_is_refused() -> None:
    """What is made has one place in the page."""
    with pytest.raises(ValueError, match=r"shadow\.md must have one place"):
        with_tables("# Page\n", None)
