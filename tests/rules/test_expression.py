"""What expressions read, and the parts they are made of."""

from __future__ import annotations

import math

import pytest

from twin.rules.expression import ExpressionPart, Selector, parts, reach, selectors, sievable


@pytest.mark.parametrize(
    ("expr", "read"),
    [
        ("up", [Selector("up")]),
        ('rate(a{x="1"}[5m])', [Selector("a", (("x", "=", "1"),), 300)]),
        ('a{y!~"b.*"}', [Selector("a", (("y", "!~", "b.*"),))]),
        ("max_over_time(rate(a[1m])[10m:30s])", [Selector("a", (), 660)]),
        ("a > b offset 5m", [Selector("a"), Selector("b")]),
        ("topk(scalar(k), -(a))", [Selector("a"), Selector("k")]),
        ('{__name__="a"}', [Selector("a", (("__name__", "=", "a"),))]),
        ('{__name__=~"a.*"}', [Selector(None, (("__name__", "=~", "a.*"),))]),
        ('label_replace(a, "x", "$1", "y", "(.*)")', [Selector("a")]),
    ],
)  # fmt: skip
def test_every_selector_is_found(expr: str, read: list[Selector]) -> None:
    """A series is found wherever it stands in an expression, with the range it is read over."""
    assert list(selectors(expr)) == read


@pytest.mark.parametrize(
    ("expr", "seconds"),
    [
        ("a", 300),
        ("a offset 5m", 600),
        ("rate(a[5m] offset 1m)", 360),
        ("a > 1 or on () quantile(scalar(b offset 1h), a)", 3900),
        ("max_over_time(rate(a[5m])[1h:30s])", 3930),
        ("max_over_time(abs(a)[1m:] offset 2m)", 780),
        ("vector(1)", 0),
        ("a offset -5m", math.inf),
        ("a @ 5", math.inf),
        ("new_syntax{ some_metric <~> 5", math.inf),
    ],
)
def test_how_far_back_an_expression_reads(expr: str, seconds: float) -> None:
    """Nothing older is read than lookback, ranges and offsets add up to."""
    assert reach(expr) == seconds


def test_an_expression_of_tomorrow_reads_every_word() -> None:
    """What the parser does not know is taken to read all that it might."""
    assert Selector("some_metric") in selectors("new_syntax{ some_metric <~> 5")


def test_names_are_chosen_as_prometheus_does() -> None:
    """Matchers on the name choose among the metrics of a site."""
    known = ["a", "ab", "b"]
    assert Selector("a").names(known) == {"a"}
    assert Selector(None, (("__name__", "=~", "a.*"),)).names(known) == {"a", "ab"}


@pytest.mark.parametrize(
    ("matcher", "chosen"),
    [
        (("x", "=", "1"), True),
        (("x", "!=", "1"), False),
        (("x", "=~", "1|2"), True),
        (("x", "=~", "."), True),
        (("x", "!~", "1.+"), True),
        (("missing", "=", ""), True),
        (("missing", "=~", ".+"), False),
        (("x", "=~", "(?P<"), True),
    ],
)
def test_matchers_hold_as_in_prometheus(matcher: tuple[str, str, str], chosen: bool) -> None:
    """Regular expressions are anchored, a missing label is empty, an odd one excludes nothing."""
    assert Selector("a", (matcher,)).selects({"x": "1"}) is chosen


def test_an_expression_is_cut_at_its_joints() -> None:
    """Set operators part an expression, a comparison parts what is compared from the limit."""
    assert parts("(a > 5 and on (x) rate(b[1m]) <= c) unless d") == (
        ExpressionPart("a > 5", "", "a", "> 5", "5", scalar=True),
        ExpressionPart("rate(b[1m]) <= c", "and", "rate(b[1m])", "<= c", "c"),
        ExpressionPart("d", "unless", "d"),
    )


def test_only_what_depends_on_the_query_itself_escapes_the_sieve() -> None:
    """An expression that asks for the start or end of a query cannot be asked in windows."""
    assert sievable("a > 5")
    assert not sievable("a @ end() > 5")


@pytest.mark.parametrize("expr", ["a" + " + a" * 5000, "(" * 2000 + "a" + ")" * 2000])
def test_nested_beyond_any_rule(expr: str) -> None:
    """What would overflow the parser's stack is read as words, and the process lives."""
    assert selectors(expr) == (Selector("a"),)
    assert [part.text for part in parts(expr)] == [expr]


def test_strings_do_not_nest() -> None:
    """A long pattern of a label is no nesting."""
    pattern = "|".join(f"(a{n}-b)" for n in range(1000))
    (selector,) = selectors(f'up{{job=~"{pattern}"}}')
    assert selector.name == "up"


def test_a_range_beyond_any_duration() -> None:
    """A number that no duration holds is no crash of the parser; digits after a point are none."""
    assert selectors("up[99999999999999999999s]") == (Selector("up"), Selector("s"))
    assert selectors("a * 0.12345678901234567890") == (Selector("a"),)


@pytest.mark.parametrize(
    ("expr", "value", "comparison", "scalar"),
    [
        ("10 < a", "a", "> 10", True),
        ("0.9 * 10 >= a", "a", "<= 0.9 * 10", True),
        ("a > 5 * 60", "a", "> 5 * 60", True),
        ("a == scalar(b)", "a", "== scalar(b)", True),
        ("time() - a > 600", "time() - a", "> 600", True),
        ("a > on (x) group_left b", "a", "> b", False),
    ],
)
def test_a_comparison_has_its_value_and_its_limit(
    expr: str, value: str, comparison: str, *, scalar: bool
) -> None:
    """Whichever side the number stands on, the vector is the value and the number the limit."""
    (part,) = parts(expr)
    assert (part.value, part.comparison, part.scalar) == (value, comparison, scalar)
