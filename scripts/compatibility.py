"""Compatibility with other people's dashboards and rules: what of them the twin answers.

A real Prometheus has the scrapes of a small site and is asked every query of the dashboards (JSON)
of a folder; its rules (YAML) are tested against faults.

    scripts/compatibility FOLDER [FOLDER...]             counts, and what is left with its reason
    scripts/compatibility --write docs/compatibility.md FOLDER...
    scripts/compatibility --only rules --write docs/compatibility.md FOLDER...

``--only`` does half of the work, and of a page that is there leaves the other half as it is.
A folder is a collection, named after it; ``SOURCE`` in it says where its files are from, and
``SETUP`` (YAML) what its own scrape configuration adds: ``labels`` of targets with ``{host}`` in
them, ``counters`` (a file of dcgm-exporter), ``ignore_case``, ``scheduler``, ``gpu``. A dashboard
that Prometheus cannot read is asked of a VictoriaMetrics, where one is installed. A query
without an answer has a reason; what a real cluster with the same exporters would not answer either
(other exporters, collectors that are off by default) does not count against the twin. Exit status
1 when less than ``--least`` of the other panels are answered.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compatibility_known import Known
from compatibility_rules import findings, verdict
from site_in_stores import SCHEDULERS, VICTORIA, Setup, Stores, rule_files, setup_of, stores_of

from twin.clients.prometheus import QueryError
from twin.errors import ServiceError

BUILTIN = {
    "__rate_interval": "5m", "__interval": "1m", "__range": "10m", "__interval_ms": "60000",
    "__range_s": "600", "interval": "5m", "resolution": "1m", "rate_interval": "5m",
}  # fmt: skip


_VARIABLE = re.compile(r"\$\{(\w+)(?::[^}]*)?\}|\[\[(\w+)\]\]|\$(\w+)")
_LABEL_VALUES = re.compile(r"label_values\((?:(.+),\s*)?(\w+)\)", re.DOTALL)

ABOUT = """\
Dashboards and rules that others publish, asked of the twin: small sites with whole hosts
(`telemetry: {host: full}`), under Kubernetes, Slurm or Slurm on Kubernetes, in a real Prometheus,
or in a VictoriaMetrics where a dashboard is in MetricsQL. A collection has the labels of targets,
the counters file and the store that its own scrape configuration gives it.
`scripts/compatibility FOLDER` does the same with dashboards and rules of your own.

*Beyond* are panels that a real cluster with the twin's exporters would not answer either, and the
share is of the others: dcgm-exporter, node_exporter, ipmi_exporter, snmp_exporter, mosquitto's
exporter, kube-state-metrics and Slurm's, each with its defaults. Not among them are the programs of
Kubernetes itself (API server, scheduler, controller manager, proxy, kubelet with its cAdvisor,
etcd, CoreDNS), the monitoring's own (Prometheus, Grafana) and what a cloud measures.

A rule is wrong when it lacks a name that one of these exporters has, or fires while nothing is
wrong and a real site would be silent; its faults are those of `scripts/compatibility_scenarios`.
"""


@dataclass
class Tally:
    """What came of a collection."""

    name: str
    source: str
    panels: int = 0
    answered: int = 0
    partly: int = 0
    beyond: int = 0
    rules: int = 0
    wrong: int = 0
    foreign: int = 0
    left: list[tuple[str, str, str]] = field(default_factory=list)
    rules_left: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what came of a dashboard."""
        for name in ("panels", "answered", "partly", "beyond", "left"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def share(self) -> float:
        """Share of the panels that a real cluster would answer."""
        expected = self.panels - self.beyond
        return (self.answered + self.partly) / expected if expected else 1.0


# -- dashboards ------------------------------------------------------------------------


def panels_of(board: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield title and queries of each panel that asks Prometheus."""
    rows = [panel for row in board.get("rows", ()) for panel in row.get("panels", ())]
    for panel in (*board.get("panels", ()), *rows):
        if panel.get("panels"):
            yield from panels_of(panel)
        queries = [t["expr"] for t in panel.get("targets", ()) if t.get("expr", "").strip()]
        if queries:
            yield panel.get("title") or panel.get("type", ""), queries


@dataclass
class Variables:
    """Values for the variables of a dashboard, as a user has them who takes what is offered.

    Attributes:
        values: by name.
        empty: why a variable has no value, and whether a real cluster would have none either.
    """

    values: dict[str, str]
    empty: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def why_empty(self, text: str) -> tuple[str, bool] | None:
        """Return why a text has a variable without a value, None if it has none."""
        used = (match[1] or match[2] or match[3] for match in _VARIABLE.finditer(text))
        return next((self.empty[name] for name in used if name in self.empty), None)


def variables_of(board: Mapping[str, Any], known: Known) -> Variables:
    """Return values for the variables of a dashboard."""
    own = Variables(dict(BUILTIN))
    for variable in board.get("templating", {}).get("list", ()):
        name, query = variable["name"], _query(variable)
        own.values[name] = _value(variable, own.values, known)
        match = _LABEL_VALUES.fullmatch(query.strip())
        if not own.values[name] and match and match[1]:
            selector = known.cased(substituted(match[1], own.values))
            why, beyond = own.why_empty(query) or known.reason(selector)
            text = why if why.startswith("variable ") else f"variable {name} has no value, {why}"
            own.empty[name] = text, beyond
    return own


def _query(variable: Mapping[str, Any]) -> str:
    query = variable.get("query") or variable.get("definition") or ""
    return str(query.get("query", "") if isinstance(query, dict) else query)


def _value(variable: Mapping[str, Any], values: Mapping[str, str], known: Known) -> str:
    kind, text = variable.get("type"), substituted(_query(variable), values)
    if kind in ("datasource", "adhoc"):
        return ""
    if kind in ("constant", "textbox"):
        return text
    if kind in ("custom", "interval"):
        first = text.split(",")[0].strip()
        return first.partition(" : ")[2] or first
    if variable.get("includeAll") and variable.get("allValue"):
        return str(variable["allValue"])
    options = _options(text, known)
    if pattern := str(variable.get("regex") or ""):
        found = [(re.search(pattern.strip("/"), option), option) for option in options]
        # Without a group a pattern only chooses: the value stays whole.
        options = [(m.group(1) if m.groups() else option) for m, option in found if m]
    if variable.get("includeAll"):
        # Grafana writes all values as a pattern, and a single one as it is.
        found = [re.sub(r"[.*+?^${}()|\[\]\\]", r"\\\\\g<0>", option) for option in options]
        return f"({'|'.join(found)})" if len(found) > 1 else "".join(options) or ".*"
    return options[0] if options else ""


def _options(query: str, known: Known) -> list[str]:
    try:
        if match := _LABEL_VALUES.fullmatch(query.strip()):
            selector = known.cased(match[1] or '{__name__!=""}')
            return known.store.label_values(match[2], selector, known.start, known.at)
        if match := re.fullmatch(r"query_result\((.+)\)", query.strip(), re.DOTALL):
            rows = known.store.instant(match[1], known.at)
            return [json.dumps(row["metric"]).replace('": "', '="') for row in rows]
    except (QueryError, ServiceError):
        return []
    return []


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Return a text with variables replaced, as Grafana writes them."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        return values.get(name, match[0])

    return _VARIABLE.sub(value, text)


class _Opened:
    """The stores of a site, a VictoriaMetrics only where a dashboard wants one."""

    def __init__(self, stores: Stores, setup: Setup) -> None:
        self._stores, self._setup = stores, setup
        self.prometheus = Known(stores.prometheus, stores.end, setup)
        self._victoria: Known | None = None

    def victoria(self) -> Known:
        """Return what a VictoriaMetrics knows."""
        if self._victoria is None:
            own = self._stores
            self._victoria = Known(own.victoria(), own.end, self._setup, metricsql=True)
        return self._victoria


def judge_board(path: Path, stores: _Opened, tally: Tally) -> None:
    """Ask all queries of a dashboard.

    What Prometheus cannot read is MetricsQL, and its users have a VictoriaMetrics.
    """
    board = json.loads(path.read_text(encoding="utf-8"))
    board = board.get("dashboard", board)
    known = stores.prometheus
    asked = _asked(board, known)
    if VICTORIA and not all(known.accepts(query) for _, queries in asked for query, _ in queries):
        known = stores.victoria()
        asked = _asked(board, known)
    for title, queries in asked:
        tally.panels += 1
        found = [_judged(query, known, empty) for query, empty in queries]
        good = [reason for reason, _ in found if not reason]
        bad = [(reason, beyond) for reason, beyond in found if reason]
        owed = [reason for reason, beyond in bad if not beyond]
        if good:
            tally.answered += not bad
            tally.partly += bool(bad)
        elif not owed:
            tally.beyond += 1
        left = owed[:1] if good else [reason for reason, _ in bad[:1]]
        tally.left += [(path.stem, title, reason) for reason in left]


_Query = tuple[str, tuple[str, bool] | None]
"""A query, and why a variable in it has no value."""


def _asked(board: Mapping[str, Any], known: Known) -> list[tuple[str, list[_Query]]]:
    """Return title and queries of each panel, with the values of variables that a store has."""
    own = variables_of(board, known)
    return [
        (
            title,
            [(known.cased(substituted(q, own.values)), own.why_empty(q)) for q in queries],
        )
        for title, queries in panels_of(board)
    ]


def _judged(query: str, known: Known, empty: tuple[str, bool] | None = None) -> tuple[str, bool]:
    """Return why a query has no answer, empty if it has one, and whether none is expected."""
    try:
        return ("", False) if known.answers(query) else known.reason(query, empty)
    except QueryError as error:
        store = "VictoriaMetrics" if known.metricsql else "Prometheus"
        return f"{store} refuses it: {str(error)[:90]}", True


# -- the whole ---------------------------------------------------------------------------


def judge_boards(folder: Path, stores: _Opened) -> dict[Path, Tally]:
    """Judge every dashboard of a collection."""
    found = {}
    for path in sorted(folder.rglob("*.json")):
        found[path] = Tally(path.stem, "")
        judge_board(path, stores, found[path])
    return found


def judged_boards(
    folders: Sequence[Path], schedulers: Sequence[str], edition: str
) -> dict[Path, Tally]:
    """Judge the dashboards of all collections, each on sites as its own setup has them."""
    setups: dict[tuple[Setup, str], list[Path]] = {}
    for folder in folders:
        setup = setup_of(folder)
        for kind in setup.kinds(schedulers):
            setups.setdefault((setup, kind), []).append(folder)
    boards: dict[Path, dict[Path, Tally]] = {folder: {} for folder in folders}
    for (setup, kind), own in setups.items():
        with stores_of(kind, edition, setup, own) as stores:
            opened = _Opened(stores, setup)
            for folder in own:
                found = judge_boards(folder, opened)
                print(f"  {kind}: {_told(_summed(folder, found))}", flush=True)
                best = boards[folder]
                # A site has one scheduler; a dashboard is for one of them.
                best |= {
                    path: max(best.get(path, one), one, key=_merit) for path, one in found.items()
                }
    return {folder: _summed(folder, best) for folder, best in boards.items()}


def _summed(folder: Path, boards: Mapping[Path, Tally]) -> Tally:
    """Return what came of a collection's dashboards together."""
    source = folder / "SOURCE"
    tally = Tally(folder.name, source.read_text().strip() if source.exists() else "")
    for board in boards.values():
        tally.add(board)
    return tally


def _told(own: Tally) -> str:
    return (
        f"{own.name}: {own.panels} panels, {own.beyond} beyond, {own.answered} answered, "
        f"{own.partly} partly: {own.share:.0%}"
    )


def _merit(tally: Tally) -> tuple[int, int]:
    return tally.answered + tally.partly, tally.beyond


def judge_rules(tallies: Mapping[Path, Tally], edition: str) -> None:
    """Test the rules of all collections, each by itself: a site has one of them."""
    for folder, tally in tallies.items():
        files = rule_files(folder)
        if not files:
            continue
        for path, found in findings(files, edition).items():
            for own in found:
                kind, why = verdict(own)
                tally.rules += 1
                tally.foreign += kind == "beyond"
                tally.wrong += kind == "wrong"
                if why:
                    tally.rules_left.append((path.stem, own.rule.name, why))
        print(f"  {tally.name}: {tally.rules} alerts, {tally.wrong} wrong", flush=True)


def page(tallies: Sequence[Tally], before: str = "") -> str:
    """Return the page of what is compatible and what is not.

    What ``tallies`` have no panels or no rules of is taken from the page ``before``.
    """
    boards = [tally for tally in tallies if tally.panels]
    rules = [tally for tally in tallies if tally.rules]
    lines = [
        "<!-- Made by `scripts/compatibility --write`; do not edit. -->",
        "# Compatibility",
        "",
        *ABOUT.splitlines(),
    ]
    for title, told in (("Dashboards", _of_boards(boards)), ("Rules", _of_rules(rules))):
        lines += ["", f"## {title}", "", *(told or _section(before, title))]
    return "\n".join(lines) + "\n"


def _of_boards(tallies: Sequence[Tally]) -> list[str]:
    if not tallies:
        return []
    return [
        "| Collection | Panels | Beyond | Answered | Partly | Share |",
        "| --- | --: | --: | --: | --: | --: |",
        *(
            f"| {t.name}: {t.source} | {t.panels} | {t.beyond} | {t.answered} | {t.partly} "
            f"| {t.share:.0%} |"
            for t in tallies
        ),
        *_left("Panel", (row for t in tallies for row in t.left)),
    ]


def _of_rules(tallies: Sequence[Tally]) -> list[str]:
    if not tallies:
        return []
    return [
        "| Collection | Alerts | Of other exporters | Wrong |",
        "| --- | --: | --: | --: |",
        *(f"| {t.name}: {t.source} | {t.rules} | {t.foreign} | {t.wrong} |" for t in tallies),
        *_left("Rule", (row for t in tallies for row in t.rules_left)),
    ]


def _left(kind: str, rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return the table of what is left, with its reasons."""
    return [
        "", f"### What is left of the {kind.lower()}s", "",
        f"| File | {kind} | Why |", "| --- | --- | --- |",
        *(f"| {a} | {_cell(b)} | {_cell(c)} |" for a, b, c in dict.fromkeys(rows)),
    ]  # fmt: skip


def _section(page: str, title: str) -> list[str]:
    """Return the lines below a heading of a page, up to the next of its level."""
    _, found, rest = page.partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0].strip().splitlines() if found else ["Not counted yet."]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").replace("<", "&lt;").split())


def main() -> int:
    """Judge the folders of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--write", type=Path, help="write the page")
    parser.add_argument("--dcgm", default="4.8.2", help="edition of dcgm-exporter")
    parser.add_argument("--scheduler", action="append", choices=SCHEDULERS, help="all unless given")
    parser.add_argument("--only", choices=("dashboards", "rules"), help="both unless given")
    parser.add_argument("--least", type=float, default=0.9, help="share of the panels")
    options = parser.parse_args()
    if options.only == "rules":
        found = {folder: _summed(folder, {}) for folder in options.folders}
    else:
        if not VICTORIA:
            print("no VictoriaMetrics is installed: dashboards in MetricsQL count as refused")
        kinds = options.scheduler or tuple(SCHEDULERS)
        found = judged_boards(options.folders, kinds, options.dcgm)
    if options.only != "dashboards":
        judge_rules(found, options.dcgm)
    tallies = [found[folder] for folder in options.folders]
    for tally in tallies:
        print(
            f"{_told(tally)}; {tally.rules} alerts, {tally.foreign} of other exporters, "
            f"{tally.wrong} wrong"
        )
    if options.write:
        before = options.write.read_text(encoding="utf-8") if options.write.exists() else ""
        options.write.write_text(page(tallies, before), encoding="utf-8")
    else:
        rows = (row for tally in tallies for row in (*tally.left, *tally.rules_left))
        for row in dict.fromkeys(rows):
            print("  " + " | ".join(row))
    expected = sum(t.panels - t.beyond for t in tallies)
    reached = sum(t.answered + t.partly for t in tallies)
    return int(reached < options.least * expected)


if __name__ == "__main__":
    sys.exit(main())
