"""The observer beside a hidden reality that air cools."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, KNOWN_IN_AIR, HiddenReality
from twin.catalog import GPU, UnitKind
from twin.plant import Conditions
from twin.shadow import ShadowCore
from twin.shadow.reports import reports
from twin.site import Layout, parse_site
from twin.wire import ShadowReport, decode_message

Columns = dict[str, np.ndarray]
_AIR = {"heat_sink", "air_filter", "air_to_heat_sinks", "inlet_temperature_sensor",
        "outlet_temperature_sensor", "server_sensors", "gpu_temperature_sensor", "gpu_too_cool",
        "gpu_power_sensor"}  # fmt: skip


@pytest.fixture(scope="module")
def calibrated() -> bytes:
    """Return the calibration of a hidden reality in air, which was silent meanwhile."""
    reality = HiddenReality(7, known=KNOWN_IN_AIR)
    for _ in reality.run(1_320):
        assert not reality.shadow.findings
    watched = {name: own.own.watching.all() for name, own in reality.shadow.watches.items()}
    assert watched["gpu_temperature_in_air"]
    assert watched["outlet_temperature"]
    assert watched["pdu_power"]
    return reality.shadow.state()


def _again(calibrated: bytes) -> HiddenReality:
    """Return that reality with an observer that knows it, two minutes of which were silent."""
    shadow = ShadowCore(Layout(parse_site(KNOWN_IN_AIR, "known")))
    shadow.restore(calibrated)
    reality = HiddenReality(7, known=KNOWN_IN_AIR, shadow=shadow)
    for _ in reality.run(120):
        assert not shadow.findings
    return reality


def _heat_sink(conditions: Conditions) -> None:
    conditions.gpu_thermal_resistance[3, 5] *= 1.15


def _filter(conditions: Conditions) -> None:
    conditions.air_resistance[2, 1] = 3.0


@pytest.mark.full
@pytest.mark.parametrize(
    ("cause", "place", "strike"),
    [("heat_sink", "r0004/n1/gpu5", _heat_sink), ("air_filter", "r0003/n2", _filter)],
)
def test_what_keeps_heat_in_a_server_is_named_within_five_minutes(
    calibrated: bytes, cause: str, place: str, strike: Callable[[Conditions], None]
) -> None:
    """A worn heat sink and a clogged filter are told apart, and nothing else is found."""
    reality = _again(calibrated)
    reality.conditions = strike
    for _ in reality.run(300):
        pass
    assert [(own.cause, own.place) for own in reality.shadow.findings] == [(cause, place)]


_in_full = functools.partial(pytest.param, marks=pytest.mark.full)


@pytest.mark.parametrize(
    ("cause", "place", "reading", "column", "added"),
    [
        _in_full("inlet_temperature_sensor", "r0005/n2", "server.inlet_temperature", 1, 3.0),
        ("outlet_temperature_sensor", "r0005/n2", "server.outlet_temperature", 1, -3.0),
        _in_full("gpu_temperature_sensor", "r0005/n2/gpu1", "gpu.gpu_temp", 9, 3.0),
        _in_full("gpu_power_sensor", "r0005/n2/gpu1", "gpu.power_usage", 9, -90.0),
    ],
)
def test_a_wrong_sensor_is_told_from_the_device(
    calibrated: bytes, cause: str, place: str, reading: str, column: int, added: float
) -> None:
    """The sensor is named, and by how much it is wrong in the right direction."""
    reality = _again(calibrated)

    def alter(rack: int, columns: Columns) -> None:
        if rack == 4:
            columns[reading][column] += added

    reality.alter = alter
    for _ in reality.run(300):
        pass
    [found] = [own for own in reality.shadow.findings if own.place == place]
    assert found.cause == cause
    if reading == "gpu.gpu_temp":
        assert found.residual == pytest.approx(added, abs=0.6)
        assert "above" in found.text


def test_meters_of_power_are_told_apart(calibrated: bytes) -> None:
    """A PDU, a meter of a server and a supply that loses more are named, each in its rack."""
    reality = _again(calibrated)

    def alter(rack: int, columns: Columns) -> None:
        if rack == 1:
            columns["pdu.power"][0] += 700.0
        elif rack == 2:
            columns["server.power"][1] += 300.0
        elif rack == 4:
            lost = 0.02 * columns["psu.output_power"][5]
            columns["psu.input_power"][5] += lost
            columns["server.power"][1] += lost
            columns["pdu.power"] += lost / columns["pdu.power"].size

    reality.alter = alter
    for _ in reality.run(300):
        pass
    assert {(own.cause, own.place) for own in reality.shadow.findings} == {
        ("pdu_meter", "r0002"), ("server_meter", "r0003/n2"), ("supply_loss", "r0005/n2/psu2"),
    }  # fmt: skip


def test_fan_that_turns_slower_than_the_others_is_named(calibrated: bytes) -> None:
    """A fan at 96 % of its server's others is named, and nothing else is found."""
    reality = _again(calibrated)

    def alter(rack: int, columns: Columns) -> None:
        if rack == 1:
            for name in ("fan.speed", "fan.speed_ratio"):
                columns[name][12] *= 0.96

    reality.alter = alter
    for _ in reality.run(420):
        pass
    [found] = reality.shadow.findings
    assert (found.cause, found.place) == ("fan_slow", "r0002/n2/fan3")
    assert "4." in found.text or "3." in found.text


def test_faster_fans_and_hot_air_are_no_deviation(calibrated: bytes) -> None:
    """What fans do and what air comes in is known: neither is laid to a heat sink or sensor."""
    reality = _again(calibrated)

    def strike(conditions: Conditions) -> None:
        conditions.fan_available[1, 12] = False
        conditions.hot_air_recirculated[4] = 0.15

    reality.conditions = strike
    for _ in reality.run(420):
        assert not {own.cause for own in reality.shadow.findings} & _AIR


def test_coverage_counts_the_racks_that_have_a_relation() -> None:
    """On a mixed site a relation in air is reported over the racks in air alone."""
    mixed = KNOWN + "blocks: [{racks: 4}, {racks: 2, medium: air}]"
    layout = Layout(parse_site(mixed, "mixed"))
    core = ShadowCore(layout)
    devices = {
        own.relation: own.devices
        for message in reports(core)
        for own in decode_message(ShadowReport, message.payload).relations
    }
    each = layout.per_unit(GPU)
    assert layout.units(UnitKind.RACK) == 6
    assert devices["gpu_temperature"] == 4 * each
    assert devices["gpu_temperature_in_air"] == 2 * each
