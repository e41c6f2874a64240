"""Descriptions of models, which are the docstrings of their fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.described import Described
from twin.site import Site, load_site


class _Base(Described):
    """A base."""

    first: int = 1
    """What comes first,
    on two lines."""
    silent: int = 0


class _Heir(_Base):
    """An heir."""

    second: Annotated[float, Field(alias="2nd")] = 2.0
    """What comes second."""
    first: int = 3
    """What is first here."""


def test_descriptions_are_docstrings() -> None:
    """A field is described by its docstring, also one that is inherited; without one by nothing."""
    assert _Base.descriptions() == {"first": "What comes first,\non two lines."}
    assert _Heir.descriptions() == {"first": "What is first here.", "second": "What comes second."}


def test_class_inside_a_function() -> None:
    """A class of another place with the same name keeps its own descriptions."""

    class _Base(Described):
        first: int = 1
        """Something else."""

    assert _Base.descriptions() == {"first": "Something else."}


def test_schema_has_the_descriptions() -> None:
    """A JSON schema describes the properties under their aliases, also those of inner models."""

    class Outer(Described):
        inner: _Heir
        """A part."""

    schema = Outer.model_json_schema()
    assert schema["properties"]["inner"]["description"] == "A part."
    inner = schema["$defs"]["_Heir"]["properties"]
    assert inner["2nd"]["description"] == "What comes second."
    assert "description" not in inner["silent"]


def test_class_without_source() -> None:
    """A class whose source is gone has no descriptions, and still a schema."""
    names: dict[str, object] = {"Described": Described, "__name__": "nowhere"}
    exec("class Made(Described):\n    first: int = 1\n    'Lost.'\n", names)  # noqa: S102 - no file has it
    made = names["Made"]
    assert isinstance(made, type)
    assert issubclass(made, Described)
    assert made.descriptions() == {}
    assert made.model_json_schema()["properties"]["first"]["default"] == 1


def test_a_copy_works_everything_out_anew() -> None:
    """What a site has worked out of its counts is not that of a copy with other counts."""
    site = load_site("demo")
    assert site.fabric.leaves > 0
    small = site.model_copy(update={"racks": 1, "servers_per_rack": 1})
    fresh = Site.model_validate(small.model_dump())
    assert small.fabric == fresh.fabric
    assert small.installed_power_watts == fresh.installed_power_watts
