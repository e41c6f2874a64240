"""Tables of the present."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from twin.grafana.panel_parts import REFERENCES, Query, TableColumn, cell_look, framed, target
from twin.grafana.units import TEXT

__all__ = ["listing"]


def listing(
    title: str,
    description: str,
    queries: Sequence[Query],
    columns: Sequence[TableColumn],
    *,
    width: int,
    height: int = 8,
    nothing: str,
    sort: str | None = None,
    descending: bool = False,
) -> table.Panel:
    """Return a table, one row a series; queries are merged by their labels.

    Args:
        title: title.
        description: how to read it.
        queries: one or more.
        columns: columns from left to right; other fields are hidden.
        width: grid columns.
        height: grid rows.
        nothing: what to say when there is no row.
        sort: heading of the column that sorts the rows, None for Prometheus's order.
        descending: whether the greatest comes first.
    """
    panel = (
        framed(table.Panel(), title, description, TEXT, width, height)
        .no_value(nothing)
        .show_header(show_header=True)
        .cell_height(common.TableCellHeight.SM)
    )
    answers = {}
    for reference, query in zip(REFERENCES, queries, strict=False):
        asked = target(reference, query).instant().format(PromQueryFormat.TABLE)
        panel = panel.with_target(asked)
        answers[f"Value #{reference}" if len(queries) > 1 else "Value"] = query
    if sort is not None:
        order = common_builders.TableSortByFieldState().display_name(sort).desc(desc=descending)
        panel = panel.sort_by([order])
    if len(queries) > 1:
        panel = panel.with_transformation(
            dashboard.DataTransformerConfig(id_val="merge", options={})
        )
    panel = panel.with_transformation(_arranged(columns)).with_transformation(_only(columns))
    for column in columns:
        look = cell_look(column, answers.get(column.field))
        panel = panel.override_by_name(column.title, look)
    return panel


def _arranged(columns: Sequence[TableColumn]) -> dashboard.DataTransformerConfig:
    """Return the transformation that names, orders and hides fields."""
    shown = [column.field for column in columns]
    hidden = [name for name in ("Time", "Value", "__name__") if name not in shown]
    return dashboard.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": dict.fromkeys(hidden, True),
            "indexByName": {name: place for place, name in enumerate(shown)},
            "renameByName": {column.field: column.title for column in columns},
        },
    )


def _only(columns: Sequence[TableColumn]) -> dashboard.DataTransformerConfig:
    """Return the transformation that leaves out every other label of the series."""
    return dashboard.DataTransformerConfig(
        id_val="filterFieldsByName",
        options={"include": {"names": [column.title for column in columns]}},
    )
