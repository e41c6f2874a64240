"""Heatmaps: the number of series at each value over time."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import heatmap
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from twin.grafana.panel_parts import Query, framed, target

__all__ = ["density"]


def density(
    title: str,
    description: str,
    query: Query,
    *,
    width: int,
    height: int = 8,
    bucket: float | None = None,
) -> heatmap.Panel:
    """Return a panel that counts series by value over time, readable for any number of them.

    Args:
        title: title.
        description: how to read it.
        query: the series.
        width: grid columns.
        height: grid rows.
        bucket: height of a bucket, in the query's unit; None where the query gives buckets.
    """
    unit = query.expr.unit
    asked = target("A", query)
    panel = framed(heatmap.Panel(), title, description, unit, width, height)
    if bucket is None:
        asked = asked.format(PromQueryFormat.HEATMAP)
    else:
        panel = panel.calculate(calculate=True).calculation(_calculated(bucket))
    return (
        panel.y_axis(heatmap.YAxisConfig().unit(unit).decimals(0))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .steps(32)
            .exponent(0.5)
        )
        .cell_gap(1)
        .hide_legend()
        .with_target(asked)
    )


def _calculated(bucket: float) -> common_builders.HeatmapCalculationOptions:
    size = common.HeatmapCalculationMode.SIZE
    buckets = common_builders.HeatmapCalculationBucketConfig
    return (
        common_builders.HeatmapCalculationOptions()
        .x_buckets(buckets().mode(size).value("15s"))
        .y_buckets(buckets().mode(size).value(str(bucket)))
    )
