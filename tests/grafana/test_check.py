"""Checking dashboards against a Prometheus, here one that answers from a table."""

from __future__ import annotations

from typing import Any

import pytest

from twin.clients.prometheus import Prometheus, QueryError
from twin.grafana.check import Checked, QueryOutcome, check_dashboard
from twin.grafana.optional_metrics import EXTRA, optional_of
from twin.grafana.queries import host, quiet_queries, reason_to_be_empty
from twin.grafana.substitute import options_of, parse_label_values, substitute

QUIET, FAULT = next(iter(quiet_queries().items()))
IN_FORCE = 'twin_fault_active{site="demo"} == 1'


class Table(Prometheus):
    """Answers with one series to the queries that it has."""

    def __init__(self, *answered: str, sites: tuple[str, ...] = ("demo",)) -> None:
        super().__init__("http://127.0.0.1:1")
        self.answered = answered
        self.sites = sites
        self.asked: list[str] = []

    def now(self) -> float:
        """Return a fixed time."""
        return 1e9

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return one series if the query is in the table."""
        assert at == self.now()
        self.asked.append(query)
        if query == "broken":
            raise QueryError("parse error")
        return [{"metric": {"fault": FAULT}, "value": [0, "1"]}] * (query in self.answered)

    def over_time(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Answer as for one moment."""
        assert 0 < step < end - start
        return self.instant(query, end)

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """Return the sites."""
        assert start < end
        self.asked.append(f"{label} of {selector}")
        return list(self.sites)


def dashboard(*queries: str, instant: bool = True) -> dict[str, Any]:
    """Return a dashboard of one panel with these queries."""
    site = {"type": "query", "name": "site", "query": "label_values(m, site)"}
    several = {
        "type": "query",
        "name": "hall",
        "query": 'label_values(m{site="$site"}, hall)',
        "current": {"value": "$__all"},
        "allValue": ".*",
    }
    chosen = {
        "type": "custom",
        "name": "map",
        "options": [{"value": "heat"}, {"value": "power"}],
    }
    targets = [{"expr": query, "instant": instant} for query in queries]
    return {
        "uid": "twin-test",
        "templating": {"list": [{"type": "datasource", "name": "ds"}, site, several, chosen]},
        "annotations": {"list": []},
        "panels": [{"title": "row"}, {"title": "panel", "targets": targets}],
    }  # fmt: skip


def outcomes(found: list[Checked]) -> list[QueryOutcome]:
    """Return the outcomes of the panel's queries."""
    return [one.outcome for one in found if one.place == "panel"]


def test_variables_are_filled_in_as_a_visitor_would() -> None:
    """The first value of each variable is chosen, or its expression for all."""
    table = Table('q{site="demo", hall=~".*"}')
    query = 'q{site="$site", hall=~"${hall:regex}"}'
    assert outcomes(list(check_dashboard(dashboard(query), table, {}))) == [QueryOutcome.OK]
    assert table.asked[:2] == ["site of m", 'hall of m{site="demo"}']


def test_an_empty_answer_fails() -> None:
    """A panel that shows nothing is a failure, over time as well as now."""
    for instant in (True, False):
        found = list(check_dashboard(dashboard("q", instant=instant), Table(), {}))
        assert outcomes(found) == [QueryOutcome.EMPTY]
        assert found[-1].outcome.failed


def test_a_refused_query_fails_with_its_reason() -> None:
    """What Prometheus says of a wrong query is passed on."""
    found = list(check_dashboard(dashboard("broken"), Table(), {}))
    assert (found[-1].outcome, found[-1].detail) == (QueryOutcome.ERROR, "parse error")


def test_a_quiet_query_may_be_empty_until_its_fault_is_in_force() -> None:
    """While the declared fault is in force an empty answer is a failure."""
    asked = dashboard(QUIET)
    (calm,) = outcomes(list(check_dashboard(asked, Table(), {})))
    (struck,) = outcomes(list(check_dashboard(asked, Table(IN_FORCE), {})))
    assert (calm, struck) == (QueryOutcome.QUIET, QueryOutcome.EMPTY)
    assert not calm.failed


def test_what_a_site_leaves_out_may_be_empty() -> None:
    """A metric that is off by default may be missing, but not on a site that has others such."""
    asked = dashboard('max(site_gpu_thermal_throttling_seconds_total{site="$site"})')
    marker = f'{{__name__=~"{"|".join(EXTRA.markers)}", site="demo"}}'
    (lean,) = outcomes(list(check_dashboard(asked, Table(), {})))
    (full,) = outcomes(list(check_dashboard(asked, Table(marker), {})))
    assert (lean, full) == (QueryOutcome.QUIET, QueryOutcome.EMPTY)


def test_a_choice_is_tried_out_whole() -> None:
    """A query that answers to one choice of a variable is right, to none is empty."""
    table = Table("q_power")
    assert outcomes(list(check_dashboard(dashboard("q_$map", "r_$map"), table, {}))) == [
        QueryOutcome.OK,
        QueryOutcome.EMPTY,
    ]
    assert {"q_heat", "q_power"} <= set(table.asked)


def test_a_variable_without_values_fails() -> None:
    """A variable that offers nothing is a failure of its own."""
    found = list(check_dashboard(dashboard("q"), Table("q", sites=()), {}))
    assert [one.outcome for one in found if one.place == "$site"] == [QueryOutcome.EMPTY]


def test_a_variable_can_be_chosen() -> None:
    """A value that was given is taken for the variable and for those that depend on it."""
    table = Table('q{site="other"}')
    found = list(check_dashboard(dashboard('q{site="$site"}'), table, {"site": "other"}))
    assert outcomes(found) == [QueryOutcome.OK]
    assert 'hall of m{site="other"}' in table.asked


def test_a_hidden_variable_may_be_empty() -> None:
    """A variable that nobody sees, carried along for other dashboards, may offer nothing."""
    asked = dashboard("q")
    for variable in asked["templating"]["list"]:
        variable["hide"] = 2
    found = list(check_dashboard(asked, Table("q", sites=()), {}))
    assert not any(one.outcome.failed for one in found)


def test_replacements_of_regular_expressions_are_left_alone() -> None:
    """``$1`` of label_replace is no variable."""
    assert substitute('label_replace(a, "b", "$1", "c", "$site")', {"site": "x"}) == (
        'label_replace(a, "b", "$1", "c", "x")'
    )
    with pytest.raises(KeyError):
        substitute("$nothing", {})


def test_only_label_values_are_understood() -> None:
    """Another kind of variable's query is refused by name."""
    assert parse_label_values('label_values(m{a=~"b,c"}, site)') == ("site", 'm{a=~"b,c"}')
    for query in ("label_values(site)", "query_result(m)"):
        with pytest.raises(ValueError, match="label_values"):
            parse_label_values(query)


def test_a_reason_to_be_empty_holds_for_queries_in_a_collection() -> None:
    """A query that says why it may be empty is known for it, also one of several in a tuple."""
    stated = [expr for _, expr in (*host.LOAD, *host.PRESSURE)]
    assert [reason_to_be_empty(expr.text) for expr in stated] == [expr.unless for expr in stated]
    assert all(expr.unless for expr in stated)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("label_values(m, site)", ["demo", "other"]),
        ("label_values(site)", ["demo", "other"]),
        ("metrics(^ot)", ["other"]),
        ("query_result(q)", [f'{{fault="{FAULT}"}} 1 0']),
        (" q ", [f'{{fault="{FAULT}"}} 1 0']),
    ],
)
def test_a_variable_may_ask_in_any_way(query: str, options: list[str]) -> None:
    """Label values, metric names, the result of a query and a plain query are what is offered."""
    table = Table("q", sites=("demo", "other"))
    assert options_of(query, table, (0.0, table.now())) == options


def test_a_sorted_result_keeps_its_order() -> None:
    """What Prometheus was asked to sort is offered in that order, anything else by name."""

    class Ordered(Table):
        def instant(self, query: str, at: float) -> list[dict[str, Any]]:
            self.asked.append(query)
            return [{"metric": {"a": own}, "value": [at, "1"]} for own in "ca"]

    table = Ordered("q")
    for query, first in (("query_result(sort_desc(q))", "c"), ("query_result(q)", "a")):
        assert options_of(query, table, (0.0, 0.0))[0].startswith(f'{{a="{first}"}}')


def test_the_regex_of_a_variable_is_applied() -> None:
    """A variable of another dashboard takes what its regex captures of a query's result."""
    asked = dashboard('n{fault="$kind"}')
    asked["templating"]["list"].append(
        {"type": "query", "name": "kind", "query": {"query": "query_result(q)", "refId": "A"},
         "regex": '/fault="(?<value>[^"]+)"/'}
    )  # fmt: skip
    found = list(check_dashboard(asked, Table("q", f'n{{fault="{FAULT}"}}'), {}))
    assert outcomes(found) == [QueryOutcome.OK]


def test_targets_that_only_some_sites_have_are_optional() -> None:
    """``up`` of inference servers is asked of a site that serves nothing; that of hosts of any."""
    found = optional_of('sum(up{job="vllm", site="small"})')
    assert found is not None
    assert found.nothing == "No job serves a model here"
    assert optional_of('sum(up{job="node-exporter", site="small"})') is None
