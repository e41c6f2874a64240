"""Workloads as data: what a job does with its GPUs, read from YAML like a site."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twin.parameters.operation import TrainingParameters
from twin.parameters.section import Amount, Fraction, Positive, Section

__all__ = ["ServingParameters", "WorkloadParameters", "WorkloadRun"]

_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_Level = Annotated[float, Field(ge=0, le=2)]


class ServingParameters(Section):
    """A language model that answers requests; replicas share the requests evenly."""

    model_name: Annotated[str, Field(max_length=200)] = "meta-llama/Llama-2-70b-chat-hf"
    """Name under which it is served, the label `model_name`."""
    parameters: Positive = 7.0e10
    """Parameters of the model; by default Llama 2 70B."""
    layers: _Count = 80
    """Layers of the model."""
    cache_width: _Count = 1024
    """Width of the keys of a layer, and of its values: key and value heads times their size."""
    precision: Literal["fp8", "bf16"] = "fp8"
    """Precision of the weights and of the matrix multiplications."""
    tensor_parallel: _Count = 2
    """GPUs of a replica."""
    prompt_tokens: Positive = 294.0
    """Mean tokens of a request's prompt: OpenOrca, as MLPerf Inference takes it."""
    output_tokens: Positive = 294.0
    """Mean tokens of an answer, likewise."""
    batch: _Count = 1024
    """Requests that a replica decodes at a time at most."""
    framebuffer_ratio: Fraction = 0.9
    """Share of the framebuffer that a replica takes when it starts, whatever the load: weights, and
    the rest for keys and values (vLLM's `--gpu-memory-utilization`)."""
    load_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Requests at the busiest hour over what the replicas can serve."""
    night_ratio: Fraction = 1.0
    """Requests at the quietest hour over those at the busiest one; 1 for the same all day."""
    peak_hour: Annotated[float, Field(ge=0, le=24)] = 15.0
    """The busiest hour of the day."""
    begin_hour: Annotated[float, Field(ge=0, le=24)] = 9.0
    """Hour of the day at which the simulation begins."""
    swing_ratio: Fraction = 0.0
    """Spread of the load of a server around that, over it."""
    swing_seconds: Positive = 30.0
    """Time constant of that."""
    prompt_spread: Amount = 0.8
    """Standard deviation of the logarithm of a prompt's tokens, est."""
    output_spread: Amount = 0.7
    """Standard deviation of the logarithm of an answer's tokens, est."""
    length_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the answers that end at the longest that their request allows, est."""
    patience_seconds: Positive = 60.0
    """Time in the queue after which a client gives its request up, est.: a usual time-out of
    gateways."""
    startup_seconds: Amount = 150.0
    """From the start of a server's engines to their first request, est.: loading of the weights,
    compilation, CUDA graphs."""
    decode_ratio: Fraction = 0.6
    """Power above idle of a GPU that decodes a single request over that of one with a full batch,
    est.: decoding reads all weights for one token as for many."""


class WorkloadRun(Section):
    """What was measured of a run: AC or DC power of one node while it works, in W."""

    run: str
    """Which run, in public."""
    gpu: str
    """GPU model of the node, one of those that ship."""
    use: Literal["calibrated", "validated"]
    """Whether the workload's levels were taken from it, or only compared with it."""
    side: Literal["ac", "dc"]
    """Where it was measured."""
    least_watts: Positive
    """1 % quantile."""
    median_watts: Positive
    """Median."""
    most_watts: Positive
    """99 % quantile."""


class WorkloadParameters(Section):
    """A workload, by the name under which jobs choose it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Name; a site's own goes before a shipped one."""
    title: str = ""
    """One line for people."""
    kind: Literal["training", "serving", "interactive"] = "training"
    """`training` has steps that all GPUs of the job take together, evaluations, checkpoints,
    stalls and restarts; `serving` has replicas that answer requests, each for itself;
    `interactive` has notebooks, which hold memory and run something now and then."""
    activity: Annotated[tuple[tuple[Fraction, _Level], ...], Field(max_length=32)] = ()
    """Quantiles of the power of a server's GPUs above idle, over that on the plateau of
    pre-training (`gpu.power_training_watts`): pairs of a share of the time and the level that is
    not exceeded in it. Without any, training has the measured waveform of pre-training."""
    memory_seconds: Amount = 0.5
    """Time constant of that fluctuation."""
    together_ratio: Fraction = 1.0
    """Share of the fluctuation's variance that all servers of the job have together."""
    evaluation_activity: _Level = 0.1
    """The same level in an evaluation, where the quantiles are given."""
    has_tokens: bool = True
    """Whether a job that trains takes tokens; not images or rows of a table. Only of tokens the
    job says its throughput and its model FLOPs utilization."""
    tensor_active: Fraction | None = None
    """`DCGM_FI_PROF_PIPE_TENSOR_ACTIVE` while computing; None for what the roofline gives."""
    dram_active: Fraction | None = None
    """`DCGM_FI_PROF_DRAM_ACTIVE`, likewise."""
    nvlink_bytes_per_second: Amount | None = None
    """What a GPU sends and receives over NVLink in B/s, likewise."""
    training: TrainingParameters = TrainingParameters()
    """Of a job that trains."""
    serving: ServingParameters = ServingParameters()
    """Of a job that serves."""
    measured: tuple[WorkloadRun, ...] = ()
    """Runs that the workload was fitted to, and such that it is compared with."""

    @model_validator(mode="after")
    def _quantiles_rise(self) -> Self:
        pairs = zip(self.activity, self.activity[1:], strict=False)
        if any(after[0] <= before[0] or after[1] < before[1] for before, after in pairs):
            raise ValueError(
                "activity: shares and levels do not rise from pair to pair; write for example "
                "[[0.01, 0.7], [0.5, 0.95], [0.99, 0.98]]"
            )
        if self.kind == "serving" and not self.activity:
            raise ValueError("activity: serving needs it; give the level of a fully loaded server")
        if self.kind == "interactive" and not self.activity:
            raise ValueError("activity: notebooks need it; give the levels of a server over time")
        return self
