"""Rule files as they come: which parts of a file are rules, as text that Prometheus loads.

A part keeps the lines that it has in its file, and the user's own words: nothing is read and
written anew. Of a plain rule file Prometheus reads the first document only, and so does this.
Objects of Kubernetes may stand in any number of documents and lists, as ``kubectl get -o yaml``
and ``helm template`` write them; Prometheus is given what is under their ``spec``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from twin.errors import ConfigError
from twin.yamls import compose_all, entries, read_text

__all__ = ["RulePart", "read_parts"]

_KINDS = frozenset({"PrometheusRule", "VMRule", "Rules", "ClusterRules", "GlobalRules"})
"""Objects that hold groups under ``spec``: of the Prometheus operator, VictoriaMetrics, Google."""
_FOREIGN = frozenset(
    {
        "partial_response_strategy",  # Thanos; the Prometheus operator leaves it out, too
        "source_tenants",  # Mimir, as what follows
        "align_evaluation_time_on_interval",
        "evaluation_delay",
        "remote_write",
        "concurrency",  # vmalert, as what follows
        "eval_alignment",
        "eval_delay",
        "eval_offset",
        "headers",
        "notifier_headers",
        "tenant",
    }
)
"""Attributes of a group in other rulers that do not affect its rules."""
_FOREIGN_OF_RULE = frozenset({"debug", "update_entries_limit"})
"""The same of a rule: vmalert's."""
_TYPE = "type"
"""Language of a group's expressions in vmalert."""
_OTHER_FILES = (
    (("alert", "record", "expr"), "is a rule without a group; put it under groups and rules"),
    (("route", "receivers"), "is a configuration of Alertmanager and has no rules"),
    (("scrape_configs", "global"), "is a configuration of Prometheus; give its rule files"),
    (("rule_files", "tests"), "is a test of promtool; give its rule files"),
    (
        ("apiVersion",),
        "is not a Prometheus file; export the rules from Grafana in Prometheus' own format",
    ),
)
"""Keys by which files are known that are given by mistake, and what to do."""
_NAMESPACE = "namespace"
"""What Mimir and Loki put beside ``groups``."""
_GROUPS = re.compile(r"^groups:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RulePart:
    """The rules of one document or object.

    Attributes:
        file: where it stands.
        text: what Prometheus is to load; its lines are those of the file.
        root: its nodes; None for none.
    """

    file: Path
    text: str
    root: yaml.Node | None


def read_parts(file: Path) -> tuple[list[RulePart], list[str]]:
    """Return the parts of a file that are rules, and notes about what is not read.

    Raises:
        ConfigError: it cannot be read, is not YAML, or holds objects but no rules.
    """
    text = read_text(file)
    documents = compose_all(text, str(file))
    objects = [root for own in documents for root in _objects(own)]
    if objects:
        parts = [part for root in objects for part in _of_object(root, text, file)]
        if not parts:
            kinds = ", ".join(dict.fromkeys(_kind(root) for root in objects))
            raise ConfigError(f"{file}: holds no Prometheus rules, only objects of kind {kinds}")
        return parts, []
    first = documents[0] if documents else None
    notes = [
        f"{file}:{own.start_mark.line + 1}: Prometheus reads only the first document of a rule "
        "file, so that these rules are never loaded; put them under its groups"
        for own in documents[1:]
        if entries(own)
    ]
    return [_plain(text, first, file)], notes


def _kind(root: yaml.Node) -> str:
    return str(entries(root)["kind"].value)


def _objects(root: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the objects of Kubernetes that a document is, or lists."""
    own = entries(root)
    if not isinstance(own.get("kind"), yaml.ScalarNode) or "groups" in own:
        return
    items = own.get("items")
    if _kind(root).endswith("List") and isinstance(items, yaml.SequenceNode):
        for item in items.value:
            yield from _objects(item)
    else:
        yield root


def _of_object(root: yaml.Node, text: str, file: Path) -> Iterator[RulePart]:
    own, kind = entries(root), _kind(root)
    if kind in _KINDS:
        groups = entries(own.get("spec")).get("groups")
        if isinstance(groups, yaml.SequenceNode):
            yield _composed(_cut(text, groups), file)
    elif kind == "ConfigMap":
        for value in entries(own.get("data")).values():
            if isinstance(value, yaml.ScalarNode) and _GROUPS.search(value.value):
                block = value.style in ("|", ">")
                before = "\n" * (value.start_mark.line + block)
                yield _composed(before + value.value, file)


def _plain(text: str, root: yaml.Node | None, file: Path) -> RulePart:
    """Return a plain rule file as a part.

    Raises:
        ConfigError: it is another kind of file.
    """
    if isinstance(root, yaml.SequenceNode):
        raise ConfigError(
            f"{file}:{root.start_mark.line + 1}: is a list; put groups under groups, and rules "
            "under the rules of a group"
        )
    known = entries(root)
    for keys, what in _OTHER_FILES:
        key = next((own for own in keys if own in known), None)
        if key is not None:
            raise ConfigError(f"{file}: has {key!r}: it {what}")
    return _native(RulePart(file, text, root))


def _composed(text: str, file: Path) -> RulePart:
    documents = compose_all(text, str(file))
    return _native(RulePart(file, text, documents[0] if documents else None))


def _cut(text: str, groups: yaml.SequenceNode) -> str:
    """Return the text of a list of groups as a file of its own, line by line in its place."""
    start, end = groups.start_mark, groups.end_mark
    head = "groups: " if start.line == 0 else "\n" * (start.line - 1) + "groups:\n"
    indent = " " * (max(1, start.column) if groups.flow_style else start.column)
    return f"{head}{indent}{text[start.index : end.index]}\n"


def _native(part: RulePart) -> RulePart:
    """Return the part without what other rulers add and Prometheus would not load."""
    root = part.root
    spans = [*_spans(root, {_NAMESPACE})] if "groups" in entries(root) else []
    groups = entries(root).get("groups")
    if isinstance(groups, yaml.SequenceNode):
        for group in groups.value:
            of_prometheus = _scalar(entries(group).get(_TYPE)) == "prometheus"
            spans += _spans(group, _FOREIGN | {_TYPE} if of_prometheus else _FOREIGN)
            rules = entries(group).get("rules")
            if isinstance(rules, yaml.SequenceNode):
                spans += [span for rule in rules.value for span in _spans(rule, _FOREIGN_OF_RULE)]
    if not spans:
        return part
    text = part.text
    for start, end in spans:
        text = text[:start] + re.sub(r"\S", " ", text[start:end]) + text[end:]
    return RulePart(part.file, text, compose_all(text, str(part.file))[0])


def _scalar(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _spans(node: yaml.Node | None, names: Collection[str]) -> list[tuple[int, int]]:
    """Return where the entries of these names stand in the text."""
    if not isinstance(node, yaml.MappingNode):
        return []
    last = node.value[-1][0] if node.value else None
    found = []
    for key, value in node.value:
        if key.value in names:
            start, end = key.start_mark.index, value.end_mark.index
            found.append((start, end + bool(node.flow_style and key is not last)))
    return found
