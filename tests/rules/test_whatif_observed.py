"""What if, from a running observer: each GPU is as it is measured and fitted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from twin.bench.hidden_reality import KNOWN, HiddenReality
from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.rules.present import at_present, observed
from twin.rules.whatif import foresee, scenario_of
from twin.shadow import ShadowCore, ShadowSettings
from twin.shadow.calibration import Phases
from twin.shadow.present import ShadowPresent
from twin.shadow.service import CalibrationFile
from twin.site import Layout, parse_site

_TEXT = KNOWN.replace("checkpoint_every_seconds: 240", "checkpoint_every_seconds: 3600")
_LAYOUT = Layout(parse_site(_TEXT, "known"))
_OTHERWISE = {
    "gpu": {
        "thermal_resistance_kelvin_per_watt": 0.05,
        "thermal_resistance_spread_ratio": 0.1,
        "power_training_watts": 600.0,
    }
}
"""A site whose plates conduct less than its file says, and whose GPUs draw less."""


@pytest.fixture(scope="module")
def reality() -> HiddenReality:
    """Return a site that an observer has just calibrated."""
    core = ShadowCore(_LAYOUT, ShadowSettings(phases=Phases(5, 4)))
    own = HiddenReality(7, known=_TEXT, shadow=core, otherwise=_OTHERWISE)
    for rack, snapshot in own.frames(420):
        core.take(rack, snapshot)
    return own


@pytest.fixture
def present(reality: HiddenReality) -> ShadowPresent:
    """Return what the observer knows, as its file has it."""
    own = ShadowPresent.of(reality.shadow)
    assert own is not None
    return ShadowPresent.decode(own.encode(_LAYOUT), _LAYOUT)


def _lived(reality: HiddenReality, target: str) -> tuple[float, float]:
    """Return after how many seconds without pumps GPUs throttle and are lost in reality."""
    faults = FaultSchedule(reality.layout, FAULTS)
    faults.inject("fault-1", "both-pumps-failure", target, 0.0, 600.0, {})
    plant, throttle, shutdown = reality.plant, np.inf, np.inf
    for second in range(1, 121):
        plant.step(1.0, faults.conditions(float(second)))
        if plant.gpus.overheated[0].any():
            throttle = min(throttle, second)
        if plant.gpus.lost.any():
            shutdown = min(shutdown, second)
    return throttle, shutdown


def test_fault_is_foretold_from_what_the_observer_knows(
    reality: HiddenReality, present: ShadowPresent
) -> None:
    """Seconds to throttling and shutdown are those of reality, which the site file misses."""
    clean = reality.plant.gpus._conductance
    told = present.resistance * _LAYOUT.site.gpu.thermal_resistance_kelvin_per_watt
    np.testing.assert_allclose(told, 1.0 / clean, rtol=0.06)
    now = observed(_TEXT, "known", present)
    assert "jobs: those of the site file" in now.taken
    assert "thermal resistance of 96 GPUs, as the observer has fitted it" in now.taken
    loaded = scenario_of(now, "both-pumps-failure", "r0003", 120.0, "training", "what if")
    found = foresee(loaded, None, gpus=now.gpus)
    plain = foresee(
        scenario_of(at_present(_TEXT, "known", None), "both-pumps-failure", "r0003", 120.0,
                    "training", "what if"), None)  # fmt: skip
    throttle, shutdown = _lived(reality, "r0003")
    assert found.throttle is not None
    assert found.shutdown is not None
    assert plain.shutdown is not None
    assert abs(found.throttle - throttle) <= 2.0
    assert abs(found.shutdown - shutdown) <= 2.0
    assert abs(plain.shutdown - shutdown) > 3.0
    assert found.warm is not None
    assert found.warm.kelvin < 4.0
    assert found.warm.watts == pytest.approx(found.warm.measured, rel=0.05)
    assert found.alerts == []


def test_racks_at_work_are_those_that_draw_power(present: ShadowPresent) -> None:
    """On a fleet that is measured, idle racks are idle and the others train."""
    power = present.readings["gpu.power_usage"]
    power[4:] = 80.0
    text = f"{_TEXT}measured: [{{rack: 1, hosts: [a, b]}}]\n"
    now = observed(text, "known", present)
    jobs = [(job["racks"], job["workload"]) for job in now.values["jobs"]]
    assert jobs == [(4, "training"), (2, "idle")]
    assert "measured" not in now.values


def test_present_of_no_running_observer_is_refused(tmp_path: Path, reality: HiddenReality) -> None:
    """One sentence says that none answers, or that it is another site's, and what to do."""
    file = CalibrationFile(tmp_path / "own.shadow")
    with pytest.raises(ConfigError, match=r"no observer keeps own\.present there; start twin shad"):
        file.load_present(_LAYOUT, 0.0)
    file.save_present(reality.shadow)
    os.utime(file.present_path, (1000.0, 1000.0))
    assert file.load_present(_LAYOUT, 1030.0).block == reality.shadow.block
    with pytest.raises(ConfigError, match="no observer answers: it was last written 1h ago"):
        file.load_present(_LAYOUT, 4600.0)
    other = Layout(parse_site(_TEXT.replace("racks: 6", "racks: 5"), "other"))
    with pytest.raises(ConfigError, match=r"is no present of site .*other counts or parameters"):
        file.load_present(other, 1030.0)
    file.present_path.write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="it is damaged"):
        file.load_present(_LAYOUT, 4600.0)


def test_observer_before_its_first_block_keeps_nothing(tmp_path: Path) -> None:
    """There is no file before there is something to tell."""
    file = CalibrationFile(tmp_path / "own.shadow")
    file.save_present(ShadowCore(_LAYOUT))
    assert not file.present_path.exists()
