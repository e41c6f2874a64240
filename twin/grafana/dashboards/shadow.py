"""Twin and reality: what sensors read beside what the observer expects of them."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import GREEN, ORANGE, YELLOW
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import listing, numbers, timeline
from twin.grafana.place_columns import array_column, rack_column
from twin.grafana.queries import shadow as q

__all__ = ["rows"]

_FAR: colors.Steps = ((None, "transparent"), (2, YELLOW), (4, ORANGE))
_NOTHING = "Nothing deviates, or no observer runs"
_NOT_BY_THIS = "This relation finds nothing; those that do are in the table above"
_NOT_JUDGED = "No device is judged, or no observer runs"
_RELATION = TableColumn("relation", "Relation")
_UNIT = TableColumn("unit", "Unit", width=60)


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _found(), _chosen(), _site()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Findings",
            "Culprits of lasting deviations that the observer has found.",
            [Query(q.FOUND)],
            width=4,
            steps=((None, GREEN), (1, ORANGE)),
            decimals=0,
        ),
        numbers(
            "Coverage",
            "Share of the devices that are judged, mean over all relations and arrays. Start-up, "
            "gaps and devices that stand still are not judged.",
            [Query(q.COVERAGE)],
            width=4,
            decimals=0,
        ),
        numbers(
            "Largest drift",
            "Largest change of any device's parameter since it was calibrated.",
            [Query(q.DRIFT)],
            width=4,
            steps=((None, GREEN), (limit.SHADOW_DRIFT.value, ORANGE)),
            decimals=1,
        ),
        numbers(
            "False alarms a week",
            "False findings a week, of all devices together, that the observer is set to accept.",
            [Query(q.FALSE_ALARMS)],
            width=4,
        ),
        numbers(
            "Arrays observed",
            "Arrays on which the observer reports.",
            [Query(q.ARRAYS)],
            width=4,
            decimals=0,
        ),
        numbers(
            "Behind",
            "Age of the observer's oldest report in the time of the frames. It reports once a "
            "block, so up to two blocks are usual.",
            [Query(q.BEHIND)],
            width=4,
            decimals=0,
        ),
    ]


def _found() -> Row:
    return "What deviates", [
        listing(
            "Findings",
            "Each culprit with the cause that fits best, what its sensor reads, what was expected, "
            "and since when; the strongest first. The unit is that of the difference, so a "
            "temperature reads °C and is off by K; Parameter is what the relation's parameter has "
            "changed by. A click opens the rack.",
            [
                Query(q.OFF_SIGMAS),
                Query(q.MEASURED),
                Query(q.EXPECTED),
                Query(q.OFF),
                Query(q.CHANGED),
                Query(q.HELD),
            ],
            [
                array_column(70),
                rack_column(80),
                TableColumn("target", "Culprit"),
                TableColumn("cause", "Cause"),
                _RELATION,
                TableColumn("Value #B", "Measured", width=100, decimals=1),
                TableColumn("Value #C", "Expected", width=100, decimals=1),
                TableColumn("Value #D", "Off by", width=100, decimals=2),
                _UNIT,
                TableColumn("Value #A", "Sigmas", width=80, decimals=1, steps=_FAR),
                TableColumn("Value #E", "Parameter", width=90, decimals=0),
                TableColumn("Value #F", "Since", width=80, decimals=0),
            ],
            width=24,
            nothing=_NOTHING,
            sort="Sigmas",
            descending=True,
        ),
    ]


def _chosen() -> Row:
    return "The relation chosen above", [
        timeline(
            "Measured and expected",
            "What the devices found by this relation read, and what was expected (dashed).",
            [
                Query(q.CHOSEN_MEASURED, "{{target}} measured, {{unit}}"),
                Query(q.CHOSEN_EXPECTED, "{{target}} expected, {{unit}}", dashed=True),
            ],
            width=8,
            nothing=_NOT_BY_THIS,
        ),
        timeline(
            "Mean residual",
            "Mean of measured less expected over the covered devices of each array.",
            [Query(q.CHOSEN_RESIDUAL, "{{array}}, {{unit}}")],
            width=8,
            least=-1,
            most=1,
            nothing=_NOT_JUDGED,
        ),
        timeline(
            "Largest drift",
            "Largest change of a device's parameter since calibration, by array, with its sign.",
            [Query(q.CHOSEN_DRIFT, "{{array}}")],
            width=8,
            least=-limit.SHADOW_DRIFT.value,
            most=limit.SHADOW_DRIFT.value,
            nothing=_NOT_JUDGED,
        ),
    ]


def _site() -> Row:
    return "The whole site", [
        listing(
            "Residuals, worst first",
            "The twenty arrays and relations whose devices deviate most: root mean square over "
            "their standard deviations, about 1 or below while all is well. A click opens the "
            "array.",
            [
                Query(q.WORST_SIGMAS),
                Query(q.WORST_RESIDUAL),
                Query(q.WORST_DRIFT),
                Query(q.WORST_COVERAGE),
            ],
            [
                array_column(70),
                _RELATION,
                TableColumn("Value #A", "Sigmas", width=80, decimals=2, steps=_FAR),
                TableColumn("Value #B", "Mean residual", width=110, decimals=2),
                _UNIT,
                TableColumn("Value #C", "Drift", width=80, decimals=1),
                TableColumn("Value #D", "Covered", width=80, decimals=0),
            ],
            width=14,
            nothing=_NOT_JUDGED,
            sort="Sigmas",
            descending=True,
        ),
        timeline(
            "Residuals by relation",
            "Root mean square of the residuals over their standard deviations, of the array where "
            "it is greatest.",
            [Query(q.SIGMAS, "{{relation}}")],
            width=10,
            least=0,
            worst_first=True,
        ),
        timeline(
            "Drift by relation",
            "Largest change of any device's parameter since calibration.",
            [Query(q.DRIFTS, "{{relation}}")],
            width=12,
            least=0,
            most=limit.SHADOW_DRIFT.value,
            limit=limit.SHADOW_DRIFT.value,
        ),
        timeline(
            "Coverage by relation",
            "Share of the devices that are judged.",
            [Query(q.COVERED, "{{relation}}")],
            width=12,
            least=0,
            most=1,
        ),
    ]
