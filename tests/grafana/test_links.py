"""Links from values of a panel: what they pass on is what the panel's queries give."""

from __future__ import annotations

import json
import re
from typing import Any

import promql_parser

from tests.grafana.panels import pages, panels_of
from tests.grafana.test_dashboards import drill_downs, plain
from twin.grafana.pages import PAGES, DashboardPage


@pages
def test_a_link_passes_on_what_the_queries_give(page: DashboardPage, built: dict[str, Any]) -> None:
    """A place in a link is a label of every series, or a column of the table, none left empty."""
    dashboard = built[page.file]
    for panel in panels_of(dashboard):
        for address in drill_downs({"panels": [panel]}):
            fields = set(re.findall(r'\$\{__data\.fields\["(\w+)"\]\}', address))
            assert fields <= set(columns(panel).values()), panel["title"]
            used = set(re.findall(r"\$\{__field\.labels\.(\w+)\}", address))
            used |= {label for label, name in columns(panel).items() if name in fields}
            given = [labels(plain(dashboard, target["expr"])) for target in panel["targets"]]
            if panel["type"] == "table":  # its rows are joined: the first query has every place
                given = given[:1]
            for one in given:
                assert one is None or used <= one, (panel["title"], address)


def test_a_place_comes_from_the_value_or_from_what_the_reader_chose(built: dict[str, Any]) -> None:
    """With array a002 chosen a rack opens in a002: no link has a place of a hidden variable."""
    for page in PAGES:
        for address in drill_downs(built[page.file]):
            carried = set(re.findall(r"\$\{(\w+):queryparam\}", address)) - {"datasource", "site"}
            outer = {"hall"} if "array" in page.variables else set()
            assert carried <= set(page.variables) | outer, (page.name, address)


def columns(panel: Any) -> dict[str, str]:
    """Return label to name of the columns of a table that are labels, none of other panels."""
    found: dict[str, str] = {}
    for change in panel.get("transformations", ()):
        found |= change["options"].get("renameByName", {})
    assert panel["type"] == "table" or not found, json.dumps(panel["title"])
    return {label: name for label, name in found.items() if not label.startswith("Value")}


def labels(query: str) -> set[str] | None:
    """Return the labels that a query gives to all of its series, None where it drops none."""
    return _labels(promql_parser.parse(query))


def _labels(node: Any) -> set[str] | None:
    match node:
        case promql_parser.AggregateExpr():
            inner = _labels(node.expr)
            if str(node.op) in {"topk", "bottomk"}:
                return inner
            by: set[str] = set(node.modifier.labels) if node.modifier else set()
            found: set[str] | None = by if inner is None else by & inner
        case promql_parser.BinaryExpr():
            found = _labels_of_two(node)
        case promql_parser.Call() if node.func.name == "vector":
            found = set()
        case promql_parser.Call() if node.args and (inner := _labels(node.args[0])) is not None:
            made = {node.args[1].val} if node.func.name == "label_replace" else set()
            found = inner | made
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            found = _labels(node.expr)
        case _:
            found = None
    return found


def _labels_of_two(node: Any) -> set[str] | None:
    left, right = _labels(node.lhs), _labels(node.rhs)
    if _is_number(node.lhs):
        return right
    if str(node.op) != "or" or right is None:
        return left
    return right if left is None else left & right


def _is_number(node: Any) -> bool:
    if isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr):
        return _is_number(node.expr)
    number = isinstance(node, promql_parser.NumberLiteral)
    return number or (isinstance(node, promql_parser.Call) and node.func.name == "time")
