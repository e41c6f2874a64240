"""Figures of ``scale-out.md``: losses and cost of a divided site, from a saved run.

The page is written by hand except for the part between two marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twin.bench.results import Recorded, load_result
from twin.docs.markdown import between_marks, table
from twin.docs.scale import RESULTS, source

__all__ = ["pages", "with_table"]

_PAGE = Path(__file__).parents[2] / "docs" / "scale-out.md"
_RESULT = RESULTS / "scale-out.json"
_INTRODUCTION = """\
`{site}` ({gpus:,} GPUs in {arrays} arrays) at the detail `{detail}`, a frame of each unit every
{interval_seconds:g} s: {emulators} emulators, the facility, {aggregators} aggregators, {broker},
two Prometheus.

"""

Row = tuple[str, str]


def pages() -> Mapping[str, str]:
    """Return the page, by its path below ``docs/``."""
    text = _PAGE.read_text(encoding="utf-8")
    return {_PAGE.name: with_table(text, load_result(_RESULT))}


def with_table(text: str, result: Recorded | None) -> str:
    """Return the page's text with the table of a result.

    Raises:
        ValueError: the marks are gone.
    """
    return between_marks(text, None if result is None else _section(result), _PAGE.name)


def _section(result: Recorded) -> str:
    figures = result.figures
    introduction = _INTRODUCTION.format(**figures)
    return introduction + table(("What", "Seen"), _rows(figures)) + source(result)


def _rows(figures: Mapping[str, Any]) -> Iterator[Row]:
    quiet = figures["quiet"]
    yield "Series exposed", _complete(quiet)
    if quiet["prometheus_series"] is not None:
        yield "Series in the two Prometheus", f"{quiet['prometheus_series']:,}"
    counts = ", ".join(f"{quiet[name]:,}" for name in ("late_ticks", "unsent"))
    yield (
        f"Ticks late, frames unsent in {quiet['seconds']:.0f} s",
        f"{counts}; {quiet['frames']:,} frames sent",
    )
    yield from _losses(figures)
    for name in ("emulator", "aggregator", "broker"):
        parts = [part for part in quiet["cpu_cores"] if part.startswith(name)]
        if parts:
            cores = sum(quiet["cpu_cores"][part] for part in parts)
            memory = max(quiet["rss_mib"][part] for part in parts)
            title = (
                f"{len(parts)} {name}s, with the facility"
                if name == "emulator"
                else (f"{len(parts)} {name}s")
            )
            yield title, f"{cores:.2f} cores together; the largest {memory} MiB"


def _losses(figures: Mapping[str, Any]) -> Iterator[Row]:
    lost = figures["emulator_killed"]
    back = f"its first frame after {lost['first_frame_after_seconds']:.1f} s"
    yield "An emulator killed and restarted", f"{back}; {_gaps(lost)}"
    lost = figures["aggregator_killed"]
    back = f"all of its racks after {lost['ready_after_seconds']:.1f} s"
    yield "An aggregator killed and restarted", f"{back}; {_gaps(lost)}"
    if (lost := figures.get("broker_node_killed")) is not None:
        away = f"A node of the broker killed, and started anew after {lost['away_seconds']:.0f} s"
        missing = f"without it {lost['series_missing_without_it']:,} series missing"
        yield away, f"{missing}; whole {lost['whole_after_seconds']:.0f} s later; {_gaps(lost)}"
    if (grown := figures.get("grown")) is not None:
        moved = f"{grown['arrays_moved']} of {grown['arrays']} arrays moved"
        yield "One more emulator and aggregator", f"{moved}; {_gaps(grown)}"


def _complete(found: Mapping[str, Any]) -> str:
    twice = f"{found['series_twice']:,} twice" if found["series_twice"] else "none twice"
    return f"{found['series']:,} of {found['series_expected']:,}, {twice}"


def _gaps(found: Mapping[str, Any]) -> str:
    """Return the longest silences, and whether all was there in the end."""
    parts = [
        f"longest time between two {what} {found[name]:.0f} s"
        for what, name in (("frames", "frames_gap_seconds"), ("samples", "prometheus_gap_seconds"))
        if found.get(name) is not None
    ]
    if found.get("doubled_frames"):
        parts.append(f"{found['doubled_frames']} frames came twice")
    return "; ".join([*parts, f"in the end {_complete(found)}"])
