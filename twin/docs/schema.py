"""JSON Schema of everything that travels on the bus.

Frames are described from the catalogue, for the sizes of one site; messages from their
pydantic models. Only words that draft 7 and 2020-12 share are used, because AsyncAPI
reads the former.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twin.catalog import DeviceClass, Signal, UnitKind
from twin.site import Layout, load_site
from twin.wire import (
    Ack,
    Clear,
    DetailSetting,
    EmulatorStatus,
    Faults,
    Inject,
    RackJobs,
    RackMeta,
    RollupPart,
    SetDetail,
    ShadowReport,
    SiteJobs,
)
from twin.wire.frame import VERSION
from twin.wire.messages import Message

__all__ = ["EXAMPLE_SITE", "MESSAGES", "dumped", "frame_schema", "message_schema", "pages"]

EXAMPLE_SITE = "demo"
"""The site whose sizes the shipped schemas have."""

MESSAGES: Mapping[str, type[Message]] = {
    "status": EmulatorStatus,
    "rack-meta": RackMeta,
    "faults": Faults,
    "inject": Inject,
    "clear": Clear,
    "detail": DetailSetting,
    "set-detail": SetDetail,
    "ack": Ack,
    "rollup": RollupPart,
    "shadow": ShadowReport,
    "rack-jobs": RackJobs,
    "site-jobs": SiteJobs,
}
"""Messages beside frames, by the name of their schema."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def pages() -> Mapping[str, str]:
    """Return ``schema/*.json``: one file a kind of frame and of message."""
    layout = Layout(load_site(EXAMPLE_SITE))
    schemas = {
        **{frame.value: frame_schema(layout, frame) for frame in UnitKind},
        **{name: message_schema(model) for name, model in MESSAGES.items()},
    }
    return {f"schema/{name}.json": dumped(schema) for name, schema in schemas.items()}


def frame_schema(layout: Layout, frame: UnitKind) -> dict[str, Any]:
    """Return the schema of one kind of frame for the sizes of one site."""
    devices = layout.devices_of(frame)
    return {
        "$schema": _DIALECT,
        "title": f"{frame.value} frame",
        "description": f"One atomic snapshot of one {frame.value}, for the sizes of the site "
        f"{layout.site.name}. A device that does not report is null in every column.",
        "type": "object",
        "additionalProperties": False,
        "required": ["v", "ts", "seq", *(device.name for device in devices)],
        "properties": {
            "v": {"const": VERSION, "description": "Version of the contract."},
            "ts": {
                "type": "number",
                "minimum": 0,
                "exclusiveMaximum": 10**11,
                "description": "Simulated time of the snapshot, unix seconds.",
            },
            "seq": {
                "type": "integer",
                "minimum": 0,
                "exclusiveMaximum": 2**63,
                "description": "Running number of the unit's frames: a gap is a loss.",
            },
            **{device.name: _group(layout, device) for device in devices},
        },
    }


def _group(layout: Layout, device: DeviceClass) -> dict[str, Any]:
    signals = [signal for signal in layout.reported[device.name] if signal.on_wire]
    count = layout.per_unit(device)
    return {
        "description": f"{count} x {device.title}: one column a signal.",
        "type": "object",
        "additionalProperties": False,
        "required": [signal.name for signal in signals],
        "properties": {signal.name: _column(signal, count) for signal in signals},
    }


def _column(signal: Signal, count: int) -> dict[str, Any]:
    unit = f" [{signal.unit.value}]" if signal.unit.value else ""
    states = ", ".join(f"{code} {name}" for code, name in signal.states.items())
    return {
        "description": f"{signal.metric}{unit}" + (f": {states}" if states else ""),
        "type": "array",
        "minItems": count,
        "maxItems": count,
        "items": _value(signal),
    }


def _value(signal: Signal) -> dict[str, Any]:
    value: dict[str, Any] = {"type": ["number", "null"]}
    for word, bound in (("minimum", signal.low), ("maximum", signal.high)):
        if bound is not None:
            value[word] = int(bound) if float(bound).is_integer() else bound
    return value


def message_schema(model: type[Message]) -> dict[str, Any]:
    """Return the schema of one kind of message."""
    return {"$schema": _DIALECT, **model.model_json_schema()}


def dumped(schema: Mapping[str, Any]) -> str:
    """Return ``schema`` as JSON for people: what fits on a line is on one line."""
    return _pretty(schema, "") + "\n"


def _pretty(value: Any, indent: str) -> str:
    width = 200
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= width or not isinstance(value, (dict, list)):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(key)}: {_pretty(v, inner)}" for key, v in value.items()]
    else:
        items = [f"{inner}{_pretty(item, inner)}" for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(items) + f"\n{indent}{closing}"
