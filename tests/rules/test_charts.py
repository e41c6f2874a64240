"""Charts of alerts: the expression's value and its threshold, of the series that matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin.rules.charts import panels
from twin.rules.sampling import MetricFamily, Samples
from twin.rules.source import load_rules

pytestmark = pytest.mark.integration

SCRAPES = 60
FLAPS = np.zeros((8, SCRAPES))
FLAPS[5, 30:] = 3.0
UPS = np.ones((8, SCRAPES))
UPS[2, 20:40] = 0.0
PORTS = [{"instance": f"host-{n}", "device": "mlx5_0", "note": 'a "b" \\ $1'} for n in range(8)]
SAMPLES = Samples(
    5.0,
    SCRAPES,
    {
        "flaps_total": MetricFamily(PORTS, FLAPS),
        "up": MetricFamily(PORTS, UPS),
        "limit": MetricFamily([{"site": "demo"}], np.full((1, SCRAPES), 0.5)),
    },
)


@pytest.mark.parametrize(
    ("expr", "value", "limits"),
    [
        ("increase(flaps_total[1m]) > 0", (5, "above", 1.0), [0.0]),
        ("0 < increase(flaps_total[1m])", (5, "above", 1.0), [0.0]),
        ("up == 0", (2, "below", 0.5), [0.0]),
        ("up < 1 - 0.5", (2, "below", 0.5), [0.5]),
        ("flaps_total > on () group_left max(limit)", (5, "above", 2.9), [0.5]),
        ("up != 1", (2, "below", 0.5), [1.0]),
    ],
)
def test_the_series_that_fires_is_drawn(
    expr: str, value: tuple[int, str, float], limits: list[float], tmp_path: Path
) -> None:
    """The first curve is the expression's value of the series that made it true, all the time."""
    file = tmp_path / "rules.yml"
    file.write_text(
        f"groups:\n  - name: g\n    rules:\n      - {{alert: A, expr: '{expr}'}}\n",
        encoding="utf-8",
    )
    rules = load_rules([str(file)])
    panel = panels(SAMPLES, rules.alerts, rules, 5.0)[0]
    number, side, bound = value
    first = panel.curves[0]
    assert f"instance=host-{number}" in first.name
    values = [own for _, own in first.points]
    assert (max(values) > bound) if side == "above" else (min(values) < bound)
    assert len(first.points) >= SCRAPES - 3
    assert sorted({own for curve in panel.limits for _, own in curve.points}) == limits
