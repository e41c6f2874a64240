"""AsyncAPI document: every channel of the bus, its sender and its schema.

It is written from the side of the twin, whose emulator sends telemetry and receives
commands; those on the detail are received by its aggregator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from twin import __version__
from twin.catalog import UnitKind
from twin.docs.schema import EXAMPLE_SITE, MESSAGES
from twin.site import Layout, load_site
from twin.wire import BLOCKS, Topics

__all__ = ["document", "pages"]

_PARAMETERS = {
    "site": "Name of the site.",
    "rack": "Name of a rack, for example r0001.",
    "array": "Name of an array, for example a001.",
    "plane": "Name of a plane of spine switches, for example p01.",
    "service": "Name of a service rack, for example s001.",
    "megapack": "Name of a Megapack, for example mp001.",
    "genset": "Name of a generator, for example g01.",
    "job": "Name of a training job.",
    "emulator": "Name of an emulator.",
    "shard": "Number of a shard, from 0.",
    "replica": "Number of a replica of the aggregators, from 0.",
    "id": "Identifier that the sender of the command chose.",
}
_TOPICS = Topics("{site}")
_SITE = Layout(load_site(EXAMPLE_SITE))


@dataclass(frozen=True, slots=True)
class _Channel:
    """One channel and how the twin uses it."""

    name: str
    address: str
    schema: str
    summary: str
    sends: bool = True
    qos: int = 0
    retain: bool = False
    answered: bool = False

    @property
    def messages(self) -> tuple[str, ...]:
        """Names of the messages: frames come in two codecs, blocks in CBOR only."""
        if self.name == BLOCKS:
            return (f"{self.name}Cbor",)
        return (self.name,) if self.schema in MESSAGES else (self.name, f"{self.name}Cbor")


def _frame(frame: UnitKind) -> _Channel:
    devices = {
        UnitKind.RACK: "A snapshot of a rack: GPUs, NICs, servers, power supplies, cooling, PDUs.",
        UnitKind.ARRAY: "A snapshot of an array's leaf switches and their ports.",
        UnitKind.PLANE: "A snapshot of a plane of spine switches.",
        UnitKind.SERVICE: "A snapshot of a rack of storage and CPU servers.",
        UnitKind.MEGAPACK: "A snapshot of a Megapack.",
        UnitKind.GENSET: "A snapshot of a generator.",
        UnitKind.GRID: "A snapshot of the grid feed and the site's meters.",
        UnitKind.JOB: "A snapshot of a training job.",
    }
    address = _TOPICS.frame(frame, f"{{{frame.value}}}")
    return _Channel(frame.value, address, frame.value, devices[frame])


_CHANNELS = (
    *(_frame(frame) for frame in UnitKind),
    _Channel(
        BLOCKS,
        _TOPICS.blocks("{array}"),
        UnitKind.RACK.value,
        "Snapshots of several racks of an array in one message, where the site has "
        "telemetry.racks_per_message above 1 and frames are in CBOR.",
    ),
    _Channel(
        "status",
        _TOPICS.status("{emulator}"),
        "status",
        "The publishing emulator, its interval and its losses. Also the emulator's Last Will.",
        qos=1,
        retain=True,
    ),
    _Channel(
        "rackMeta",
        _TOPICS.meta("{rack}"),
        "rack-meta",
        "Identity of the hosts and GPUs of a rack; its labels are taken from it.",
        retain=True,
    ),
    _Channel(
        "rackJobs",
        _TOPICS.jobs("{rack}"),
        "rack-jobs",
        "Of a site with a scheduler: the jobs on the GPUs of a rack, and the state of its nodes.",
        qos=1,
        retain=True,
    ),
    _Channel(
        "siteJobs",
        _TOPICS.queue,
        "site-jobs",
        "Of a site with a scheduler: all jobs that wait, run, or have just ended.",
        qos=1,
        retain=True,
    ),
    _Channel(
        "faults", _TOPICS.faults, "faults", "The faults that are in force.", qos=1, retain=True
    ),
    _Channel(
        "inject",
        _TOPICS.command("inject"),
        "inject",
        "Command: let a fault begin now.",
        sends=False,
        qos=1,
        answered=True,
    ),
    _Channel(
        "clear",
        _TOPICS.command("clear"),
        "clear",
        "Command: end faults before their time.",
        sends=False,
        qos=1,
        answered=True,
    ),
    _Channel(
        "detail",
        _TOPICS.detail,
        "detail",
        "How much of each array aggregators expose, once a command set it.",
        qos=1,
        retain=True,
    ),
    _Channel(
        "setDetail",
        _TOPICS.command("detail"),
        "set-detail",
        "Command: change how much of each array is exposed, or ask.",
        sends=False,
        qos=1,
        answered=True,
    ),
    _Channel(
        "rollup",
        _TOPICS.rollup("{replica}", "{shard}"),
        "rollup",
        "Between aggregators: a shard's part of the roll-ups of halls and the site.",
    ),
    _Channel(
        "shadow",
        _TOPICS.shadow("{array}"),
        "shadow",
        "What an observer expects of an array, or as `grid` of the site's meters, and what it has "
        "found there.",
    ),
    _Channel("ack", _TOPICS.ack("{id}"), "ack", "The answer to the command of that id.", qos=1),
)


def pages() -> Mapping[str, str]:
    """Return ``asyncapi.yaml``."""
    text = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=100)
    return {"asyncapi.yaml": f"# Made by `python -m twin.docs`; do not edit.\n{text}"}


def document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Datacenter twin",
            "version": __version__,
            "description": "The telemetry of a simulated GPU datacenter over MQTT. One message is "
            "one snapshot of one unit: columnar, its groups and columns as the catalogue has "
            "them. An emulator writes its frames in JSON or in CBOR, and the first byte tells "
            "the two apart; schema/frames.cddl says how the columns lie in CBOR. The schemas "
            f"have the sizes of the site {EXAMPLE_SITE}.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:1883",
                "protocol": "mqtt",
                "protocolVersion": "3.1.1",
                "description": "The broker of `twin up` and of docker compose.",
            }
        },
        "channels": {channel.name: _channel(channel) for channel in _CHANNELS},
        "operations": {
            f"{'send' if channel.sends else 'receive'}{_capital(channel.name)}": _operation(channel)
            for channel in _CHANNELS
        },
        "components": {
            "messages": {
                name: _message(channel, name) for channel in _CHANNELS for name in channel.messages
            },
            "parameters": {
                name: {"description": text, "examples": [_example(name)]}
                for name, text in _PARAMETERS.items()
            },
        },
    }


def _channel(channel: _Channel) -> dict[str, Any]:
    parameters = [name for name in _PARAMETERS if f"{{{name}}}" in channel.address]
    return {
        "address": channel.address,
        "description": channel.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in parameters},
    }


def _operation(channel: _Channel) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": "send" if channel.sends else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.summary,
        "messages": [
            {"$ref": f"#/channels/{channel.name}/messages/{name}"} for name in channel.messages
        ],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain}},
    }
    if channel.answered:
        operation["reply"] = {
            "channel": {"$ref": "#/channels/ack"},
            "messages": [{"$ref": "#/channels/ack/messages/ack"}],
        }
    return operation


def _message(channel: _Channel, name: str) -> dict[str, Any]:
    if channel.name == BLOCKS:
        return {
            "name": name,
            "title": "block of rack frames in CBOR",
            "description": "A mapping with the keys of a rack's frame and `racks`, the names of "
            "the racks. ts and seq have one number a rack, and each column has the values of all "
            "racks one after the other: see schema/frames.cddl.",
            "contentType": "application/cbor",
        }
    payload = {"$ref": f"./schema/{channel.schema}.json"}
    if name != channel.name:
        return {
            "name": name,
            "title": f"{channel.schema} frame in CBOR",
            "description": "The same mapping. Each column is a typed array of RFC 8746, tag 85 "
            "(float32) or 86 (float64), with NaN for null: see schema/frames.cddl.",
            "contentType": "application/cbor",
            "payload": payload,
        }
    model = MESSAGES.get(channel.schema)
    return {
        "name": name,
        "title": f"{channel.schema} message" if model else f"{channel.schema} frame",
        "contentType": "application/json",
        "payload": payload,
    }


def _example(parameter: str) -> str:
    if parameter in set(UnitKind):
        return _SITE.unit_name(UnitKind(parameter), 0)
    examples = {"site": EXAMPLE_SITE, "emulator": "plant-0", "id": "cli-1"}
    return examples.get(parameter, "0")


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]
