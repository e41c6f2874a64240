"""The OpenAPI document: every address of the aggregator, from one declared table.

Tests hold it to the routes that are served, and send what it allows and what it forbids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from twin import __version__
from twin.wire import Clear, Inject

__all__ = ["document", "pages"]

_TEXT, _JSON, _HTML = "text/plain", "application/json", "text/html"
_OPENMETRICS, _EVENTS = "application/openmetrics-text", "text/event-stream"
_NAME = {"type": "string", "minLength": 1, "maxLength": 64}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address and what it answers.

    Attributes:
        path: with parameters in braces.
        summary: what it is.
        media: media types of its answer.
        answers: other answers than 200: status and when.
        parameters: of the path and the query: name, and when it is one of the query its schema.
        command: model of the body, None for an address that only tells.
        internal: whether it is the page's own and may change.
        open: whether it needs no token.
    """

    path: str
    summary: str
    media: tuple[str, ...]
    answers: Mapping[int, str] = field(default_factory=dict)
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    command: type[Inject | Clear] | None = None
    internal: bool = False
    open: bool = False


_BUSY = {503: "More is asked for than can be answered; ask again after Retry-After."}
_REFUSED = {
    400: "The body is not a JSON object.",
    403: "Commands are not allowed, come from another page, or lack the token for faults.",
    413: "The body is longer than any command.",
    415: "The body is not said to be JSON.",
    422: "The command is wrong, or the emulator refuses it.",
    503: "The broker is away, or no emulator answers.",
}
_ADDRESSES = (
    _Endpoint("/", "The live page.", (_HTML,), internal=True),
    _Endpoint("/page/{file}", "Its scripts, styles and Chart.js.",
              ("text/javascript", "text/css", "image/svg+xml"), {404: "There is no such file."},
              internal=True),
    _Endpoint("/metrics", "The aggregator's own metrics, roll-ups, and all outside racks.",
              (_TEXT, _OPENMETRICS), _BUSY),
    _Endpoint("/arrays/{array}/metrics", "The devices of one array, as far as its detail covers "
              "them.", (_TEXT, _OPENMETRICS), {404: "There is no such array.", **_BUSY}),
    _Endpoint("/sd", "Targets for http_sd_configs of Prometheus.", (_JSON,)),
    _Endpoint("/healthz", "Whether the process lives.", (_TEXT,), open=True),
    _Endpoint("/readyz", "Whether every rack has reported.", (_TEXT,),
              {503: "Not yet; the text says what is missing."}),
    _Endpoint("/api/summary", "The key figures.", (_JSON,)),
    _Endpoint("/api/site", "What does not change: names, signals, charts, faults.", (_JSON,),
              internal=True),
    _Endpoint("/api/racks/{rack}", "One rack in detail.", (_JSON,),
              {404: "There is no such rack."}, internal=True),
    _Endpoint("/api/stream", "Updates of the page, once a second, without an end.", (_EVENTS,),
              {400: "since or event is not a number.", 404: "There is no such signal or rack.",
               503: "Too many pages are open."},
              {"signal": {"type": "string"}, "rack": {"type": "string"},
               "since": {"type": "number"}, "event": {"type": "integer", "minimum": 0}},
              internal=True),
    _Endpoint("/api/inject", "Let a fault begin.", (_JSON,), _REFUSED, command=Inject,
              internal=True),
    _Endpoint("/api/clear", "End faults.", (_JSON,), _REFUSED, command=Clear, internal=True),
)  # fmt: skip


def document() -> dict[str, Any]:
    """Return the document as JSON-like values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aggregator of the digital twin",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "What Prometheus and the live page ask for. Addresses marked x-internal "
            "are the page's own and may change. Without --token-file everything can be read; "
            "faults always need the token for faults.",
        },
        "servers": [{"url": "http://127.0.0.1:9400"}],
        "paths": {address.path: _path(address) for address in _ADDRESSES},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "password": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Any user, with the token as password: for browsers.",
                },
            }
        },
    }


def _path(address: _Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": address.summary,
        "operationId": _identifier(address.path),
        "security": _security(address),
        "responses": {
            "200": {
                "description": address.summary,
                "content": {media: {"schema": _content(media)} for media in address.media},
            },
            **({} if address.open else {"401": {"description": "The token is missing or wrong."}}),
            **{str(status): {"description": why} for status, why in address.answers.items()},
        },
    }
    if parameters := _parameters(address):
        operation["parameters"] = parameters
    if address.internal:
        operation["x-internal"] = True
    if address.command is None:
        return {"get": operation}
    operation["requestBody"] = {
        "required": True,
        "content": {_JSON: {"schema": _body(address.command)}},
    }
    return {"post": operation}


def _security(address: _Endpoint) -> list[dict[str, list[str]]]:
    if address.open:
        return []
    needed: list[dict[str, list[str]]] = [{"bearer": []}, {"password": []}]
    return needed if address.command else [{}, *needed]


def _parameters(address: _Endpoint) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in address.path.split("/") if part.startswith("{")]
    inside: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _NAME} for name in names
    ]
    asked = [
        {"name": name, "in": "query", "schema": dict(schema)}
        for name, schema in address.query.items()
    ]
    header = {
        "name": "X-Twin-Command",
        "in": "header",
        "required": True,
        "description": "Any value: pages of other origins cannot send it.",
        "schema": {"type": "string", "minLength": 1},
    }
    return inside + asked + ([header] if address.command else [])


def _content(media: str) -> dict[str, Any]:
    return {} if media == _JSON else {"type": "string"}


def _body(command: type[Inject | Clear]) -> dict[str, Any]:
    """Return the schema of a command without its identifier, which the aggregator makes up."""
    schema = command.model_json_schema()
    schema["properties"].pop("id")
    schema["required"] = [name for name in schema.get("required", []) if name != "id"]
    return schema


def _identifier(path: str) -> str:
    words = [word.strip("{}") for word in path.split("/") if word]
    return "_".join(words) or "page"


def pages() -> dict[str, str]:
    """Return ``openapi.yaml``."""
    head = "# Made by python -m twin.docs from twin/docs/openapi.py; do not edit.\n"
    text = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=100)
    return {"openapi.yaml": head + text}
