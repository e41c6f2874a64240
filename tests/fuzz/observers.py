"""What the parts beside a real site are fed with: observer, calibration, gateway, survey."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from functools import cache
from typing import Any

from twin.catalog import UnitKind
from twin.errors import TwinError
from twin.fleet.capture import capture as captured
from twin.fleet.gateway_core import GatewayCore
from twin.fleet.survey import survey
from twin.plant import Conditions, Plant
from twin.shadow import ShadowCore
from twin.site import Layout, parse_site
from twin.wire import Codec, Decoder, Encoder, RackMeta, Topics, decode_message

__all__ = ["calibration", "capture", "gateway", "observer_seeds", "shadow"]

NOW = 1_800_000_000.0
REAL = """
name: real
racks: 2
servers_per_rack: 2
server: {gpus: 2, nics: 2, psus: 2}
measured:
  - {rack: 1, name: r0001, hosts: [r0001-n1, r0001-n2]}
  - {rack: 2, hosts: [r0002-n1, r0002-n2]}
"""
TOPICS = Topics("real")
MOST_BLOCKS = 64
_CLOCK = itertools.count()


@cache
def _layout() -> Layout:
    return Layout(parse_site(REAL, "real"))


@cache
def _shadow() -> ShadowCore:
    return ShadowCore(_layout())


@cache
def _gateway() -> GatewayCore:
    return GatewayCore(_layout(), "gateway-0", Codec.JSON)


@cache
def _decoder() -> Decoder:
    return Decoder(_layout(), UnitKind.RACK)


def shadow(data: bytes) -> None:
    """A frame of a rack or what it is made of: the first byte chooses which, and of which rack."""
    core = _shadow()
    chosen = data[0] if data else 0
    name = _layout().unit_name(UnitKind.RACK, chosen % 2)
    kind = {7: "meta/rack", 6: "jobs"}.get(chosen % 8, "rack")
    topic = f"twin/v1/real/{kind}/{name}"
    core.handle(topic, data[1:], retain=chosen > 250, at=float(next(_CLOCK)))
    core.evaluate()
    assert not core.refused["unexpected"], "an error that nobody foresaw"


def calibration(data: bytes) -> None:
    """A calibration that an observer finds on its disk, and a frame for who took it."""
    core = ShadowCore(_layout())
    with suppress(ValueError):
        core.restore(data)
        for frame in _frames():
            core.handle(TOPICS.frame(UnitKind.RACK, "r0001"), frame)
            core.evaluate()
        assert not core.refused
        assert len(core.state()) < 2 * len(data) + 100_000


def gateway(data: bytes) -> None:
    """An answer of a Prometheus to a gateway: what is sent of it is as an emulator would."""
    core = _gateway()
    core.take(data)
    for message in core.frames_due():
        _decoder().decode(message.payload)
    for message in core.metadata():
        decode_message(RackMeta, message.payload)


class _Answers:
    """Answers every query with what it was given."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """Return the metrics' names."""
        del label, selector, start, end
        return self._given["names"]  # type: ignore[no-any-return]  # a stranger's

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the series, whatever is asked for."""
        del query, at
        return self._given["series"]  # type: ignore[no-any-return]  # a stranger's


def capture(data: bytes) -> None:
    """Names and series of a Prometheus, as JSON; a site that is made of them can be laid out."""
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return  # the client says so
    with suppress(TwinError):
        Layout(captured(survey(_Answers(given), NOW), "fuzzed").site)


@cache
def _frames() -> tuple[bytes, ...]:
    """Return frames of a rack, a block of time apart."""
    plant = Plant(_layout(), seed=0)
    made = []
    for number in range(3):
        plant.step(1.0, Conditions.healthy(_layout()))
        encoder = Encoder(_layout(), UnitKind.RACK)
        encoder.load(plant.outputs())
        made.append(encoder.encode(0, NOW + 60.0 * number, number + 1))
    return tuple(made)


def observer_seeds() -> dict[str, list[bytes]]:
    """Return valid inputs of the targets whose input has to be made."""
    core = ShadowCore(_layout())
    for frame in _frames():
        core.handle(TOPICS.frame(UnitKind.RACK, "r0001"), frame)
    return {"shadow": [b"\0" + frame for frame in _frames()], "calibration": [core.state()]}
