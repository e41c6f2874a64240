"""Rule groups as YAML: every scalar as the user wrote it, whatever the engine makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from twin.scenario import parse_duration
from twin.yamls import CoreResolver, entries

__all__ = [
    "RuleGroup",
    "Value",
    "bare",
    "groups_yaml",
    "labels_of",
    "node_text",
    "scalar",
    "seconds_of",
    "with_labels",
]

Value = yaml.Node | str
"""A part of a rule: the user's own nodes, or a text that takes their place."""

_STR, _MAP, _SEQ = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
_WIDE = 1 << 30


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """A group of rules.

    Attributes:
        name: of the group.
        attributes: all that stands beside its name and its rules.
        number: of the group among all that were read.
    """

    name: str
    attributes: Mapping[str, Value]
    number: int = 0


class _Dumper(yaml.CSafeDumper):
    """The emitter in C, which leaves a plain scalar plain when the core schema reads it so."""

    yaml_implicit_resolvers = CoreResolver.yaml_implicit_resolvers


def groups_yaml(groups: Sequence[tuple[RuleGroup, Sequence[Mapping[str, Value]]]]) -> str:
    """Return a rule file with these groups and their rules."""
    nodes = [
        _mapping({"name": group.name, **group.attributes, "rules": _list(map(_mapping, rules))})
        for group, rules in groups
    ]
    text: str = yaml.serialize(
        _mapping({"groups": _list(nodes)}), Dumper=_Dumper, width=_WIDE, allow_unicode=True
    )
    return text


def scalar(value: Value | None) -> str:
    """Return what Prometheus reads of a scalar that is to be a text: the scalar as it stands."""
    if isinstance(value, str):
        return value
    if not isinstance(value, yaml.ScalarNode) or value.tag.endswith(":null"):
        return ""
    return str(value.value)


def node_text(value: Value | None) -> str:
    """Return what Prometheus reads of an expression or a name: also a null is its word."""
    return str(value.value) if isinstance(value, yaml.ScalarNode) else scalar(value)


def seconds_of(value: Value | None) -> float:
    """Return the seconds of a duration; 0 of none, as Prometheus reads an empty one or a ``0``.

    Raises:
        ConfigError: it is not a duration.
    """
    held = scalar(value)
    return 0.0 if held in ("", "0") else parse_duration(held)


def labels_of(body: Mapping[str, Value]) -> dict[str, Value]:
    """Return the labels of a rule, those that it merges in included."""
    labels = body.get("labels")
    return {} if labels is None or isinstance(labels, str) else dict(entries(labels))


def with_labels(body: Mapping[str, Value], labels: Mapping[str, Value]) -> dict[str, Value]:
    """Return a rule with these labels and no other."""
    return {**body, "labels": _mapping(labels)}


def bare(node: yaml.Node) -> yaml.Node:
    """Return a node without marks, and with its own copy of what an alias leads to.

    Written with an alias, an expression would be the anchor's name to Prometheus 2.
    """
    if isinstance(node, yaml.ScalarNode):
        return yaml.ScalarNode(node.tag, node.value, style=node.style)
    if isinstance(node, yaml.SequenceNode):
        return _list(node.value)
    if isinstance(node, yaml.MappingNode):
        pairs = [(bare(key), bare(value)) for key, value in node.value]
        return yaml.MappingNode(_MAP, pairs, flow_style=False)
    return node


def _text(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode(_STR, text, style='"')


def _list(nodes: Iterable[yaml.Node]) -> yaml.SequenceNode:
    return yaml.SequenceNode(_SEQ, [bare(node) for node in nodes], flow_style=False)


def _mapping(values: Mapping[str, Value]) -> yaml.MappingNode:
    pairs: list[tuple[yaml.Node, yaml.Node]] = [
        (_text(key), _text(value) if isinstance(value, str) else bare(value))
        for key, value in values.items()
    ]
    return yaml.MappingNode(_MAP, pairs, flow_style=False)
