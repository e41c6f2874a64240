"""Memory that one message takes: the worst of each kind, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

MOST_MIB = 128
"""More than the worst message takes, 86 MiB, and less than any that is not bounded."""

PROGRAM = """
import json, logging, resource, sys
import structlog
from twin.aggregator import Core
from twin.aggregator.shard_assignment import ShardAssignment
from twin.catalog import UnitKind
from twin.plant import Conditions, Plant
from twin.site import Layout, Shard, load_site
from twin.wire import MAX_FRAME_BYTES, Encoder
from twin.wire.messages import MAX_MESSAGE_BYTES

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
layout = Layout(load_site("demo"))
plant = Plant(layout, seed=0)
plant.step(1.0, Conditions.healthy(layout))
encoder = Encoder(layout, UnitKind.RACK)
encoder.load(plant.outputs())
frame = json.loads(encoder.encode(0, 1.0, 1))
core = Core(layout, division=ShardAssignment(layout, Shard(0, 2), 0, 1))
RACK, SITE = "twin/v1/demo/rack/r0001", "twin/v1/demo/"


def filled(head, item, tail, most):
    return head + b",".join([item] * ((most - len(head) - len(tail)) // (len(item) + 1))) + tail


def changed(value):
    gpu = frame["gpu"]
    name = next(iter(gpu))
    return json.dumps(frame | {"gpu": gpu | {name: [value] * len(gpu[name])}}).encode()


def big(item, tail=b""):
    count = (MAX_FRAME_BYTES - 20) // len(item)
    return b"\\xa1\\x61v\\x9a" + count.to_bytes(4, "big") + item * count + tail


text = "x" * 430_000
gpu = frame["gpu"]
first = next(iter(gpu))
one_text = gpu | {first: [text, *gpu[first][1:]]}
messages = {
    "a text in a column": (RACK, json.dumps(frame | {"gpu": one_text}).encode()),
    "a number as a text": (RACK, changed("1.5")),
    "lists in a column": (RACK, changed([1, 2])),
    "mappings in a column": (RACK, changed({"a": 1})),
    "lists that get deeper": (RACK, b"[" * MAX_FRAME_BYTES),
    "many lists": (RACK, filled(b'{"v":1,"x":[', b"[]", b"]}", MAX_FRAME_BYTES)),
    "many mappings": (RACK, filled(b'{"v":1,"x":[', b"{}", b"]}", MAX_FRAME_BYTES)),
    "many numbers": (RACK, filled(b'{"v":1,"x":[', b"1.5", b"]}", MAX_FRAME_BYTES)),
    "a great number": (RACK, changed(10**400)),
    "a CBOR array of 2**36": (RACK, b"\\xa1\\x61v\\x9b" + (2**36).to_bytes(8, "big")),
    "CBOR bytes of 2**32": (RACK, b"\\xa1\\x61v\\x5b" + (2**32).to_bytes(8, "big")),
    "a CBOR map of 2**36": (RACK, b"\\xbb" + (2**36).to_bytes(8, "big")),
    "many CBOR lists": (RACK, big(b"\\x80")),
    "many CBOR tags": (RACK, big(b"\\xd8\\x55\\x00")),
    "many empty faults": (SITE + "faults", filled(b'{"active":[', b"{}", b"]}", MAX_MESSAGE_BYTES)),
    "many keys": (SITE + "status/a", json.dumps({str(n): 1 for n in range(20_000)}).encode()),
    "many settings": (SITE + "command/detail",
                      filled(b'{"v":1,"id":"a","detail":[', b'"rack"', b"]}", MAX_MESSAGE_BYTES)),
    "many signals": (SITE + "rollup/0/1",
                     json.dumps({"signals": {str(n): {} for n in range(18_000)}}).encode()),
    "arrays without end": (SITE + "rollup/0/1", json.dumps({
        "v": 1, "shard": "1/2", "ready": True, "arrays": [[0, 2**52]], "halls": [], "signals": {},
    }).encode()),
    "metadata": (SITE + "meta/rack/r0001",
                 filled(b'{"gpu_uuids":[', b"1", b"]}", MAX_MESSAGE_BYTES)),
}
assert len(messages["a text in a column"][1]) > 430_000
core.handle(RACK, json.dumps(frame).encode(), False, 1.0)
core.metrics(), core.array(0)
began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
taken = {}
for name, (topic, payload) in messages.items():
    core.handle(topic, payload, False, 2.0)
    core.tick(2.0)
    core.metrics()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken[name], began = (peak - began) / 1024, peak
tallies = core.telemetry.tallies()
print(json.dumps({"taken": taken, "refused": tallies["twin_messages_refused_total"],
                  "ingested": tallies["twin_frames_ingested_total"]["rack"]}))
"""


def test_no_message_takes_much_memory() -> None:
    """Whatever the bytes, a message takes no more memory than a few hundred frames would."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout)
    assert {name: mib for name, mib in found["taken"].items() if mib > MOST_MIB} == {}
    assert sum(found["taken"].values()) < 2 * MOST_MIB, found
    assert found["refused"]["unexpected"] == 0
    assert found["ingested"] == 1
