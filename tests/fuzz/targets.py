"""What is fed with anything, and what must hold then: only errors that a user can meet.

A target takes bytes. It returns when what it was given was understood or refused as promised;
anything else that it raises is a finding.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from prometheus_client.parser import text_string_to_metric_families

from tests.fuzz.observers import calibration, capture, gateway, observer_seeds, shadow
from twin.aggregator import Core, Token
from twin.aggregator.access import Access, Guarded
from twin.aggregator.app import create_app
from twin.aggregator.command_client import CommandClient
from twin.aggregator.page import LivePage
from twin.aggregator.shard_assignment import ShardAssignment
from twin.bus import BrokerUrl
from twin.catalog import UnitKind
from twin.cli.options import seconds
from twin.emulator import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.emulator.state import StateFile
from twin.errors import TwinError
from twin.plant import Conditions, Plant
from twin.plant.state import PlantStateError
from twin.rules.expression import parts, reach, selectors, sievable
from twin.scenario.loader import parse_scenario
from twin.site import DetailPlan, Layout, Shard, find_target, parse_site
from twin.wire import Codec, Encoder, RackMeta, Topics, decode_message

__all__ = ["CORPUS", "TARGETS", "frame_into", "fresh_core", "seeds"]

CORPUS = Path(__file__).parent / "corpus"
TINY = """
name: tiny
racks: 3
racks_per_array: 2
servers_per_rack: 2
pdus_per_rack: 1
server: {gpus: 2, nics: 2, psus: 2}
megapacks: {count: 1}
gensets: {count: 1}
jobs: [{name: pretrain, racks: 1}]
scheduler: {kind: kubernetes}
job_mix: [{name: a, share: 1, gpus: [1, 2], seconds: 60}]
"""
TOPICS = Topics("tiny")
KINDS = tuple(UnitKind)
ANNOUNCEMENTS = (
    "faults", "detail", "rollup/0/1", "ack/x", "feedback", "rack", "", "jobs/r0002", "queue",
    "shadow/a001",
)  # fmt: skip
COMMANDS = ("inject", "clear", "detail", "explode")
SELDOM = 512
"""Of so many messages that change no value one is followed by a look at what is exposed."""
TOKEN = Token("a-token-that-nobody-guesses")


@cache
def _layout() -> Layout:
    return Layout(parse_site(TINY, "tiny"))


def fresh_core() -> Core:
    """Return a core of the tiny site that nobody has fed yet."""
    return Core(_layout())


@cache
def _core() -> Core:
    return fresh_core()


@cache
def _shard() -> Core:
    """Return the first of two aggregators, which adds up what the other one sends."""
    return Core(_layout(), division=ShardAssignment(_layout(), Shard(0, 2), 0, 1))


@cache
def _emulators() -> tuple[EmulatorCore, ...]:
    """Return an emulator of the whole site, and one of its shards, which listens to others."""
    configs = EmulatorConfig(_layout()), EmulatorConfig(_layout(), shard=Shard(0, 2))
    return tuple(EmulatorCore(config, epoch=_TIME.now) for config in configs)


class _Time:
    """A wall clock that goes on by a tenth of a second a reading."""

    now = 1_800_000_000.0

    def read(self) -> float:
        self.now += 0.1
        return self.now


_TIME = _Time()


def json(data: bytes) -> None:
    """A frame of any kind, from whoever likes: the first byte chooses the kind and the unit."""
    frame_into(_core(), data)


def cbor(data: bytes) -> None:
    """The same, as a CBOR map whatever its first byte is."""
    frame_into(_core(), data[:1] + bytes(0xA0 | byte & 0x1F for byte in data[1:2]) + data[2:])


def frame_into(core: Core, data: bytes) -> None:
    """The same into a core of one's own."""
    chosen = data[0] if data else 0
    kind = KINDS[chosen % len(KINDS)]
    unit = (chosen // len(KINDS)) % max(1, core.layout.units(kind))
    topic = TOPICS.frame(kind, core.layout.unit_name(kind, unit))
    _handled(core, topic, data[1:], retain=chosen > 250)


def status(data: bytes) -> None:
    """What an emulator says of itself, to aggregators and to other emulators."""
    _told("status/shard-1", data)


def metadata(data: bytes) -> None:
    """What a rack is made of, also as a message by itself."""
    _told("meta/rack/r0001", data)
    with suppress(TwinError):
        decode_message(RackMeta, data)


def command(data: bytes) -> None:
    """Commands: the first byte chooses which, and whether the broker had kept it."""
    chosen = data[0] if data else 0
    _told(f"command/{COMMANDS[chosen % len(COMMANDS)]}", data[1:], retain=chosen > 250)


def announcement(data: bytes) -> None:
    """Everything else beside frames: the first byte chooses the topic."""
    _told(ANNOUNCEMENTS[(data[0] if data else 0) % len(ANNOUNCEMENTS)], data[1:])


def _told(name: str, payload: bytes, *, retain: bool = False) -> None:
    """Hand a message to everybody who hears it."""
    topic = f"twin/v1/tiny/{name}"
    for core in (_core(), _shard()):
        _handled(core, topic, payload, retain=retain)
        core.outbox()
    for emulator in _emulators():
        emulator.on_message(topic, payload, retain=retain)
        emulator.outbox()
        emulator.faults.restore(())


def state(data: bytes) -> None:
    """A state that an emulator finds on its disk."""
    file = _state_file()
    file.path.write_bytes(data)
    with suppress(TwinError, PlantStateError):
        kept = file.load()
        EmulatorCore(EmulatorConfig(_layout()), epoch=_TIME.now, kept=kept).step(1.0)


@cache
def _state_file() -> StateFile:
    return StateFile(Path(tempfile.mkdtemp(prefix="fuzz-state-")), _layout(), "training")


def topic(data: bytes) -> None:
    """Any topic with a payload after the first line."""
    name, _, payload = data.partition(b"\n")
    _handled(_core(), name.decode("utf-8", "replace"), payload, retain=False)


_LOOKS = itertools.count(1)


def _handled(core: Core, topic: str, payload: bytes, *, retain: bool) -> None:
    """Hand a message over; what is exposed afterwards must be a page that Prometheus can read."""
    before = core.store.version
    core.handle(topic, payload, retain, _TIME.read())
    if core.store.version != before or next(_LOOKS) % SELDOM == 0:
        core.tick(_TIME.now)
        _readable(core)
        refused = core.telemetry.tallies()["twin_messages_refused_total"]
        assert not refused["unexpected"], "an error that nobody foresaw"


def _readable(core: Core) -> None:
    text = bytes(core.metrics()).decode()
    names = {
        sample.labels.get("site", "tiny")
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert names == {"tiny"}, "a label came in through a name"


def site(data: bytes) -> None:
    """A site's file; what is accepted can be laid out and, if it is small, lived through."""
    with suppress(TwinError):
        layout = Layout(parse_site(data.decode("utf-8", "replace"), "fuzzed.yaml"))
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", layout.site.name)
        if layout.site.gpus <= 256 and layout.site.racks <= 16:
            Plant(layout, seed=0).step(1.0, Conditions.healthy(layout))


def scenario(data: bytes) -> None:
    """A scenario's file."""
    with suppress(TwinError):
        parse_scenario(data.decode("utf-8", "replace"), Path("fuzzed.yaml"))


def expression(data: bytes) -> None:
    """A rule's expression in PromQL."""
    text = data.decode("utf-8", "replace")
    with suppress(TwinError):
        selectors(text)
        parts(text)
        sievable(text)
        reach(text)


def argument(data: bytes) -> None:
    """A broker's address, a duration, a target, a detail: what stands on a command line."""
    text = data.decode("utf-8", "replace")
    for parse in (BrokerUrl.parse, seconds, partial(find_target, _layout())):
        with suppress(TwinError):
            parse(text)
    with suppress(TwinError):
        DetailPlan.of_site(_layout().site).changed([text])


@cache
def _app() -> Guarded:
    core = _core()
    access = Access(None, TOKEN)
    page = LivePage(core, "mqtt://broker", None, CommandClient("tiny"), access)
    return Guarded(create_app(core, page=page), access, core.telemetry)


def http(data: bytes) -> None:
    """A request: method and path with query, headers, and a body after an empty line."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, address = first.decode("latin-1").partition(" ")
    path, _, query = address.partition("?")
    if path == "/api/stream":
        return  # it has no end
    if not re.fullmatch(r"[!-~]+", address):
        return  # h11 refuses it before anybody else sees it
    headers = [
        (name.strip().lower(), value.strip())
        for name, found, value in (line.partition(b":") for line in lines)
        if found
    ]
    if b"command" in head:
        headers.append((b"authorization", f"Bearer {TOKEN.value}".encode()))
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": method or "GET", "scheme": "http", "path": unquote(path),
        "raw_path": path.encode("latin-1", "replace"), "query_string": query.encode("latin-1"),
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 9400), "state": {},
    }  # fmt: skip
    status = asyncio.run(_answer(scope, body))
    # 503 is said of a broker that is away, and there is none.
    assert status < 500 or status == 503, status


async def _answer(scope: dict[str, Any], body: bytes) -> int:
    sent: list[dict[str, Any]] = []
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if rest:
            return rest.pop()
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(20):
        await _app()(scope, receive, send)
    return int(sent[0]["status"])


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        json,
        cbor,
        topic,
        status,
        metadata,
        command,
        announcement,
        http,
        state,
        site,
        scenario,
        expression,
        argument,
        shadow,
        calibration,
        gateway,
        capture,
    )
}


def seeds() -> dict[str, list[bytes]]:
    """Return valid inputs of the targets whose input has to be made: frames, a state."""
    layout = _layout()
    plant = Plant(layout, seed=0)
    plant.step(1.0, Conditions.healthy(layout))
    found: dict[str, list[bytes]] = {"json": [], "cbor": []}
    for number, kind in enumerate(KINDS):
        for codec in Codec:
            encoder = Encoder(layout, kind, codec)
            encoder.load(plant.outputs())
            found[codec.value].append(bytes([number]) + encoder.encode(0, 1.0, 1))
    core = EmulatorCore(EmulatorConfig(layout), epoch=_TIME.now)
    found["state"] = [_state_file().dump(core.state())]
    return found | observer_seeds()
