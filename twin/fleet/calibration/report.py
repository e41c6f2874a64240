"""Report of a calibration as an HTML page: parameters, errors on held-back time, and pictures."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from twin.drawing import IN_PAGE, Drawing, DrawnLine, round_axis, time_axis
from twin.fleet.calibration.fitting import CalibratedSite, HeldBack
from twin.scenario import show_duration

__all__ = ["calibration_html"]

_COLOURS = {"before": "#c2410c", "after": "#15803d"}
_MEASURED = "#6b7280"


def calibration_html(site: CalibratedSite, name: str, span: str) -> str:
    """Return the page.

    Args:
        site: that was calibrated.
        name: of the site.
        span: the past that was read, in words.
    """
    pages = Environment(
        loader=PackageLoader("twin.fleet.calibration", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    pages.filters["number"] = lambda value: f"{value:.4g}"
    return pages.get_template("report.html.j2").render(
        site=site,
        name=name,
        span=span,
        fitted=show_duration(round(site.fitted_seconds)),
        held=show_duration(round(site.held_seconds)),
        drawn=_drawn,
    )


def _drawn(own: HeldBack) -> Markup:
    """Return the picture of a relation on the part held back."""
    values = [value for _, points in own.trace for _, value in points]
    if not values:
        return Markup()
    ends = [points[-1][0] for _, points in own.trace if points]
    x, y = time_axis(max(ends)), round_axis(values)
    drawing = Drawing(IN_PAGE)
    drawing.axes(x, y)
    drawing.lines(
        x, y, [DrawnLine(name, _COLOURS.get(name, _MEASURED), points) for name, points in own.trace]
    )
    return Markup(drawing.text)  # noqa: S704 - no text, a tree
