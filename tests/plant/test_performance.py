"""What a training step takes and moves, by GPU model and parallelism."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.parameters import ModelParameters
from twin.plant.performance import TrainingStep, job_seconds, site_cost, step_cost
from twin.site import Site, load_site, parse_site

NIC = 5e10


def cost(gpu: str, text: str = "") -> TrainingStep:
    """Return the cost of a step of one array of these GPUs."""
    return site_cost(
        parse_site(f"{{name: x, racks: 8, blocks: [{{racks: 8, gpu: {gpu}}}]{text}}}", "x")
    )


@pytest.fixture
def array() -> Site:
    """One array that trains GPT-3 as MLPerf DC does."""
    return load_site("colossus-array")


def test_the_measured_step(array: Site) -> None:
    """On 512 H100 a step takes the 10.64 s of the run's log."""
    assert job_seconds(array) == pytest.approx(10.64, rel=1e-3)


def test_bytes_of_the_measured_run(array: Site) -> None:
    """TP 4, PP 8, VP 12 send 54 GB a step at most, 15 GB of them at the boundary."""
    found = site_cost(array)
    assert 20e9 < found.nic_bytes <= 54e9
    assert 5e9 < found.boundary_bytes <= 15e9


def test_gpu_models_differ() -> None:
    """A step goes with FLOPS, and DRAM_ACTIVE falls with the bandwidth of the memory."""
    h100, h200, b200 = cost("h100-sxm"), cost("h200-sxm"), cost("b200-sxm")
    assert 0.95 * h100.seconds < h200.seconds < h100.seconds
    assert h200.dram_active < 0.75 * h100.dram_active
    assert 0.4 < b200.seconds / h100.seconds < 0.6
    assert b200.tensor_active != pytest.approx(h100.tensor_active, rel=0.005)
    assert b200.tokens_per_second > 1.6 * h100.tokens_per_second


def test_llama_3_reaches_its_published_share() -> None:
    """405B in 16 bits on 8,192 H100 reach about 43 % of the peak (arXiv 2407.21783)."""
    text = (
        "{name: x, racks: 128, training: {model: {parameters: 4.05e+11, layers: 126, "
        "hidden: 16384, vocabulary: 128256, sequence: 8192, micro_batches: 32, precision: bf16, "
        "tensor_parallel: 8, pipeline_parallel: 16, virtual_stages: 7}}}"
    )
    assert site_cost(parse_site(text, "x")).mfu == pytest.approx(0.43, abs=0.03)


def test_a_given_duration_sets_the_micro_batches() -> None:
    """A site that says how long a step takes gets as much work and as many bytes a step."""
    short = site_cost(parse_site("{name: x, racks: 8, training: {step_seconds: 3}}", "x"))
    assert short.seconds == pytest.approx(3.0, rel=1e-6)
    assert short.tokens < 0.3 * cost("h100-sxm").tokens


def test_experts_send_more() -> None:
    """A mixture of experts sends tokens to other servers and computes with a part of itself."""
    dense = cost("h100-sxm")
    experts = cost(
        "h100-sxm",
        ", training: {model: {active_parameters: 4.0e+10, expert_parallel: 8, "
        "experts_per_token: 2}}",
    )
    assert experts.nic_bytes > 2 * dense.nic_bytes
    assert experts.flops < 0.5 * dense.flops


MODELS = st.builds(
    ModelParameters,
    parameters=st.floats(1e8, 2e12),
    layers=st.integers(64, 128),
    hidden=st.integers(512, 20_000),
    sequence=st.integers(128, 65_536),
    micro_batches=st.integers(1, 512),
    precision=st.sampled_from(["fp8", "bf16"]),
    tensor_parallel=st.sampled_from([1, 2, 4, 8]),
    pipeline_parallel=st.sampled_from([1, 2, 8, 16, 64]),
    virtual_stages=st.integers(1, 12),
    expert_parallel=st.sampled_from([1, 8]),
)


@settings(max_examples=200, deadline=None)
@given(model=MODELS, servers=st.integers(1, 4000), per_server=st.sampled_from([1, 4, 8, 16]))
def test_any_job(model: ModelParameters, servers: int, per_server: int) -> None:
    """Times are parts of the step, shares are shares, and no link carries more than it can."""
    gpu = load_site("colossus-array").gpu
    found = step_cost(
        gpu, model, gpus=servers * per_server, per_server=per_server, nic_bytes_per_second=NIC
    )
    parts = (
        found.matmul_seconds + found.memory_seconds + found.tensor_seconds
        + found.expert_seconds + found.bubble_seconds + found.data_seconds
    )  # fmt: skip
    assert parts == pytest.approx(found.seconds)
    assert 0.0 < found.tensor_active < 1.0
    assert 0.0 < found.mfu < 1.0
    assert 0.0 < found.dram_active <= 1.0
    assert 0.0 <= found.computing <= 1.0
    assert found.boundary_bytes <= NIC * found.data_seconds
    assert min(found.stage_bytes, found.early_bytes, found.nvlink_bytes, found.saved_bytes) >= 0.0
    if found.pipelines <= 1.0:
        assert found.boundary_bytes == 0.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{pipeline_parallel: 200}", "only 96 layers"),
        ("{active_parameters: 2.0e+11}", "more than all"),
    ],
)
def test_impossible_models(text: str, reason: str) -> None:
    """What no model can be is refused with its reason."""
    with pytest.raises(Exception, match=reason):
        parse_site(f"{{name: x, racks: 1, training: {{model: {text}}}}}", "x")
