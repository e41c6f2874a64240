"""The OpenAPI document: complete, and true to what is served."""

from __future__ import annotations

import re

import pytest
import yaml
from starlette.routing import Route

from twin import __version__
from twin.aggregator import Core
from twin.aggregator.access import OPEN_PATHS
from twin.aggregator.app import create_app
from twin.docs.openapi import document, pages
from twin.site import Layout, load_site

DOCUMENT = document()


def test_document_says_what_it_is() -> None:
    """Version 3.1 of OpenAPI, ours of the contract."""
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == __version__
    assert yaml.safe_load(pages()["openapi.yaml"]) == DOCUMENT


def test_every_address_is_there() -> None:
    """What is served is described, with its method, and nothing else is."""
    routes = create_app(Core(Layout(load_site("demo")))).routes
    served = {
        (route.path, method.lower())
        for route in routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == served


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_path_parameters(path: str) -> None:
    """Every parameter of a path is declared."""
    (operation,) = DOCUMENT["paths"][path].values()
    declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
    assert declared == set(re.findall(r"{(\w+)}", path))


def test_what_needs_no_token() -> None:
    """The addresses without a token are those of the guard."""
    free = {
        path
        for path, item in DOCUMENT["paths"].items()
        if not next(iter(item.values()))["security"]
    }
    assert free == OPEN_PATHS
