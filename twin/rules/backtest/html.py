"""Report of a backtest as one HTML page: alerts, the observer and incidents on one line of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from twin.rules.backtest.outcome import PastOutcome
from twin.rules.backtest.report import Table, backtest_text
from twin.rules.backtest.verdict import AlertRecord, BacktestVerdict

__all__ = ["backtest_html"]

_MOST_BARS = 400
"""Bars of a lane; of more, those that last longest are shown."""
_LEAST_PERCENT = 0.15
"""Width of a bar that can still be seen."""


@dataclass(frozen=True, slots=True)
class _Bar:
    """A time on a lane: start and width in percent of the past, and how it counts."""

    left: float
    width: float
    kind: str


@dataclass(frozen=True, slots=True)
class _Lane:
    """A line of the picture: its name, whose it is, its bars and how many there are."""

    name: str
    kind: str
    bars: Sequence[_Bar]
    count: int


def backtest_html(found: BacktestVerdict) -> str:
    """Return the page."""
    pages = Environment(
        loader=PackageLoader("twin.rules.backtest", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    parts = [_titled(part) for part in backtest_text(found, every=True) if part]
    return pages.get_template("past.html.j2").render(
        complaints=found.complaints, lanes=list(_lanes(found)), parts=parts
    )


def _titled(part: Table | str) -> tuple[Sequence[str], Sequence[Sequence[str]], str]:
    """Return header and rows of a table, or a line."""
    return ((), (), part) if isinstance(part, str) else (*part, "")


def _lanes(found: BacktestVerdict) -> Iterator[_Lane]:
    """Yield incidents, alerts that fired, and what the observer found, in this order."""
    own = found.outcome
    if own.gaps:
        gaps = [(gap.start, gap.end, "gap") for gap in own.gaps]
        yield _lane("no samples", "gap", gaps, own)
    incidents = {check.incident.name: check.incident for check in found.checks}
    for name, each in incidents.items():
        yield _lane(name, "incident", [(each.start, each.end, "incident")], own)
    for kind, records in (("alert", found.alerts), ("twin shadow", found.observer)):
        for record in records:
            if record.firings:
                yield _lane(record.name, kind, list(_times(record, own.settings.end)), own)


def _times(record: AlertRecord, end: float) -> Iterator[tuple[float, float, str]]:
    false = record.false or ()
    for own in record.firings:
        kind = "firing" if record.false is None else "false" if own in false else "excused"
        yield own.firing or 0.0, end if own.ended is None else own.ended, kind


def _lane(
    name: str, kind: str, times: Sequence[tuple[float, float, str]], own: PastOutcome
) -> _Lane:
    start, end = own.settings.start, own.settings.end
    scale = 100.0 / max(end - start, 1.0)
    longest = sorted(times, key=lambda time: time[0] - time[1])[:_MOST_BARS]
    bars = []
    for begins, ends, counts in longest:
        left = (max(begins, start) - start) * scale
        width = max((min(ends, end) - max(begins, start)) * scale, _LEAST_PERCENT)
        bars.append(_Bar(round(left, 3), round(min(width, 100.0 - left), 3), counts))
    return _Lane(name, kind, bars, len(times))
