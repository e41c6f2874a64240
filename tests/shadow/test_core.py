"""The observer beside a hidden reality: silent while it is well, right about what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, HiddenReality
from twin.catalog import DEVICES, UnitKind
from twin.errors import FrameError
from twin.plant import Conditions
from twin.shadow import RELATIONS, ShadowCore, causes
from twin.site import Layout, load_site, parse_site
from twin.wire import (
    BlockEncoder,
    BlockRow,
    Codec,
    Encoder,
    Snapshot,
    SnapshotTable,
    rack_meta,
)

_CALIBRATED = 1_320
"""Seconds after which all relations are watched."""
Columns = dict[str, np.ndarray]
Alter = Callable[[Columns], None]
Calibrated = tuple[bytes, list[tuple[int, Snapshot]], Any]


@pytest.fixture(scope="module")
def calibrated() -> Calibrated:
    """Return the calibration of a hidden reality, and ten minutes of it afterwards."""
    reality = HiddenReality(7)
    for _ in reality.run(_CALIBRATED):
        assert not reality.shadow.findings
    return reality.shadow.state(), list(reality.exact(600)), reality.rng.bit_generator.state


@pytest.fixture(scope="module")
def morning(calibrated: Calibrated) -> HiddenReality:
    """Return that reality as another day begins, with an observer that knows it."""
    shadow = ShadowCore(Layout(parse_site(KNOWN, "known")))
    shadow.restore(calibrated[0])
    reality = HiddenReality(7, shadow=shadow)
    for _ in reality.run(120):
        assert not shadow.findings
    return reality


def _copied(morning: HiddenReality) -> HiddenReality:
    """Return a reality that goes on by itself; tables are told by identity and stay as they are."""
    return deepcopy(morning, {id(own): own for own in (*DEVICES, *RELATIONS, morning.layout)})


def _replayed(
    calibrated: Calibrated, alter: Callable[[int, Columns], None], seconds: int
) -> ShadowCore:
    """Return an observer that has seen so many seconds of what followed, altered."""
    reality = HiddenReality(7)
    reality.shadow.restore(calibrated[0])
    reality.rng.bit_generator.state = calibrated[2]
    racks = reality.layout.site.racks
    for number, (rack, snapshot) in enumerate(calibrated[1][: (seconds + 120) // 5 * racks]):
        reality.alter = alter if number >= 120 // 5 * racks else None
        reality.shadow.take(rack, reality.measured(rack, snapshot))
    return reality.shadow


def _first(reality: HiddenReality, seconds: int) -> tuple[int, str, str] | None:
    """Return when the first finding comes, its cause and its place."""
    began = reality.second
    for second in reality.run(seconds):
        if reality.shadow.findings:
            finding = reality.shadow.findings[0]
            return second - began, finding.cause, finding.place
    return None


@pytest.mark.full
def test_healthy_hour_of_a_hidden_reality_has_no_finding() -> None:
    """With other parameters, spread, noise and seed than the site file has, an hour is silent."""
    reality = HiddenReality(11)
    for _ in reality.run(_CALIBRATED):
        assert not reality.shadow.findings
    for name, own in reality.shadow.watches.items():
        if own.relation.frame is UnitKind.JOB:
            continue  # no job tells of itself here
        # The last port of a server carries storage, for which there are no peers.
        ports = own.own.watching.reshape(-1, 3)[:, :2] if name.startswith("nic_") else None
        assert (own.own.watching if ports is None else ports).all(), name
    for second in reality.run(3_600):
        assert not reality.shadow.findings, (second, reality.shadow.findings)


def test_worn_cold_plate_is_named_within_ten_minutes(morning: HiddenReality) -> None:
    """A cold plate that conducts 20 % less is named, with its GPU and about that share."""
    reality = _copied(morning)

    def wear(conditions: Conditions) -> None:
        conditions.gpu_thermal_resistance[2, 5] = 1.0 / 0.8

    reality.conditions = wear
    found = _first(reality, 600)
    assert found is not None
    assert found[0] <= 600
    assert found[1:] == ("cold_plate", "r0003/n1/gpu5")
    for _ in reality.run(120):
        pass
    finding = reality.shadow.findings[0]
    assert finding.text.startswith("cold plate of r0003/n1/gpu5 conducts ")
    assert finding.residual > 3.0
    assert len(reality.shadow.findings) == 1


def _column(name: str, device: int, share: float = 0.0, added: float = 0.0) -> Alter:
    def alter(columns: Columns) -> None:
        columns[name][device] = columns[name][device] * (1.0 + share) + added

    return alter


def _lossy_supply(columns: Columns) -> None:
    """Let a supply lose 2 % of its output more, on all meters from bottom to top."""
    lost = 0.02 * columns["psu.output_power"][5]
    columns["psu.input_power"][5] += lost
    columns["server.power"][1] += lost
    columns["pdu.power"] += lost / columns["pdu.power"].size


_WRONG = (
    (_column("cdu.flow", 0, share=0.1), "flow_meter", ""),
    (_column("cdu.return_temperature", 0, added=2.0), "return_temperature_sensor", ""),
    (_column("gpu.gpu_temp", 12, added=4.0), "gpu_temperature_sensor", "/n2/gpu4"),
    (_column("cdu.supply_temperature", 0, added=2.0), "supply_temperature_sensor", ""),
    (_column("cdu.facility_heat", 0, share=-0.05), "heat_meter", ""),
    (_column("gpu.memory_temp", 12, added=4.0), "memory_contact", "/n2/gpu4"),
    (_column("cdu.supply_temperature", 0, added=-0.6), "supply_temperature_sensor", ""),
    (_column("cdu.facility_flow", 0, share=0.05), "water_sensors", ""),
    (_column("gpu.power_usage", 12, share=-0.06), "gpu_power_sensor", "/n2/gpu4"),
    (_column("cdu.facility_supply_temperature", 0, added=1.0), "water_sensors", ""),
    (_column("server.power", 1, share=0.05), "server_meter", "/n2"),
    (_column("psu.input_power", 5, share=0.03), "supply_sensor", "/n2/psu2"),
    (_column("cdu.facility_return_temperature", 0, added=1.0), "water_sensors", ""),
    (_lossy_supply, "supply_loss", "/n2/psu2"),
)
_AT_A_TIME = (1, 3, 5)
"""Racks that have one of these each, while the others are well."""


def _in_racks(alters: Mapping[int, Alter]) -> Callable[[int, Columns], None]:
    def alter(rack: int, columns: Columns) -> None:
        if rack in alters:
            alters[rack](columns)

    return alter


@pytest.mark.full
def test_sensor_is_told_from_device(calibrated: Calibrated) -> None:
    """What one instrument reads wrong is put down to it, and a loss that all read to the device."""
    failed = []
    for first in range(0, len(_WRONG), len(_AT_A_TIME)):
        rows = dict(zip(_AT_A_TIME, _WRONG[first:], strict=False))
        shadow = _replayed(calibrated, _in_racks({rack: row[0] for rack, row in rows.items()}), 400)
        told = [(own.rack, own.cause, own.place) for own in shadow.findings]
        for rack, (_, cause, place) in rows.items():
            own = [found[1:] for found in told if found[0] == rack]
            if own[:1] != [(cause, f"r{rack + 1:04d}{place}")]:
                failed.append((cause, place, own))
        assert {found[0] for found in told} <= rows.keys(), told
    assert not failed


def test_a_cause_that_is_named_stays(
    calibrated: Calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it explains keeps to it, whichever relation shows most of it in the next block."""
    shadow = _replayed(
        calibrated, _in_racks({2: _column("cdu.supply_temperature", 0, added=1.0)}), 400
    )
    told, held = causes.findings(shadow.layout, shadow.of_units(UnitKind.RACK))
    assert [own.cause for own in told] == ["supply_temperature_sensor"]
    strengths = causes._alarms
    relations = {relation for relation, *_ in held}
    assert len(relations) > 1
    for strongest in relations:

        def other_order(watches: Any) -> Iterator[tuple[float, str, str, int, int]]:
            for own in strengths(watches):
                yield own[0] * (100.0 if own[1] == strongest else 1.0), *own[1:]  # noqa: B023 - read in this turn

        monkeypatch.setattr(causes, "_alarms", other_order)
        told, _ = causes.findings(shadow.layout, shadow.of_units(UnitKind.RACK), held)
        assert [own.cause for own in told] == ["supply_temperature_sensor"]


def test_worn_pump_is_named(morning: HiddenReality) -> None:
    """A pump that has lost 15 % of its head is named."""
    reality = _copied(morning)

    def wear(conditions: Conditions) -> None:
        conditions.pump_head[4, 1] = 0.85

    reality.conditions = wear
    found = _first(reality, 600)
    assert found is not None
    assert found[1:] == ("pump_wear", "r0005/pump2")


@pytest.mark.full
def test_fouled_heat_exchanger_is_named_before_its_valve_is_open(morning: HiddenReality) -> None:
    """Deposits of a tenth of its resistance are named by about their size, and nothing beside."""
    reality = _copied(morning)

    def foul(conditions: Conditions) -> None:
        conditions.exchanger_fouling[4] = 1.1

    reality.conditions = foul
    found = _first(reality, 600)
    assert found is not None
    assert found[1:] == ("heat_exchanger", "r0005")
    for _ in reality.run(300):
        pass
    [finding] = reality.shadow.findings
    assert finding.text.startswith("heat exchanger of r0005 conducts ")
    assert finding.ratio == pytest.approx(0.1, abs=0.05)


# -- what is no frame as it should be --------------------------------------------------


def test_nonsense_is_counted_and_never_found(morning: HiddenReality) -> None:
    """Gaps, old frames, missing values and strangers' messages are counted, without a finding."""
    reality = _copied(morning)
    shadow, topics = reality.shadow, reality.shadow.topics
    rng = np.random.default_rng(1)
    kept: list[tuple[int, Snapshot]] = []
    for rack, snapshot in reality.frames(600):
        draw = rng.random()
        if draw < 0.1:
            continue
        if draw < 0.2:
            for values in snapshot.groups.values():
                values[rng.random(values.shape) < 0.2] = np.nan
        if draw > 0.95 and kept:
            number, old = kept[0]
            table = shadow.refused["stale"] + shadow.refused["duplicate"]
            with pytest.raises(FrameError, match="older than the last"):
                shadow.take(number, old)
            assert shadow.refused["stale"] + shadow.refused["duplicate"] == table
        kept = [(rack, snapshot)]
        shadow.take(rack, snapshot)
        assert not shadow.findings
    before = sum(shadow.refused.values())
    for topic, payload in (
        (topics.frame(UnitKind.RACK, "r9999"), b"{}"),
        (topics.frame(UnitKind.RACK, "r0001"), b"{"),
        (topics.frame(UnitKind.RACK, "r0001"), b"\xff" * 100),
        (topics.meta("r0001"), b'{"rack": 1}'),
        (topics.meta("r9999"), rack_meta(reality.layout.names, 0).encode()),
        ("twin/v1/other/rack/r0001", b"{}"),
    ):
        shadow.handle(topic, payload)
    assert sum(shadow.refused.values()) == before + 6


@pytest.mark.full
def test_replaced_gpu_is_calibrated_anew(morning: HiddenReality) -> None:
    """A GPU with another UUID and a colder plate is a new one: it is not found, but learnt."""
    reality = _copied(morning)
    shadow = reality.shadow
    meta = rack_meta(reality.layout.names, 2)
    topic = shadow.topics.meta(meta.rack)
    shadow.handle(topic, meta.encode(), retain=True)
    other = meta.model_copy(
        update={"gpu_uuids": (*meta.gpu_uuids[:5], "GPU-new", *meta.gpu_uuids[6:])}
    )
    shadow.handle(topic, other.encode(), retain=True)

    def wear(conditions: Conditions) -> None:
        conditions.gpu_thermal_resistance[2, 5] = 1.3

    reality.conditions = wear
    for _ in reality.run(300):
        assert not shadow.findings
    watched = shadow.watches["gpu_temperature"].own.watching
    assert not watched[2, 5]
    assert watched.sum() == watched.size - 1


def test_clock_that_is_set_back_is_followed(morning: HiddenReality) -> None:
    """Five frames of an older time are refused, then the rack begins anew without a finding."""
    reality = _copied(morning)
    for rack, snapshot in reality.frames(120):
        back = Snapshot(snapshot.ts - 3600.0, snapshot.seq, snapshot.groups)
        with suppress(FrameError):
            reality.shadow.take(rack, back)
    assert reality.shadow.ts < 1_000_000_000.0
    assert not reality.shadow.findings


def test_damaged_calibration_is_refused() -> None:
    """What is no calibration of this site is refused in words, and nothing is taken of it."""
    shadow = ShadowCore(Layout(parse_site(KNOWN, "known")))
    other = ShadowCore(Layout(load_site("demo"))).state()
    for data in (b"", b"PK\x03\x04", other, shadow.state()[:5000]):
        with pytest.raises(ValueError, match=r"damaged|other counts"):
            shadow.restore(data)


def test_calibration_without_a_relation_is_taken_over() -> None:
    """What an observer of before has calibrated stays, and what it did not know is new."""
    shadow = ShadowCore(Layout(parse_site(KNOWN, "known")))
    for own in shadow.watches.values():
        own.own.watching[:] = True
    del shadow.watches["pdu_power"]
    other = ShadowCore(shadow.layout)
    other.restore(shadow.state())
    watched = {name for name, own in other.watches.items() if own.own.watching.all()}
    assert watched == other.watches.keys() - {"pdu_power"}


def test_frames_of_both_codecs_are_taken() -> None:
    """Frames travel as bytes, in JSON and CBOR, and a retained one is refused."""
    reality = HiddenReality(1)
    layout, shadow = reality.layout, reality.shadow
    table = SnapshotTable(layout, UnitKind.RACK)
    outputs = reality.plant.outputs()
    table.load(outputs)
    topic = shadow.topics.frame(UnitKind.RACK, "r0001")
    for number, codec in enumerate(Codec):
        encoder = Encoder(layout, UnitKind.RACK, codec)
        encoder.load(outputs)
        shadow.handle(topic, encoder.encode(0, 1e9 + number, number))
    shadow.handle(topic, encoder.encode(0, 1e9 + 5, 5), retain=True)
    assert shadow.frames == len(Codec)
    assert shadow.refused == {"stale": 1}


def test_frames_of_a_block_are_taken() -> None:
    """Racks that travel in one message are taken one by one, without those it may not name."""
    reality = HiddenReality(1)
    layout, shadow = reality.layout, reality.shadow
    encoder = BlockEncoder(layout, [BlockRow(0, ("r0001", "r0002", "r9999"))])
    encoder.load(reality.plant.outputs())
    payload = encoder.encode(0, dict.fromkeys(range(3), (1000000000.0, 1)))
    topic = shadow.topics.blocks("a001")
    text = KNOWN.replace("interval_seconds", "racks_per_message: 4, interval_seconds")
    grouped = ShadowCore(Layout(parse_site(text, "known")))
    assert shadow.topics.blocks("+") in grouped.subscriptions
    assert shadow.topics.blocks("+") not in shadow.subscriptions
    shadow.handle(topic, payload)
    shadow.handle(topic, b"{}")
    shadow.handle(topic, payload, retain=True)
    assert shadow.frames == 2
    assert shadow.refused == {"foreign": 1, "malformed": 1, "stale": 1}


def test_rack_that_sends_too_often_costs_no_more_than_others() -> None:
    """Frames of one rack within a tenth of a second replace each other, and are counted."""
    reality = HiddenReality(1)
    shadow = reality.shadow
    for number, (rack, snapshot) in enumerate(reality.exact(50)):
        shadow.take(rack, snapshot, at=0.01 * number)
    assert shadow.frames == 60
    assert 0 < shadow.refused["early"] < 54
    assert shadow.refused.keys() == {"early"}
