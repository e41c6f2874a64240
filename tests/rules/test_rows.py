"""Labels by which an expression can be divided."""

from __future__ import annotations

from tests.every import every
from twin.rules.rows import divides

DIVIDED = (
    "a > 1", "-a", "a / (a + b) > 0.8", "rate(a[5m]) > 0", "max_over_time((a > 1)[5m:1m]) > 0",
    "sum by (x, y) (a)", "sum without (y) (a)", "topk by (x) (2, a)", "a * on (x) group_left (v) b",
    "a and ignoring (y) b", "a unless on (x) b", "a or b", "r > 1", "a offset 5m > time()",
    'label_replace(a, "y", "$1", "x", "(.*)")', "quantile by (x) (0.9, a)", "clamp_max(a, 3)",
    'count_values by (x) ("v", a)',
)  # fmt: skip
MIXED = (
    "sum(a)", "sum by (y) (a)", "sum without (x) (a)", "topk(3, a)", "a > scalar(avg(a))",
    "absent(a)", "absent_over_time(a[5m])", "a > on () group_left avg(b)", "a and ignoring (x) b",
    'label_replace(a, "x", "$1", "y", "(.*)")', 'label_join(a, "x", "-", "y")', "vector(1)",
    'count_values by (x) ("x", a)', '{__name__=~"a|b"} > 1', "ALERTS > 0", "fleet > 1", "itself",
    "hour() > 3", "a or vector(1)", "no PromQL (",
)  # fmt: skip


RECORDED = {"r": ["rate(a[1m])", "sum by (x) (b)"], "fleet": ["sum(a)"], "itself": ["itself"]}


@every("expr, divided", [*((own, True) for own in DIVIDED), *((own, False) for own in MIXED)])
def test_an_expression_is_divided_only_where_values_of_the_label_do_not_mix(
    expr: str, divided: bool
) -> None:
    """Whatever mixes series with different values of the label cannot be divided by it."""
    assert divides(expr, "x", RECORDED) is divided
