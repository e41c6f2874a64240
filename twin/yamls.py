"""YAML by the core schema of version 1.2: the one loader of sites, scenarios and rule files.

``on``, ``1:30`` and ``2026-07-01`` are words, and ``010`` is ten. The parser is libyaml, of which
Prometheus's own is a port.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.constructor import SafeConstructor
from yaml.cyaml import CSafeLoader
from yaml.resolver import BaseResolver

from twin.errors import ConfigError

__all__ = ["CoreResolver", "compose", "compose_all", "construct", "entries", "load", "read_text"]

_MOST_BYTES = 32 * 1024 * 1024
_MOST_VALUES = 500_000
"""The largest file that ships has some 300; one with an entry for every rack of a million GPUs
would have 100,000."""
_MOST_LEVELS = 100
"""Composing and constructing recurse, the former on the stack of C."""
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before that of UTF-16, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class _YamlRefusedError(yaml.MarkedYAMLError):
    """YAML that no file needs, and that is not read."""


class CoreResolver(BaseResolver):
    """Types of plain scalars by the core schema, and merge keys, which go-yaml knows as well."""


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    CoreResolver.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), _first)


class _Constructor(SafeConstructor):
    """Values of the core schema's types, and of no other."""

    def whole(self, node: yaml.ScalarNode) -> int:
        """Return a whole number.

        Raises:
            yaml.MarkedYAMLError: it is none, or has thousands of digits.
        """
        text = str(node.value)
        try:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2].lower(), 10))
        except ValueError:
            _refuse(node, f"{text[:40]!r} is not a whole number")

    def fraction(self, node: yaml.ScalarNode) -> float:
        """Return a floating point number.

        Raises:
            yaml.MarkedYAMLError: it is none.
        """
        text = str(node.value)
        try:
            return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
        except ValueError:
            _refuse(node, f"{text[:40]!r} is not a number")


_Constructor.yaml_constructors = {
    None: SafeConstructor.construct_undefined,
    f"{_TAG}int": _Constructor.whole,
    f"{_TAG}float": _Constructor.fraction,
    **{
        f"{_TAG}{kind}": SafeConstructor.yaml_constructors[f"{_TAG}{kind}"]
        for kind in ("null", "bool", "str", "seq", "map")
    },
}


class _Loader(_Constructor, CSafeLoader):
    """The parser in C, with the constructor and the resolver above."""

    yaml_implicit_resolvers = CoreResolver.yaml_implicit_resolvers


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Raises:
        ConfigError: it cannot be read, is too long, or is not text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ConfigError(f"{path}: is longer than {_MOST_BYTES >> 20} MiB")
        bom, encoding = next((own for own in _BOMS if data.startswith(own[0])), (b"", "utf-8"))
        return data[len(bom) :].decode(encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def load(text: str, where: str) -> Any:
    """Return the values of the one document of a text; None for no document.

    Raises:
        ConfigError: with file, line and column.
    """
    root = compose(text, where)
    return None if root is None else construct(root, where)


def compose(text: str, where: str) -> yaml.Node | None:
    """Return the nodes of the one document of a text.

    Raises:
        ConfigError: with file, line and column.
    """
    documents = compose_all(text, where)
    if len(documents) > 1:
        mark = documents[1].start_mark
        raise ConfigError(f"{_place(where, mark)}: a second document; this file has only one")
    return documents[0] if documents else None


def compose_all(text: str, where: str) -> list[yaml.Node]:
    """Return the nodes of every document of a text, an empty one as null.

    Raises:
        ConfigError: with file, line and column.
    """
    try:
        _refuse_deep(text)
        documents = list(_composed(_Loader(text)))
        for root in documents:
            _size(root, {}, set())
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_told(error, where)) from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{where}: is not YAML: {reason}") from error
    return documents


def construct(root: yaml.Node, where: str) -> Any:
    """Return the values of a document.

    Raises:
        ConfigError: with file, line and column.
    """
    try:
        return _Loader("").construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_told(error, where)) from error


def entries(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """Return what a mapping holds by its keys, merged ones included; nothing for another node."""
    found: dict[str, yaml.Node] = {}
    merged: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            else:
                found[str(key.value)] = value
    for own in merged:
        found = {**entries(own), **found}
    return found


def _place(where: str, mark: Any) -> str:
    return where if mark is None else f"{where}:{mark.line + 1}:{mark.column + 1}"


def _told(error: yaml.MarkedYAMLError, where: str) -> str:
    mark = error.problem_mark or error.context_mark
    kind = "" if isinstance(error, _YamlRefusedError) else "is not YAML: "
    return f"{_place(where, mark)}: {kind}{error.problem}"


def _refuse(at: yaml.Node | yaml.Event, problem: str) -> NoReturn:
    mark: Any = at.start_mark  # the stubs know the marks of the parser in Python only
    raise _YamlRefusedError(problem=problem, problem_mark=mark)


def _composed(loader: _Loader) -> Iterator[yaml.Node]:
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            yield node


def _refuse_deep(text: str) -> None:
    """Refuse what nests, or is, beyond any file, before anything recurses.

    Raises:
        yaml.MarkedYAMLError: with the place and the reason.
    """
    level = count = 0
    loader = _Loader(text)
    while loader.check_event():
        event = loader.get_event()
        if event is None:
            break
        count += 1
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        if level > _MOST_LEVELS:
            _refuse(event, f"it is nested too deeply, beyond {_MOST_LEVELS} levels")
        if count > 2 * _MOST_VALUES:
            _refuse(event, f"it has more than {_MOST_VALUES:,} values")


def _size(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """Return how many nodes ``node`` has when every alias is written out.

    Raises:
        yaml.MarkedYAMLError: an alias never ends or multiplies beyond bounds, or a mapping has a
            key that is no word or is given twice, of which one would be lost.
    """
    key = id(node)
    if key in known:
        return known[key]
    if key in above:
        _refuse(node, "an alias leads back to itself")
    above.add(key)
    size = 1
    if isinstance(node, yaml.MappingNode):
        _refuse_twins(node)
        size += sum(_size(part, known, above) for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_size(part, known, above) for part in node.value)
    above.remove(key)
    if size > _MOST_VALUES:
        _refuse(node, f"with its aliases written out it has more than {_MOST_VALUES:,} values")
    known[key] = size
    return size


def _refuse_twins(node: yaml.MappingNode) -> None:
    keys: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            _refuse(key, "a key is a word")
        if key.value in keys:
            _refuse(key, f"the key {key.value!r} is given twice")
        keys.add(key.value)
