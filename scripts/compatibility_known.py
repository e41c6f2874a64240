"""What a store of the twin's scrapes answers, and why it has no answer to a query."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
from site_in_stores import MINUTES, Setup

from twin.catalog import DEVICES
from twin.catalog.editions import EDITIONS
from twin.catalog.real_exporters import exporter_of, real_names
from twin.clients.prometheus import Prometheus, QueryError
from twin.errors import ConfigError
from twin.rules.expression import Selector, selectors
from twin.rules.unknown_references import is_on_other_sites

__all__ = ["Known", "why_lacking"]

ALSO_OFF = {
    "node-exporter": "its collector is off by default, or finds nothing on such a host",
    "dcgm-exporter": "off in the exporter's default list",
    "snmp-exporter": "of another module than if_mib",
}
"""Exporters of the twin all of whose defaults it has: what it lacks of them is no default."""
NO_OBJECTS = re.compile(
    r"kube_(horizontalpodautoscaler|persistentvolume"
    r"|cronjob|resourcequota|poddisruptionbudget|hpa|volumeattachment|ingress|service|customresource)"
)
"""Objects of Kubernetes that the twin's cluster has none of."""
OWN = frozenset({"ipmi-exporter", "mosquitto-exporter", "kube-state-metrics", "slurm"})
"""Exporters that the twin stands for and that may still lack defaults."""
CONDITIONS = frozenset(
    {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"}
)
"""Conditions of a node that Kubernetes itself sets."""
GONE = {
    ("node_network_up", "operstate"): "node_exporter moved its labels to node_network_info in 0.17",
}
"""Labels that dashboards ask for, and that the exporter no longer has."""
_OF_EVERY_TARGET = re.compile(r"up|(process|go|scrape|promhttp|python)_\w+")
"""Names that any program has: whose they are, the job tells."""
_CATALOGUE = frozenset(
    {signal.metric for device in DEVICES for signal in device}
    | {family.metric for device in DEVICES for family in device.derived}
)
_EDITIONS = {name for own in EDITIONS.values() for each in own for name in each.fields}
Reason = tuple[str, bool]
_SELECTOR = re.compile(r'([a-zA-Z_:][\w:]*)?\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\}')
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')


class Known:
    """What the twin's site exposes, by a store that has its scrapes.

    Args:
        store: a Prometheus, or what answers as one.
        at: time of the last scrape.
        setup: of the collection that is asked.
        metricsql: whether the store is a VictoriaMetrics.
    """

    def __init__(
        self, store: Prometheus, at: float, setup: Setup, *, metricsql: bool = False
    ) -> None:
        self.store, self.at, self.metricsql = store, at, metricsql
        self.start = at - MINUTES * 60.0
        self._listed = set(re.findall(r"(?m)^\s*(DCGM_\w+)\s*,", setup.counters))
        self.names = set(store.label_values("__name__", '{__name__!=""}', self.start, at))
        self.jobs = set(store.label_values("job", '{job!=""}', self.start, at))
        known = (*real_names(), *_EDITIONS, *_CATALOGUE, *self.names)
        self._cases = {own.lower(): own for own in known} if setup.ignore_case else {}

    def cased(self, query: str) -> str:
        """Return a query with names as they are written, where the collection's store knows any."""
        return re.sub(r"\b[a-z_]\w+\b", lambda own: self._cases.get(own[0].lower(), own[0]), query)

    def accepts(self, query: str) -> bool:
        """Return whether the store can read a query."""
        try:
            self.store.instant(query, self.at)
        except QueryError as error:
            return "parse" not in str(error)
        return True

    def answers(self, query: str) -> bool:
        """Return whether a query gives a series, now or in the last quarter of an hour."""
        if self.store.instant(query, self.at):
            return True
        return bool(self.store.over_time(query, self.start + 300.0, self.at, 60.0))

    def reason(self, query: str, empty: Reason | None = None) -> Reason:
        """Return why a query has no answer, and whether a real cluster would have none either.

        Args:
            query: what is asked.
            empty: why a variable in it has no value, None where all have one.
        """
        try:
            own = list(self.fetched(query)) if self.metricsql else selectors(query)
        except ConfigError as error:
            return f"not PromQL: {str(error)[:80]}", True
        own = [named(selector) for selector in own]
        lacking = sorted({s.name for s in own if s.name and s.name not in self.names})
        if lacking:
            # What the twin owes counts, whatever else is missing.
            found = [self._lacking(name) for name in lacking]
            return min(found, key=lambda reason: reason[1])
        for selector in own:
            plain = re.sub(r"\[[^\]]*\]|@.*|offset .*", "", selector.text).strip()
            if not self.answers(plain):
                return self._unmatched(selector, plain, empty)
        return "nothing to show: none of the site's troubles is of this kind", True

    def _lacking(self, name: str) -> Reason:
        if name in self._listed and name not in _CATALOGUE | _EDITIONS:
            return (
                f"{name}: the collection's counters file lists it, the twin does not have it",
                False,
            )
        return why_lacking(name)

    def _unmatched(self, selector: Selector, plain: str, empty: Reason | None) -> Reason:
        """Return why a selector of a metric that is there finds nothing."""
        given = tuple(m for m in selector.matchers if m[2])
        if (
            empty
            and given != selector.matchers
            and self.answers(replace(selector, matchers=given).text)
        ):
            return empty
        for label, operator, value in selector.matchers:
            if label == "condition" and operator == "=" and value not in CONDITIONS:
                return f"the condition {value} is of a node-problem-detector's own check", True
        for label, _, _ in selector.matchers:
            if why := GONE.get((selector.name or "", label)):
                return f"{selector.name}{{{label}=...}}: {why}", True
        jobs = [(op, value) for label, op, value in selector.matchers if label == "job"]
        for op, value in jobs:
            other = op in ("=", "=~") and not any(re.fullmatch(value, job) for job in self.jobs)
            if other and _OF_EVERY_TARGET.fullmatch(selector.name or ""):
                return f"{selector.name} of {value}, which is not part of the twin", True
        return f"no series is {plain[:110]}", False

    def fetched(self, query: str) -> Iterator[Selector]:
        """Yield what a VictoriaMetrics looks for, templates expanded: its trace tells."""
        asked = {"query": query, "time": f"{self.at:.3f}", "trace": "1"}
        answer = httpx.post(f"{self.store.url}/api/v1/query", data=asked, timeout=30.0)
        messages = list(_messages(answer.json().get("trace") or {}))
        # What it does not fetch, since another side is empty, stands in the expanded query.
        expanded = next((own for own in messages if own.startswith("eval: query=")), "")
        fetched = [own for own in messages if own.startswith("fetch matching series")]
        for text in (*fetched, expanded):
            for match in _SELECTOR.finditer(text):
                matchers = _MATCHER.findall(match[2])
                named = [value for label, _, value in matchers if label == "__name__"]
                name = match[1] or next(iter(named), None)
                rest = tuple(own for own in matchers if own[0] != "__name__")
                yield Selector(name, rest)


def why_lacking(name: str) -> tuple[str, bool]:
    """Return why no series has a name, and whether a real cluster would have none either."""
    exporter = exporter_of(name)
    if is_on_other_sites(name) and name.startswith(("kube_", "slurm_")):
        return f"{name}: the twin has it on sites of another scheduler", False
    beyond = {
        "in another edition or counters file of dcgm-exporter": name in _EDITIONS,
        "the twin has it, this site does not": name in _CATALOGUE,
        "a recording rule that is not in the collection": exporter is None and ":" in name,
        "of no exporter that the twin knows": exporter is None,
        "the twin's cluster has no such objects": bool(NO_OBJECTS.match(name)),
        f"{exporter}, {ALSO_OFF.get(exporter or '')}": exporter in ALSO_OFF,
        f"{exporter} is not part of the twin": exporter not in OWN,
    }
    why = next((why for why, holds in beyond.items() if holds), "")
    return f"{name}: {why or f'{exporter} has it, the twin does not yet'}", bool(why)


def named(selector: Selector) -> Selector:
    """Return a selector with its name where that stands in its matchers."""
    for label, operator, value in selector.matchers:
        if label == "__name__" and operator in ("=", "=~") and re.fullmatch(r"[\w:]+", value):
            rest = tuple(own for own in selector.matchers if own[0] != "__name__")
            return Selector(value, rest, selector.seconds)
    return selector


def _messages(trace: Any) -> Iterator[str]:
    yield str(trace.get("message", ""))
    for child in trace.get("children") or ():
        yield from _messages(child)
