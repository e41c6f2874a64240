"""Runs: labelled arrays, tables, events and figures of a site in trouble."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import twin
from tests.library.conftest import SMALL

WRONG: Any = ["gpu-hang"]
"""What a type checker would refuse."""


def test_array_is_labelled(run: twin.Run) -> None:
    """A signal has its dimensions, the names along them, its unit and its metric."""
    power = run["gpu", "power_usage"]
    assert power.dims == ("time", "rack", "gpu")
    assert power.shape == (12, 2, 16)
    assert power.name == power.attrs["metric"] == "DCGM_FI_DEV_POWER_USAGE"
    assert power.attrs["units"] == "W"
    assert power.time.values.tolist() == [10.0 * number for number in range(1, 13)]
    assert str(power.timestamp.values[0]) == "2026-01-01T00:00:10.000000000"
    assert power.rack.values.tolist() == ["r0001", "r0002"]
    assert power.gpu.values[-1] == "n2/gpu7"
    assert power.host.values[1, -1] == "r0002-n2"
    assert run["gpu", "DCGM_FI_DEV_POWER_USAGE"].equals(power)
    assert run["megapack", "power"].dims == ("time", "megapack")
    assert run["facility", "power"].dims == ("time",)
    assert run["megapack", "inverter_state"].attrs["states"][4] != ""


def test_signal_that_follows_from_others_is_there(run: twin.Run) -> None:
    """A constant of the catalogue is there while its device reports."""
    info, state = run["nic", "info"], run["nic", "state"]
    assert info.dims == ("time", "rack", "nic")
    assert info.where(state.notnull()).equals(info)
    assert set(np.unique(info.values[np.isfinite(info.values)])) == {1.0}
    assert "nic" in repr(run)


def test_devices_that_are_down_are_nan(run: twin.Run) -> None:
    """A lost GPU and a silent rack have no value, and no other device is touched."""
    there = run.reporting("gpu")
    assert bool(there.sel(time=60).all())
    lost = there.sel(time=slice(70, 90)).sel(rack="r0001", gpu="n2/gpu3")
    assert not bool(lost.any())
    assert int(there.sel(time=80).sum()) == 31
    assert int(there.sel(time=100, rack="r0002").sum()) == 0
    assert int(there.sel(time=120, rack="r0002").sum()) == 16


def test_sum_never_takes_a_missing_device_for_nothing(run: twin.Run) -> None:
    """A sum over devices of which one is down needs a decision, and follows it."""
    with pytest.raises(twin.ConfigError, match=r"17 of 32 gpu do not report power_usage.*down="):
        run.sum("gpu", "power_usage")
    strict = run.sum("gpu", "power_usage", over="gpu", down="nan")
    rest = run.sum("gpu", "power_usage", over="gpu", down="absent")
    assert math.isnan(float(strict.sel(time=80, rack="r0001")))
    assert float(rest.sel(time=80, rack="r0001")) > 0
    assert math.isnan(float(rest.sel(time=100, rack="r0002")))
    assert float(strict.sel(time=10, rack="r0001")) == float(rest.sel(time=10, rack="r0001"))
    assert run.sum("megapack", "power").dims == ("time",)


@pytest.mark.parametrize(("down", "rows"), [("nan", 12 * 32), ("absent", 12 * 32 - 3 - 16)])
def test_table_has_a_row_a_device(run: twin.Run, down: str, rows: int) -> None:
    """A device of which nothing is reported has no row, or one without values, as is asked.

    Of the lost GPU its XID is told for half a minute.
    """
    table = run.to_dataframe("gpu", down=down)
    assert len(table) == rows
    assert list(table.columns)[:6] == ["time", "timestamp", "rack", "gpu", "array", "host"]
    nothing = table["power_usage"].isna() & table["xid"].isna()
    assert bool(nothing.any()) is (down == "nan")


def test_events_and_figures(run: twin.Run) -> None:
    """Faults and the supply's answers are told with their times, the summary is of all steps."""
    told = {event.kind: event for event in run.events}
    assert (told["grid-outage"].at, told["grid-outage"].until) == (30.0, 50.0)
    assert told["gpu-off-bus"].until is None
    assert told["gpu-off-bus"].target == "r0001/n2/gpu3"
    assert told["grid lost"].at == 30.0
    figures = run.summary
    assert figures.seconds == 120.0
    assert figures.ride_through_seconds == math.inf
    assert figures.outage_seconds >= 20.0
    mean = float(run["facility", "power"].mean())
    assert figures.energy_kwh == pytest.approx(mean * 120 / 3.6e6, rel=0.2)
    assert figures.lost_gpu_hours_by_cause["stall"] > 0
    assert figures.lost_gpu_hours == pytest.approx(sum(figures.lost_gpu_hours_by_cause.values()))


def test_same_seed_gives_the_same_values(site: twin.Site) -> None:
    """Two runs of a seed are equal to the last bit, and another seed gives another."""
    first, second, other = (
        twin.simulate(site, 10, seed=seed, every=5, record=["gpu.power_usage"])[
            "gpu", "power_usage"
        ]
        for seed in (3, 3, 4)
    )
    assert first.equals(second)
    assert not first.equals(other)


def test_values_are_those_of_frames(site: twin.Site) -> None:
    """A value is rounded as every frame has it, whatever is recorded beside it."""
    power = twin.simulate(site, 5, every=5, record=["gpu.power_usage"])["gpu", "power_usage"]
    assert np.allclose(power, np.round(power.astype(float), 3), atol=1e-4)
    assert power.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: twin.load_site("nowhere"), "does not exist; the presets are"),
        (lambda: twin.load_site({"racks": 2}), "site: name: is missing"),
        (lambda: twin.load_site(WRONG), "give the name of a shipped site"),
        (lambda: twin.simulate(SMALL, "soon"), "duration: is 'soon'; write seconds"),
        (lambda: twin.simulate(SMALL, -1), "duration: is -1; that must be above 0"),
        (lambda: twin.simulate(SMALL, 10, every=20), "longer than the whole run"),
        (lambda: twin.simulate(SMALL, 10, record=["gpus"]), "did you mean gpu?"),
        (lambda: twin.simulate(SMALL, 10, record=["gpu.powr"]), "there is no signal 'powr'"),
        (lambda: twin.simulate(SMALL, "1y", every=1), "GiB of memory"),
        (lambda: twin.simulate(SMALL, 10, faults=[twin.Fault("grid-outag")]), "did you mean"),
        (lambda: twin.simulate(SMALL, 10, faults=[twin.Fault("gpu-hang", target="r9")]), "r9"),
        (lambda: twin.simulate(SMALL, 10, faults=[twin.Fault("gpu-hang", at="-")]), "gpu-hang: at"),
        (lambda: twin.simulate(SMALL, 10, faults=WRONG), "is no fault"),
        (lambda: twin.simulate(SMALL, 10, faults=twin.Fault("gpu-hang")), "give a list of"),  # type: ignore[arg-type]
        (lambda: twin.simulate(SMALL, 10, faults=[twin.Fault("gpu-hang", at=10)]), "ends after 10"),
        (lambda: twin.sweep(SMALL, 10, faults=[twin.Fault("gpu-hang", at="1m")]), "ends after 10"),
        (lambda: twin.sweep(SMALL, 10, over={"megapacks": 3}), "give several values"),  # type: ignore[dict-item]
        (lambda: twin.simulate(SMALL, 10, workload="nonsense"), "nonsense"),
        (lambda: twin.simulate(SMALL, 10, seed=-1), "seed: is -1"),
        (lambda: twin.simulate(SMALL, 10, seed="a"), "seed: is 'a'"),  # type: ignore[arg-type]
        (lambda: twin.simulate(SMALL, 10, start="2026-01-01"), "seconds of unix time"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_wrong_argument_is_told_in_a_sentence(call: object, told: str) -> None:
    """What cannot be is refused before anything runs, with the place and the remedy."""
    assert callable(call)
    with pytest.raises(twin.ConfigError) as caught:
        call()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (("gpu", "nothing"), "there is no signal 'nothing'"),
        (("fan", "speed"), "site small has no"),
        (("gpus", "power_usage"), "did you mean gpu?"),
        (("job", "training_job_lost_seconds_total"), "of several signals"),
        ("gpu", "a device class, and a signal"),
        (5, "a device class, and a signal"),
    ],
)
def test_wrong_key_is_told_in_a_sentence(run: twin.Run, key: Any, told: str) -> None:
    """What a run does not have is refused with what it has."""
    with pytest.raises(twin.ConfigError) as caught:
        run[key]
    assert told in str(caught.value)


def test_missing_library_is_named(run: twin.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without xarray, or a library of tables, the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(twin.ConfigError, match="pip install xarray"):
        run["gpu", "power_usage"]
    with pytest.raises(twin.ConfigError, match="choose pandas or polars"):
        run.to_dataframe("gpu", library="excel")
