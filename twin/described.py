"""Descriptions of models: the docstrings of their fields, read from the source when asked for.

pydantic can read them too, but does so when a class is made: half the time of an import.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

__all__ = ["Described"]


class Described(BaseModel):
    """A model that is read-only, takes no unknown key and is built when it is first used."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; what was worked out from the values before does not go with it."""
        copy = super().model_copy(update=update, deep=deep)
        for kind in type(self).__mro__ if update else ():
            for name, value in vars(kind).items():
                if isinstance(value, cached_property):
                    copy.__dict__.pop(name, None)
        return copy

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """Return what the fields mean, by name; a field without a docstring is missing."""
        found: dict[str, str] = {}
        for kind in reversed(cls.__mro__):
            if issubclass(kind, Described):
                found |= _docstrings(kind)
        return {name: found[name] for name in cls.model_fields if name in found}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Any, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Return the JSON schema of the model, with the descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for name, text in cls.descriptions().items():
            properties[cls.model_fields[name].alias or name]["description"] = text
        return schema


def _docstrings(kind: type) -> dict[str, str]:
    """Return the docstrings of the fields that a class itself has, none without its source."""
    try:
        source = inspect.getsource(sys.modules[kind.__module__])
    except (KeyError, OSError, TypeError):
        return {}
    return _by_class(source).get(kind.__qualname__, {})


@lru_cache(maxsize=64)
def _by_class(source: str) -> dict[str, dict[str, str]]:
    """Return the docstrings of the fields of every class of a module, by its qualified name."""
    return {
        name: {
            field.target.id: inspect.cleandoc(text.value.value)
            for field, text in pairwise(body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for name, body in _classes(ast.parse(source).body, "")
    }


def _classes(body: list[ast.stmt], inside: str) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Yield the qualified name and the body of every class, also of those in functions."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield f"{inside}{node.name}", node.body
            yield from _classes(node.body, f"{inside}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(node.body, f"{inside}{node.name}.<locals>.")
