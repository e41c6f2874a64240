"""HTML report: one self-contained file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from twin.rules.audit import RecordingFinding, RuleFinding
from twin.rules.conclusion import Conclusion
from twin.rules.report.drawing import bars_drawing, instances, panel_drawing, sweep_drawing
from twin.rules.result import CheckStatus, ScenarioResult
from twin.rules.sweep import SweepRow
from twin.scenario import show_duration

__all__ = ["html_report"]

_MARKS = {"passed": "✓", "failed": "✗", "skipped": "-"}
_NO_SERIES = Markup('<p class="soft">No series: the site exposes nothing that this selects.</p>')
_NEVER = Markup('<p class="soft">Never pending, never fired.</p>')


def html_report(
    results: Sequence[ScenarioResult],
    findings: Sequence[RuleFinding],
    sweep: Sequence[SweepRow],
    conclusion: Conclusion,
    recorded: Sequence[RecordingFinding] = (),
) -> str:
    """Return the whole page."""
    pages = Environment(
        loader=PackageLoader("twin.rules.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    pages.filters["duration"] = _when
    pages.filters["basename"] = lambda place: Path(place).name
    return pages.get_template("report.html.j2").render(
        conclusion=conclusion,
        results=results,
        findings=findings,
        recorded=recorded,
        sweep=sweep,
        marks=_MARKS,
        left_out=_left_out,
        instances=instances,
        panel_drawing=_drawn(panel_drawing),
        bars_drawing=_drawn(bars_drawing),
        sweep_drawing=_drawn(sweep_drawing),
        no_series=_NO_SERIES,
        never=_NEVER,
    )


def _drawn(draw: Callable[..., str]) -> Callable[..., Markup]:
    """Return a function whose SVG, which is built as a tree, stands in the page as it is."""
    return lambda *args: Markup(draw(*args))  # noqa: S704 - no text, a tree


def _when(second: float | None) -> str:
    return "" if second is None else show_duration(second)


def _left_out(result: ScenarioResult) -> list[tuple[str, int]]:
    """Return why checks were left out, with how many."""
    skipped = (own.detail for own in result.checks if own.status is CheckStatus.SKIPPED)
    return list(Counter(skipped).items())
