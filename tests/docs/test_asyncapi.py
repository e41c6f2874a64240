"""The AsyncAPI document: complete, and true to the topics."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.every import every
from twin import __version__
from twin.catalog import UnitKind
from twin.docs import schema
from twin.docs.asyncapi import document, pages
from twin.wire import Topics

DOCUMENT = document()


def resolve(reference: str) -> Any:
    """Return what a local reference points to."""
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node: Any) -> list[str]:
    """Return every reference below ``node``."""
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [ref for value in node.values() for ref in references(value)]
    if isinstance(node, list):
        return [ref for value in node for ref in references(value)]
    return []


def test_document_says_what_it_is() -> None:
    """Version 3.0.0 of AsyncAPI, ours of the contract."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["version"] == __version__
    assert yaml.safe_load(pages()["asyncapi.yaml"]) == DOCUMENT


@every("reference", sorted(set(references(DOCUMENT))))
def test_reference_leads_somewhere(reference: str) -> None:
    """No reference is dangling, neither inside nor to a schema beside it."""
    if reference.startswith("#/"):
        assert resolve(reference)
    else:
        assert reference.removeprefix("./") in schema.pages()


def test_every_schema_is_used() -> None:
    """What has a schema has a channel."""
    files = {ref.removeprefix("./") for ref in references(DOCUMENT) if not ref.startswith("#")}
    assert files == set(schema.pages())


def test_addresses_are_the_topics() -> None:
    """Every address with its parameters filled in is a topic that the twin understands."""
    kinds = set()
    for name, channel in DOCUMENT["channels"].items():
        address = channel["address"]
        assert set(re.findall(r"{(\w+)}", address)) == set(channel["parameters"]), name
        topic = address
        for parameter in channel["parameters"]:
            example = resolve(f"#/components/parameters/{parameter}")["examples"][0]
            topic = topic.replace(f"{{{parameter}}}", example)
        parsed = Topics.parse(topic)
        assert parsed is not None, topic
        assert parsed.site == "demo"
        kinds.add(parsed.kind)
    beside = {
        "racks",
        "rollup",
        "status",
        "meta",
        "jobs",
        "queue",
        "faults",
        "detail",
        "command",
        "ack",
        "shadow",
    }
    assert kinds == {*UnitKind} | beside


def test_every_channel_has_one_operation() -> None:
    """A reader learns of each channel who sends and whether the broker keeps it."""
    operations = DOCUMENT["operations"].values()
    channels = [operation["channel"]["$ref"] for operation in operations]
    assert sorted(channels) == sorted(f"#/channels/{name}" for name in DOCUMENT["channels"])
    for operation in operations:
        assert operation["action"] in {"send", "receive"}
        assert set(operation["bindings"]["mqtt"]) == {"qos", "retain"}


def test_commands_are_received_and_answered() -> None:
    """Only commands go to the twin, and each is answered on the same channel."""
    received = {
        name: operation
        for name, operation in DOCUMENT["operations"].items()
        if operation["action"] == "receive"
    }
    assert set(received) == {"receiveInject", "receiveClear", "receiveSetDetail"}
    for operation in received.values():
        assert operation["reply"]["channel"] == {"$ref": "#/channels/ack"}
