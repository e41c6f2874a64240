"""Faults of GPUs on a running plant: what an operator sees, and what the job loses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.site import Layout, Site, find_target, load_site, parse_site

LAYOUT = Layout(
    parse_site(
        "{name: tiny, racks: 2, megapacks: {count: 2}, "
        "training: {eval_seconds: 0, checkpoint_seconds: 0}}",
        "test",
    )
)
TRAINING = 2
STALLED = 5


class Seen(NamedTuple):
    """A plant and the faults in force."""

    plant: Plant
    faults: FaultSchedule

    def run(self, seconds: int) -> None:
        """Let simulated time pass."""
        for _ in range(seconds):
            self.faults.expire(self.plant.time)
            self.plant.step(1.0, self.faults.conditions(self.plant.time))

    def apply(self, kind: str, seconds: float | None = None, **parameters: float) -> None:
        """Inject a fault at its default place."""
        place = FAULTS[kind].default_target
        self.faults.inject("x", kind, place, self.plant.time, seconds, parameters)

    def gpu(self, kind: str, signal: str) -> float:
        """Return a signal of the GPU that the fault strikes by default."""
        place = find_target(LAYOUT, FAULTS[kind].default_target)
        return float(self.plant.outputs()["gpu"][signal][place.unit, place.device])

    def job(self, signal: str) -> float:
        """Return a signal of the job."""
        return float(self.plant.outputs()["job"][signal].item())


@pytest.fixture
def seen() -> Seen:
    """A plant that has trained for a minute."""
    seen = Seen(Plant(LAYOUT, seed=1), FaultSchedule(LAYOUT, FAULTS))
    seen.run(60)
    assert seen.job("state") == TRAINING
    return seen


def test_gsp_timeout_blanks_its_host(seen: Seen) -> None:
    """XID 119 stalls the job, and its host's GPUs show their XIDs and nothing else."""
    seen.apply("gsp-timeout", seconds=20)
    seen.run(10)
    out = seen.plant.outputs()["gpu"]
    assert seen.gpu("gsp-timeout", "xid") == 119
    assert np.isnan(out["gpu_util"]).sum() == 8
    assert np.isfinite(out["xid"]).all()
    assert seen.job("state") == STALLED
    seen.run(15)
    assert seen.gpu("gsp-timeout", "xid") == 0
    assert np.isfinite(seen.plant.outputs()["gpu"]["gpu_util"]).all()


@pytest.mark.parametrize(
    ("kind", "code"),
    [("gpu-double-bit", 48), ("gpu-row-remap-failure", 64)],
)
def test_fatal_error_stalls_the_job(seen: Seen, kind: str, code: int) -> None:
    """The GPU idles at 0 % with its XID; the others spin at 100 %, and the site draws less."""
    before = seen.plant.meters.total
    seen.apply(kind, seconds=20)
    seen.run(10)
    out = seen.plant.outputs()["gpu"]
    assert seen.gpu(kind, "xid") == code
    assert seen.gpu(kind, "gpu_util") == 0
    assert seen.gpu(kind, "power_usage") < 80
    assert (out["gpu_util"] == 100).sum() == out["gpu_util"].size - 1
    assert np.median(out["power_usage"]) == pytest.approx(157, abs=8)
    assert seen.job("state") == STALLED
    assert seen.job("interruptions") == 1
    assert seen.plant.meters.total < 0.7 * before
    seen.run(15)
    assert seen.gpu(kind, "xid") == 0


def test_double_bit_error_counts(seen: Seen) -> None:
    """A double-bit error is one error and one remapped row, which stay after the reset."""
    seen.apply("gpu-double-bit", seconds=5)
    seen.run(20)
    for signal in ("ecc_dbe_volatile", "ecc_dbe_aggregate", "uncorrectable_rows"):
        assert seen.gpu("gpu-double-bit", signal) == 1


def test_remap_failure_flag(seen: Seen) -> None:
    """The GPU says that no row is left."""
    seen.apply("gpu-row-remap-failure")
    seen.run(2)
    assert seen.gpu("gpu-row-remap-failure", "row_remap_failure") == 1


def test_nvswitch_failure_takes_a_whole_server(seen: Seen) -> None:
    """All GPUs of the server count link errors and raise XID 74 at once; the job stalls."""
    seen.apply("nvswitch-failure", seconds=20)
    seen.run(5)
    out = seen.plant.outputs()["gpu"]
    server = LAYOUT.site.server.gpus
    assert (out["xid"][0, :server] == 74).all()
    assert (out["nvlink_crc_flit"][0, :server] > 0).all()
    assert (out["nvlink_recovery"][0, :server] > 0).all()
    assert not out["xid"][0, server:].any()
    assert not out["nvlink_crc_flit"][0, server:].any()
    assert seen.job("state") == STALLED
    seen.run(20)
    assert seen.plant.gpus.missing == 0


def test_a_job_goes_on_without_a_server_whose_links_failed(seen: Seen) -> None:
    """Started again without it, the job is not slowed by the links of GPUs that it does without."""
    seen.apply("nvswitch-failure", seconds=3600)
    seen.run(900)
    assert seen.job("state") == TRAINING
    assert seen.job("gpus") == LAYOUT.site.gpus - LAYOUT.site.server.gpus
    assert seen.job("pace") == 1.0


@pytest.mark.parametrize("code", [13, 31, 43, 45, 63, 94])
def test_application_error_ends_the_job_at_once(seen: Seen, code: int) -> None:
    """User code and contained errors cost one interruption; the GPU itself works on."""
    seen.apply("gpu-xid", code=code)
    seen.run(5)
    assert seen.gpu("gpu-xid", "xid") == code
    assert seen.job("interruptions") == 1
    assert seen.job("state") not in (TRAINING, STALLED)
    assert seen.plant.gpus.missing == 0


def test_warning_ends_nothing(seen: Seen) -> None:
    """XID 92 is shown, and the job goes on."""
    seen.apply("gpu-xid", code=92)
    seen.run(10)
    assert seen.gpu("gpu-xid", "xid") == 92
    assert seen.job("interruptions") == 0
    assert seen.job("state") == TRAINING


@pytest.mark.parametrize("code", [0, 14, 79, 256])
def test_unknown_code_is_refused(seen: Seen, code: int) -> None:
    """A code that the twin does not know is refused before anything changes."""
    with pytest.raises(ConfigError, match="fault gpu-xid: code: is"):
        seen.apply("gpu-xid", code=code)
    assert seen.faults.active == ()


def test_single_bit_errors_go_unnoticed(seen: Seen) -> None:
    """Corrected errors are counted, and nothing else happens."""
    seen.apply("gpu-ecc-single-bit", rate=50)
    seen.run(60)
    assert seen.gpu("gpu-ecc-single-bit", "ecc_sbe_volatile") == pytest.approx(3000, rel=0.1)
    assert seen.gpu("gpu-ecc-single-bit", "xid") == 0
    assert seen.job("interruptions") == 0


def test_pcie_replays_go_unnoticed(seen: Seen) -> None:
    """Replays are counted, and nothing else happens."""
    seen.apply("gpu-pcie-replay", rate=10)
    seen.run(60)
    assert seen.gpu("gpu-pcie-replay", "pcie_replay") == pytest.approx(600, rel=0.2)
    assert seen.job("interruptions") == 0


def test_hang_is_found_by_its_power(seen: Seen) -> None:
    """All GPUs are at 100 %, without an XID; the one that hangs draws least."""
    seen.apply("gpu-hang")
    seen.run(10)
    out = seen.plant.outputs()["gpu"]
    assert (out["gpu_util"] == 100).all()
    assert not out["xid"].any()
    assert out["power_usage"].min() == seen.gpu("gpu-hang", "power_usage")
    assert seen.gpu("gpu-hang", "power_usage") == pytest.approx(120, abs=5)
    assert seen.job("state") == STALLED


@pytest.mark.parametrize(
    ("kind", "parameters", "pace"),
    [
        ("gpu-slow", {"ratio": 0.6}, 0.6),
        ("gpu-power-brake", {}, 0.5),
        ("nvlink-error", {"rate": 125}, 0.8),
    ],
)
def test_one_slow_gpu_slows_the_job(
    seen: Seen, kind: str, parameters: dict[str, float], pace: float
) -> None:
    """A synchronous step takes as long as its slowest part; afterwards the pace is back."""
    seen.apply(kind, seconds=300, **parameters)
    seen.run(60)
    assert seen.plant.gpus.speed == pytest.approx(pace, abs=0.01)
    assert seen.job("pace") == pytest.approx(pace, abs=0.01)
    assert seen.job("step_seconds") > 0.95 * 10.64 / pace
    assert seen.job("interruptions") == 0
    seen.run(300)
    assert seen.job("pace") == 1.0


def test_bad_cold_plate_is_seen_among_its_neighbours(seen: Seen) -> None:
    """One GPU of its server is hot and throttles; the others are as they were."""
    seen.apply("gpu-cold-plate")
    seen.run(240)
    neighbours = seen.plant.outputs()["gpu"]["gpu_temp"][0, 1:8]
    assert seen.gpu("gpu-cold-plate", "gpu_temp") > neighbours.max() + 20
    assert seen.gpu("gpu-cold-plate", "memory_temp") > 90
    assert seen.gpu("gpu-cold-plate", "thermal_violation") > 0
    assert seen.job("pace") < 1


def test_broken_nvlink(seen: Seen) -> None:
    """Beyond what retraining can mend the GPU raises XID 74 and the job stalls."""
    seen.apply("nvlink-error", rate=1000)
    seen.run(10)
    assert seen.gpu("nvlink-error", "xid") == 74
    assert seen.gpu("nvlink-error", "nvlink_crc_flit") > 0
    assert seen.gpu("nvlink-error", "nvlink_recovery") > 0
    assert seen.job("state") == STALLED


def test_exporter_down_is_a_blind_spot(seen: Seen) -> None:
    """The exporter's `up` is 0 and its GPUs are unseen, but the server draws and the job runs."""
    seen.apply("dcgm-exporter-down")
    seen.run(30)
    out = seen.plant.outputs()
    assert out["server"]["up_dcgm"][0].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]
    assert out["server"]["up_dcgm"][1].all()
    assert np.isnan(out["gpu"]["gpu_temp"]).sum() == 8
    assert out["server"]["power"][0, 0] > 5_000
    assert seen.job("interruptions") == 0
    assert seen.job("state") == TRAINING


@pytest.mark.parametrize(
    ("kind", "target"), [("nvlink-error", "r0001/n1/gpu0"), ("nvswitch-failure", "r0001/n1")]
)
def test_a_card_without_nvlink_has_no_faults_of_it(kind: str, target: str) -> None:
    """A fault of NVLinks is refused where there are none, by the name of the GPU."""
    gpu = {
        **load_site("demo").gpu.model_dump(),
        "name": "NVIDIA L40S",
        "nvlink_bytes_per_second": 0,
    }
    layout = Layout(Site.model_validate({"name": "mine", "racks": 1, "gpu": gpu}))
    with pytest.raises(ConfigError, match="the NVIDIA L40S has no NVLink"):
        FaultSchedule(layout, FAULTS).inject("x", kind, target, 0.0)


def test_trays_have_no_switches_of_their_own() -> None:
    """An NVSwitch of a server cannot fail where NVLinks end at switch trays of the rack."""
    layout = Layout(parse_site("{name: joined, racks: 1, rack: nvl72}", "joined"))
    with pytest.raises(ConfigError, match="use switch-tray-down"):
        FaultSchedule(layout, FAULTS).inject("x", "nvswitch-failure", "r0001/n1", now=0.0)
