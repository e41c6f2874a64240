"""Compatibility with other people's dashboards and rules: what of them the twin answers.

A real Prometheus has the scrapes of a small site and is asked every query of the dashboards (JSON)
and rules (YAML) of a folder.

    scripts/compatibility FOLDER [FOLDER...]             counts, and what is left with its reason
    scripts/compatibility --write docs/compatibility.md FOLDER...

A folder is a collection, named after it; ``SOURCE`` in it says where its files are from. A query
without an answer has a reason; what a real cluster with the same exporters would not answer either
(other exporters, collectors that are off by default) does not count against the twin. Exit status
1 when less than ``--least`` of the other panels are answered.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from site_in_prometheus import MINUTES, prometheus_of, rule_files

from twin.catalog import DEVICES
from twin.catalog.editions import EDITIONS
from twin.catalog.real_exporters import exporter_of
from twin.clients.prometheus import Prometheus, QueryError
from twin.errors import ConfigError, ServiceError
from twin.rules.expression import selectors
from twin.rules.source import load_rules

BUILTIN = {
    "__rate_interval": "5m", "__interval": "1m", "__range": "10m", "__interval_ms": "60000",
    "__range_s": "600", "interval": "5m", "resolution": "1m", "rate_interval": "5m",
}  # fmt: skip
ALSO_OFF = {
    "node-exporter": "its collector is off by default, or finds nothing on such a host",
    "dcgm-exporter": "off in the exporter's default list",
    "snmp-exporter": "of another module than if_mib",
}
"""Exporters of the twin all of whose defaults it has: what it lacks of them is no default."""
NO_OBJECTS = re.compile(
    r"kube_(deployment|statefulset|daemonset|replicaset|horizontalpodautoscaler|persistentvolume"
    r"|cronjob|resourcequota|poddisruptionbudget|hpa|volumeattachment|ingress|service|customresource)"
)
"""Objects of Kubernetes that the twin's cluster has none of: it runs jobs on nodes."""
OWN = frozenset({"ipmi-exporter", "mosquitto-exporter", "kube-state-metrics", "slurm"})
"""Exporters that the twin stands for and that may still lack defaults."""


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

    @property
    def share(self) -> float:
        """Share of the panels that a real cluster would answer."""
        expected = self.panels - self.beyond
        return (self.answered + self.partly) / expected if expected else 1.0


class Known:
    """What the twin's site exposes, by its Prometheus."""

    def __init__(self, prometheus: Prometheus, at: float) -> None:
        self.prometheus, self.at = prometheus, at
        self.start = at - MINUTES * 60.0
        self.names = set(prometheus.label_values("__name__", '{__name__=~".+"}', self.start, at))
        self._catalogue = {signal.metric for device in DEVICES for signal in device}
        self._catalogue |= {family.metric for device in DEVICES for family in device.derived}
        self._editions = {name for own in EDITIONS.values() for each in own for name in each.fields}

    def answers(self, query: str) -> bool:
        """Return whether a query gives a series, now or in the last quarter of an hour."""
        if self.prometheus.instant(query, self.at):
            return True
        return bool(self.prometheus.over_time(query, self.start + 300.0, self.at, 60.0))

    def reason(self, query: str) -> tuple[str, bool]:
        """Return why a query has no answer, and whether a real cluster would have none either."""
        try:
            own = selectors(query)
        except ConfigError as error:
            return f"not PromQL: {str(error)[:80]}", True
        lacking = sorted({s.name for s in own if s.name and s.name not in self.names})
        if lacking:
            # What the twin owes counts, whatever else is missing.
            found = [self._lacking(name) for name in lacking]
            return min(found, key=lambda reason: reason[1])
        for selector in own:
            plain = re.sub(r"\[[^\]]*\]|@.*|offset .*", "", selector.text).strip()
            if not self.answers(plain):
                return f"no series is {plain[:110]}", False
        return "nothing to show on a healthy site", True

    def _lacking(self, name: str) -> tuple[str, bool]:
        exporter = exporter_of(name)
        beyond = {
            "in another edition or counters file of dcgm-exporter": name in self._editions,
            "the twin has it, this site does not": name in self._catalogue,
            "a recording rule that is not in the collection": exporter is None and ":" in name,
            "of no exporter that the twin knows": exporter is None,
            "the twin's cluster has no such objects": bool(NO_OBJECTS.match(name)),
            f"{exporter}, {ALSO_OFF.get(exporter or '')}": exporter in ALSO_OFF,
            f"{exporter} is not part of the twin": exporter not in OWN,
        }
        why = next((why for why, holds in beyond.items() if holds), "")
        return f"{name}: {why or f'{exporter} has it, the twin does not yet'}", bool(why)


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


def variables_of(board: Mapping[str, Any], known: Known) -> dict[str, str]:
    """Return values for the variables of a dashboard, as a user who takes what is offered."""
    values = dict(BUILTIN)
    for variable in board.get("templating", {}).get("list", ()):
        values[variable["name"]] = _value(variable, values, known)
    return values


def _value(variable: Mapping[str, Any], values: Mapping[str, str], known: Known) -> str:
    kind, query = variable.get("type"), variable.get("query") or variable.get("definition") or ""
    text = substituted(str(query.get("query", "") if isinstance(query, dict) else query), values)
    if kind in ("datasource", "adhoc"):
        return ""
    if kind in ("constant", "textbox"):
        return text
    if kind in ("custom", "interval"):
        first = text.split(",")[0].strip()
        return first.partition(" : ")[2] or first
    if variable.get("includeAll"):
        return variable.get("allValue") or ".*"
    options = _options(text, known)
    if pattern := str(variable.get("regex") or ""):
        found = [re.search(pattern.strip("/"), option) for option in options]
        options = [(m.group(1) if m.groups() else m.group(0)) for m in found if m]
    return options[0] if options else ""


def _options(query: str, known: Known) -> list[str]:
    try:
        if match := re.fullmatch(r"label_values\((?:(.+),\s*)?(\w+)\)", query.strip(), re.DOTALL):
            selector = match[1] or '{__name__=~".+"}'
            return known.prometheus.label_values(match[2], selector, known.start, known.at)
        if match := re.fullmatch(r"query_result\((.+)\)", query.strip(), re.DOTALL):
            rows = known.prometheus.instant(match[1], known.at)
            return [json.dumps(row["metric"]).replace('": "', '="') for row in rows]
    except (QueryError, ServiceError):
        return []
    return []


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Return a text with variables replaced, as Grafana writes them."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        return values.get(name, match[0])

    return re.sub(r"\$\{(\w+)(?::[^}]*)?\}|\[\[(\w+)\]\]|\$(\w+)", value, text)


def judge_board(path: Path, known: Known, tally: Tally) -> None:
    """Ask all queries of a dashboard."""
    board = json.loads(path.read_text(encoding="utf-8"))
    board = board.get("dashboard", board)
    values = variables_of(board, known)
    for title, queries in panels_of(board):
        tally.panels += 1
        found = [_judged(substituted(query, values), known) for query in queries]
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


def _judged(query: str, known: Known) -> tuple[str, bool]:
    """Return why a query has no answer, empty if it has one, and whether none is expected."""
    try:
        return ("", False) if known.answers(query) else known.reason(query)
    except QueryError as error:
        return f"Prometheus refuses it: {str(error)[:90]}", True


# -- rules -------------------------------------------------------------------------------


def judge_rules(path: Path, known: Known, tally: Tally) -> None:
    """Look at every alert of a file: it must be able to tell, and be silent on a healthy site."""
    rules = load_rules([str(path)])
    records = {rule.key for rule in rules.recordings}
    for rule in rules.rules:
        if rule.key in records:
            continue
        tally.rules += 1
        lacking = {s.name for s in selectors(rule.expr) if s.name} - known.names
        if lacking:
            reason, beyond = known.reason(rule.expr)
            tally.foreign += beyond
            tally.wrong += not beyond
        else:
            try:
                firing = known.prometheus.instant(rule.expr, known.at)
            except QueryError as error:
                firing, reason = [], str(error)
            reason = "true on a healthy site" if firing else ""
            tally.wrong += bool(firing)
        if reason:
            tally.left.append((path.stem, rule.name, reason))


# -- the whole ---------------------------------------------------------------------------


def judge(folder: Path, known: Known) -> Tally:
    """Judge all files of a collection."""
    source = folder / "SOURCE"
    tally = Tally(folder.name, source.read_text().strip() if source.exists() else "")
    for path in sorted(folder.rglob("*.json")):
        judge_board(path, known, tally)
    for path in rule_files(folder):
        try:
            judge_rules(path, known, tally)
        except ConfigError as error:
            tally.left.append((path.stem, "", f"cannot be read: {str(error)[:100]}"))
    return tally


def _merit(tally: Tally) -> tuple[int, int, int]:
    return tally.answered + tally.partly, -tally.wrong, -tally.foreign


def page(tallies: list[Tally]) -> str:
    """Return the page of what is compatible and what is not."""
    lines = [
        "<!-- Made by `scripts/compatibility --write`; do not edit. -->",
        "# Compatibility",
        "",
        "Dashboards and rules that others publish, asked of the twin: small sites with whole",
        "hosts (`telemetry: {host: full}`), under Kubernetes or Slurm, in a real Prometheus.",
        "*Beyond* are panels that a real cluster with the twin's exporters would not answer",
        "either: other exporters, or what they have off by default. The share is of the others.",
        "`scripts/compatibility FOLDER` does the same with dashboards and rules of your own.",
        "",
        "| Collection | Panels | Beyond | Answered | Partly | Share |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    boards = [tally for tally in tallies if tally.panels]
    lines += [
        f"| {t.name}: {t.source} | {t.panels} | {t.beyond} | {t.answered} | {t.partly} "
        f"| {t.share:.0%} |"
        for t in boards
    ]
    rules = [tally for tally in tallies if tally.rules]
    if rules:
        lines += [
            "", "| Rules | Alerts | Of other exporters | Wrong on a healthy site |",
            "| --- | --: | --: | --: |",
            *(f"| {t.name}: {t.source} | {t.rules} | {t.foreign} | {t.wrong} |" for t in rules),
        ]  # fmt: skip
    lines += ["", "## What is left", "", "| File | Panel or rule | Why |", "| --- | --- | --- |"]
    rows = dict.fromkeys(row for tally in tallies for row in tally.left)
    lines += [f"| {a} | {_cell(b)} | {_cell(c)} |" for a, b, c in rows]
    return "\n".join(lines) + "\n"


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
    parser.add_argument(
        "--scheduler", action="append", choices=("slurm", "kubernetes"), help="both unless given"
    )
    parser.add_argument("--least", type=float, default=0.9, help="share of the panels")
    options = parser.parse_args()
    tallies: list[Tally] = []
    for kind in options.scheduler or ("kubernetes", "slurm"):
        with prometheus_of(kind, options.dcgm, options.folders) as (prometheus, end):
            known = Known(prometheus, end)
            found = [judge(folder, known) for folder in options.folders]
        # A site has one scheduler; a collection is for one of them.
        tallies = [max(pair, key=_merit) for pair in zip(tallies or found, found, strict=True)]
    for tally in tallies:
        print(
            f"{tally.name}: {tally.panels} panels, {tally.beyond} beyond, {tally.answered} "
            f"answered, {tally.partly} partly: {tally.share:.0%}; {tally.rules} alerts, "
            f"{tally.foreign} of other exporters, {tally.wrong} wrong"
        )
    if options.write:
        options.write.write_text(page(tallies), encoding="utf-8")
    else:
        for row in dict.fromkeys(row for tally in tallies for row in tally.left):
            print("  " + " | ".join(row))
    expected = sum(t.panels - t.beyond for t in tallies)
    reached = sum(t.answered + t.partly for t in tallies)
    return int(reached < options.least * expected)


if __name__ == "__main__":
    sys.exit(main())
