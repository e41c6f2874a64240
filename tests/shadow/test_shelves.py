"""The observer beside a hidden reality whose racks have power shelves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.every import every
from twin.bench.hidden_reality import KNOWN_ON_SHELVES, HiddenReality

_OTHERWISE = {"server": {"base_power_watts": 380.0, "base_power_per_gpu_watt": 0.1}}
_CALIBRATED = 1_320
Columns = dict[str, np.ndarray]


def _lossy_supply(columns: Columns) -> None:
    """Let a supply lose 2 % of its output more, as the PDUs see it too."""
    lost = 0.02 * columns["shelf_psu.output_power"][4]
    columns["shelf_psu.input_power"][4] += lost
    columns["pdu.power"] += lost / columns["pdu.power"].size


def _supply_sensor(columns: Columns) -> None:
    columns["shelf_psu.input_power"][3] *= 0.98


def _shelf_meter(columns: Columns) -> None:
    columns["power_shelf.power"][1] *= 1.04


def _pdu_meter(columns: Columns) -> None:
    columns["pdu.power"] *= 0.97


def _joint(columns: Columns) -> None:
    """Let a joint of the bus lose 3 % of what the trays take."""
    lost = 0.03 * columns["server.power"].sum()
    for name in ("shelf_psu.output_power", "shelf_psu.input_power", "power_shelf.power",
                 "pdu.power"):  # fmt: skip
        columns[name] += lost / columns[name].size


_FAULTS = (
    (_lossy_supply, "supply_loss", "r0001/shelf_psu5"),
    (_supply_sensor, "supply_sensor", "r0002/shelf_psu4"),
    (_shelf_meter, "shelf_meter", "r0003/shelf2"),
    (_pdu_meter, "pdu_meter", "r0004"),
    (_joint, "bus_load", "r0005"),
)


@pytest.fixture(scope="module")
def found() -> dict[int, list[tuple[str, str]]]:
    """Return what is found in each rack, of which each has one of the faults but the last."""
    reality = HiddenReality(7, known=KNOWN_ON_SHELVES, otherwise=_OTHERWISE)
    for _ in reality.run(_CALIBRATED + 120):
        assert not reality.shadow.findings
    for name in ("shelf_supply_input", "shelf_power", "bus_load", "pdu_power_of_shelves"):
        assert reality.shadow.watches[name].own.watching.all()

    def alter(rack: int, columns: Columns) -> None:
        if rack < len(_FAULTS):
            _FAULTS[rack][0](columns)

    reality.alter = alter
    for _ in reality.run(400):
        pass
    told: dict[int, list[tuple[str, str]]] = {}
    for own in reality.shadow.findings:
        told.setdefault(own.rack, []).append((own.cause, own.place))
    return told


@pytest.mark.full
@every("fault,cause,place", _FAULTS, lambda _, cause, place: f"{cause} of {place}")
def test_what_is_wrong_between_grid_and_bus_is_named(
    found: dict[int, list[tuple[str, str]]], fault: object, cause: str, place: str
) -> None:
    """Supplies of shelves, their meters, the bus and the PDUs are told apart, one a rack."""
    assert found.get(int(place[1:5]) - 1) == [(cause, place)], found
    assert fault is not None


@pytest.mark.full
def test_rack_that_is_well_has_no_finding(found: dict[int, list[tuple[str, str]]]) -> None:
    """What is wrong in others is not found in it."""
    assert len(_FAULTS) not in found
