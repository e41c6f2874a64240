"""The observer's process: what it reads, publishes and keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from twin.bench.hidden_reality import KNOWN, HiddenReality
from twin.bus import InboundMessage
from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.shadow import ShadowCore, ShadowSettings
from twin.shadow.calibration import Phases
from twin.shadow.core import ToldDevices
from twin.shadow.reports import reports, series_told
from twin.shadow.service import CalibrationFile, Shadow
from twin.site import Layout, parse_site
from twin.wire import Codec, Encoder, ShadowReport, decode_message

_LAYOUT = Layout(parse_site(KNOWN, "known"))
TOLD: tuple[ToldDevices, ...] = ("off", "racks", "devices")


class Wire:
    """A bus that gives out frames, and keeps what is published."""

    def __init__(self, messages: list[InboundMessage]) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.subscribed: list[str] = []
        self._messages = messages

    async def subscribe(self, topic_filter: str, *, qos: int = 0) -> None:
        """Take note of a subscription."""
        assert qos == 0
        self.subscribed.append(topic_filter)

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Keep a message."""
        assert (qos, retain) == (0, False)
        self.sent.append((topic, payload))

    async def messages(self) -> AsyncIterator[InboundMessage]:
        """Yield the messages."""
        for message in self._messages:
            yield message


def _frames(seconds: int) -> list[InboundMessage]:
    """Return the frames of racks, jobs and the site's meters in so many seconds, as they travel."""
    reality = HiddenReality(3)
    kinds = (UnitKind.RACK, UnitKind.GRID, UnitKind.JOB)
    encoders = {kind: Encoder(_LAYOUT, kind, Codec.CBOR) for kind in kinds}
    topics, found = reality.shadow.topics, []
    for second in range(0, seconds, 5):
        reality.plant.step(5.0, reality.healthy)
        for kind, encoder in encoders.items():
            encoder.load(reality.plant.outputs())
            for unit in range(_LAYOUT.units(kind)):
                topic = topics.frame(kind, _LAYOUT.unit_name(kind, unit))
                payload = encoder.encode(unit, 1e9 + second, second)
                found.append(InboundMessage(topic, payload, retain=False))
    return found


def _core() -> ShadowCore:
    return ShadowCore(_LAYOUT, ShadowSettings(phases=Phases(2, 3)))


def _observe(shadow: Shadow, wire: Wire) -> None:
    asyncio.run(shadow._session(wire))  # type: ignore[arg-type]  # it has what is used of a bus


def test_observer_reports_every_block_and_keeps_its_calibration(tmp_path: Path) -> None:
    """Each block gives a report an array and one of the site; another observer goes on with it."""
    file = CalibrationFile(tmp_path / "small.shadow")
    core = _core()
    assert not file.load(core)
    wire = Wire([*_frames(360), InboundMessage("twin/v1/small/rack/r0001", b"{", retain=False)])
    _observe(Shadow(core, "shadow-0", file, clock=count().__next__), wire)
    assert wire.subscribed == [
        "twin/v1/small/rack/+", "twin/v1/small/grid", "twin/v1/small/job/+",
        "twin/v1/small/meta/rack/+", "twin/v1/small/jobs/+",
    ]  # fmt: skip
    assert core.refused == {"malformed": 1}
    told: dict[str, list[ShadowReport]] = {}
    for topic, payload in wire.sent:
        told.setdefault(topic, []).append(decode_message(ShadowReport, payload))
    assert told.keys() == {"twin/v1/small/shadow/a001", "twin/v1/small/shadow/grid"}
    array, site = told.values()
    assert len(array) == len(site) == core.blocks >= 10
    relations = [own.relation for last in (array[-1], site[-1]) for own in last.relations]
    assert sorted(relations) == sorted(core.watches)
    assert [sum(own.covered for own in each.relations) for each in array[:4]] == [0] * 4
    most = {
        name: max(own.covered / own.devices for each in (*array, *site) for own in each.relations
                  if own.relation == name)
        for name in core.watches
    }  # fmt: skip
    assert min(most.values()) > 0.9, most
    assert file.path.exists()

    again = _core()
    assert file.load(again)
    assert again.watches["gpu_temperature"].own.watching.all()


def test_what_is_told_of_healthy_devices_is_by_choice() -> None:
    """Racks by default, devices with what is expected of them, or nothing: as counted before."""
    reality = HiddenReality(3)
    cores = {told: ShadowCore(_LAYOUT, ShadowSettings(phases=Phases(2, 3), told=told))
             for told in TOLD}  # fmt: skip
    for rack, snapshot in reality.frames(300):
        for core in cores.values():
            core.take(rack, snapshot)
    for told, core in cores.items():
        told_of = [decode_message(ShadowReport, message.payload) for message in reports(core)]
        relations = [own for report in told_of for own in report.relations]
        racks = [value for own in relations for value in own.racks]
        each = [own.each for own in relations if own.each is not None]
        values = [value for own in each for value in (*own.expected, *own.residual, *own.sigmas)]
        assert len(racks) + len(values) == series_told(core)
        assert (bool(racks), bool(values)) == (told != "off", told == "devices")
    gpus = next(own.each for own in relations if own.relation == "gpu_temperature")
    assert gpus is not None
    assert gpus.device == "gpu"
    assert all(value is not None and 30.0 < value < 90.0 for value in gpus.expected)
    assert all(value is not None and abs(value) < 6.0 for value in gpus.sigmas)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x05\x06" + b"\0" * 18])
def test_damaged_calibration_is_told_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    """The file, what is wrong with it and what to do stand in one sentence."""
    path = tmp_path / "small.shadow"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"is no calibration of site 'small'.*remove it"):
        CalibrationFile(path).load(_core())


def test_folder_has_a_file_for_each_site(tmp_path: Path) -> None:
    """What is given may be a folder, so that another site does not find this one's calibration."""
    assert CalibrationFile.of(tmp_path, "small").path == tmp_path / "small.shadow"
    assert CalibrationFile.of(tmp_path / "file", "small").path == tmp_path / "file"


def test_file_that_cannot_be_written_ends_the_command(tmp_path: Path) -> None:
    """It is tried before the observer connects, so that hours of learning are not lost."""
    shadow = Shadow(_core(), "shadow-0", CalibrationFile(tmp_path / "none" / "file"))
    with pytest.raises(ConfigError, match="cannot be written"):
        asyncio.run(shadow._save())
