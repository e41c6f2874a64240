"""YAML safety: aliases that loop or multiply."""

from __future__ import annotations

import yaml

__all__ = ["VALUE_ERRORS", "refuse_bombs"]

_MOST_NODES = 100_000
"""The largest file that ships has some 300; one with an entry for every rack of a million GPUs
would have this many."""

VALUE_ERRORS = (ValueError, OverflowError)
"""What PyYAML lets through of a scalar that only looks like a number or a date: ``2026-13-45``."""


def refuse_bombs(root: yaml.Node | None) -> None:
    """Refuse a document whose aliases never end, or that they make larger than any file is.

    Raises:
        yaml.MarkedYAMLError: with the place and the reason.
    """
    if root is not None:
        _size(root, {}, set())


def _size(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """Return how many nodes ``node`` has when every alias is written out."""
    key = id(node)
    if key in known:
        return known[key]
    if key in above:
        raise yaml.MarkedYAMLError(
            problem="an alias leads back to itself", problem_mark=node.start_mark
        )
    above.add(key)
    size = 1
    if isinstance(node, yaml.MappingNode):
        size += sum(_size(part, known, above) for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_size(part, known, above) for part in node.value)
    above.remove(key)
    if size > _MOST_NODES:
        raise yaml.MarkedYAMLError(
            problem=f"with its aliases written out it has more than {_MOST_NODES:,} values",
            problem_mark=node.start_mark,
        )
    known[key] = size
    return size
