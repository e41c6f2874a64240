"""Performance of a training step: a roofline by GPU model and by the job's parallelism.

Where the time of a step goes, and what each GPU moves in it: through its memory, over
NVLink, and over its NIC. The matrix multiplications take the longer of what the tensor
cores and what the memory need for them; on top comes what nothing hides: element-wise work
in memory, part of the exchange within a layer, the pipeline's bubble, and the exchange
between pipelines at the boundary. Counts of operations and bytes are those of
Megatron-LM (Narayanan et al. 2021, arXiv 2104.04473; Korthikanti et al. 2022, arXiv
2205.05198): 6 operations a parameter and token, 12 a layer, token and token of context;
stages pass activations on, sharded over the GPUs of a layer; pipelines reduce gradients and
gather parameters. All figures are of one GPU and one step unless they say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.parameters import GpuModel, ModelParameters
from twin.site import Site

__all__ = [
    "HALF_PRECISION_BYTES",
    "LINE_RATE",
    "PARAMETER_BYTES",
    "TrainingStep",
    "job_seconds",
    "site_cost",
    "step_cost",
]

LINE_RATE = 0.95
"""Share of line rate that collectives reach: Spectrum-X holds 95 %."""
_EFFICIENCY = {"fp8": 0.4851, "bf16": 0.512}
"""Share of the tensor cores' peak in matrix multiplications: of fp8 fitted to the 10.64 s of a step
of MLPerf DC, of bf16 to the 43 % that Llama 3 reaches on 8,192 GPUs (arXiv 2407.21783)."""
PARAMETER_BYTES = {"fp8": 1.0, "bf16": 2.0}
"""Bytes of a parameter that is gathered and read."""
HALF_PRECISION_BYTES = 2.0
"""Bytes of a gradient or an activation that is sent."""
_GRADIENT_BYTES = 8.0
"""Reading and writing a gradient of 4 B for each micro-batch."""
_ACTIVATION_BYTES = 400.0
"""Bytes that a layer moves through memory for each token and unit of width, est."""
_ELEMENTWISE = 0.5
"""Share of them in kernels of their own, which no matrix multiplication hides, est."""
_OPTIMIZER_BYTES = 28.0
"""Bytes a parameter that Adam moves through memory; pipelines share the work."""
_STATE_BYTES = 12.0
"""Bytes a parameter of the optimizer's state; pipelines share it."""
_MEMORY_REACHED = 0.9
"""Share of the memory's bandwidth that kernels reach, est."""
_NVLINK_REACHED = 0.8
"""Share of an NVLink's bandwidth that collectives reach: 360 of 450 GB/s in a DGX H100."""
_EXCHANGES = 10.0
"""Gathers and scatters of a layer's activations, forward and backward."""
_EXPERT_EXCHANGES = 4.0
"""Dispatch and combine, forward and backward."""
_EXPERT_EXPOSED = 0.5
"""Share of them that nothing hides, est."""
_LEAST_BATCHES = 0.1
"""Micro-batches of a step that is too short for what it has to exchange."""


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """What a step takes and moves.

    Attributes:
        seconds: duration of the step.
        matmul_seconds: matrix multiplications.
        memory_seconds: element-wise work and the optimizer.
        tensor_seconds: exchange within layers that nothing hides.
        expert_seconds: the same between experts.
        bubble_seconds: waiting for the pipeline to fill and to drain.
        data_seconds: exchange between pipelines at the boundary.
        flops: operations, those of attention among them.
        memory_bytes: through the GPU's memory.
        nvlink_bytes: sent over NVLink, and as many received.
        stage_bytes: sent over the NICs to other stages and experts, and as many received.
        early_bytes: sent over the NICs to other pipelines before the step's boundary.
        boundary_bytes: sent over the NICs to other pipelines at the boundary.
        state_bytes: parameters and optimizer's state that a GPU holds, which loading fills.
        saved_bytes: part of a checkpoint that a GPU writes.
        tokens: of the whole job.
        pipelines: of the job.
        stages: of a pipeline.
        tensor_parallel: GPUs that share a layer.
        tensor_active: operations over what the tensor cores could do in the step.
        dram_active: share of the step in which the memory moves data.
    """

    seconds: float
    matmul_seconds: float
    memory_seconds: float
    tensor_seconds: float
    expert_seconds: float
    bubble_seconds: float
    data_seconds: float
    flops: float
    memory_bytes: float
    nvlink_bytes: float
    stage_bytes: float
    early_bytes: float
    boundary_bytes: float
    state_bytes: float
    saved_bytes: float
    tokens: float
    pipelines: float
    stages: int
    tensor_parallel: int
    tensor_active: float
    dram_active: float

    @property
    def mfu(self) -> float:
        """Model FLOPs utilization: no operation is counted that is done twice."""
        return self.tensor_active

    @property
    def computing(self) -> float:
        """Share of the step in which the GPU computes and does not wait."""
        waiting = self.bubble_seconds + self.data_seconds
        return 1.0 - waiting / self.seconds

    @property
    def nic_bytes(self) -> float:
        """All that a GPU sends over the NICs in a step, and as much that it receives."""
        return self.stage_bytes + self.early_bytes + self.boundary_bytes

    @property
    def tokens_per_second(self) -> float:
        """Tokens that the whole job takes in a second of undisturbed steps."""
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class _Split:
    """How a job is spread: GPUs that share a layer, stages, pipelines, and those of a server."""

    tensor: int
    stages: int
    pipelines: float
    local_stages: int
    local_pipelines: int

    @classmethod
    def of(cls, model: ModelParameters, gpus: int, per_server: int) -> _Split:
        tensor = max(1, min(model.tensor_parallel, per_server, gpus))
        stages = max(1, min(model.pipeline_parallel, gpus // (2 * tensor)))
        groups = max(1, per_server // tensor)
        return cls(
            tensor, stages, max(1.0, gpus / (tensor * stages)), groups, max(1, groups // stages)
        )


def step_cost(
    gpu: GpuModel,
    model: ModelParameters,
    *,
    gpus: int,
    per_server: int,
    nic_bytes_per_second: float,
    micro_batches: float | None = None,
) -> TrainingStep:
    """Return what a step costs.

    Args:
        gpu: model of the job's GPUs.
        model: what the job trains.
        gpus: of the job.
        per_server: GPUs a server.
        nic_bytes_per_second: what the NICs of a server carry each way, over its GPUs.
        micro_batches: of a pipeline a step, where it is not as in ``model``.
    """
    batches = model.micro_batches if micro_batches is None else micro_batches
    split = _Split.of(model, gpus, per_server)
    weights = model.parameters / model.shards
    tokens = batches * model.micro_batch * model.sequence
    layers = model.layers_a_stage
    width = PARAMETER_BYTES[model.precision]

    flops = tokens * (
        6.0 * (model.active_parameters or model.parameters) / model.shards
        + 12.0 * layers * model.hidden * model.sequence / model.tensor_parallel
    )
    activations = _ACTIVATION_BYTES * model.hidden * layers * tokens / model.tensor_parallel
    streamed = weights * (2.0 * width + _GRADIENT_BYTES) * batches
    optimizer = _OPTIMIZER_BYTES * weights / split.pipelines
    bandwidth = _MEMORY_REACHED * gpu.memory_bytes_per_second
    peak = gpu.flops_per_second(model.precision)
    matmul = max(
        flops / (_EFFICIENCY[model.precision] * peak),
        (streamed + (1.0 - _ELEMENTWISE) * activations) / bandwidth,
    )
    elementwise = _ELEMENTWISE * activations / bandwidth
    memory = elementwise + optimizer / bandwidth

    passed = HALF_PRECISION_BYTES * model.hidden * tokens
    within = _EXCHANGES * layers * passed * (split.tensor - 1) / split.tensor
    link = max(_NVLINK_REACHED * gpu.nvlink_bytes_per_second / 2.0, nic_bytes_per_second)
    tensor = (1.0 - model.tensor_overlap_ratio) * within / link

    handed, crossing = _between_stages(model, split, passed)
    swapped, far = _between_experts(model, split, passed * layers)
    expert = _EXPERT_EXPOSED * (far / (LINE_RATE * nic_bytes_per_second) + (swapped - far) / link)
    turn = (matmul + elementwise + tensor) / batches
    bubble = (split.stages - 1) / model.virtual_stages * turn
    shared = weights * (HALF_PRECISION_BYTES + width)
    data = _between_pipelines(split, shared)
    boundary = (1.0 - model.data_overlap_ratio) * data
    exposed = boundary / (LINE_RATE * nic_bytes_per_second)
    seconds = matmul + memory + tensor + expert + bubble + exposed
    moved = activations + streamed + optimizer
    in_server = shared * (split.local_pipelines - 1) / split.local_pipelines
    state = weights * (HALF_PRECISION_BYTES + _STATE_BYTES / split.pipelines)
    return TrainingStep(
        seconds=seconds,
        matmul_seconds=matmul,
        memory_seconds=memory,
        tensor_seconds=tensor,
        expert_seconds=expert,
        bubble_seconds=bubble,
        data_seconds=exposed,
        flops=flops,
        memory_bytes=moved,
        nvlink_bytes=within + handed - crossing + swapped - far + in_server,
        stage_bytes=crossing + far,
        early_bytes=data - boundary,
        boundary_bytes=boundary,
        state_bytes=state,
        saved_bytes=weights * (HALF_PRECISION_BYTES + _STATE_BYTES) / split.pipelines,
        tokens=tokens * split.pipelines,
        pipelines=split.pipelines,
        stages=split.stages,
        tensor_parallel=split.tensor,
        tensor_active=flops / (peak * seconds),
        dram_active=min(1.0, moved / (gpu.memory_bytes_per_second * seconds)),
    )


def _between_stages(model: ModelParameters, split: _Split, passed: float) -> tuple[float, float]:
    """Return what a GPU sends to the next stages and back, and what of it leaves the server."""
    if split.stages == 1:
        return 0.0, 0.0
    handed = 2.0 * model.virtual_stages * passed / model.tensor_parallel
    inside = split.local_stages >= split.stages
    return handed, 0.0 if inside else handed / split.local_stages


def _between_experts(model: ModelParameters, split: _Split, passed: float) -> tuple[float, float]:
    """Return what a GPU sends to the experts and back, and what of it leaves the server."""
    spread = min(float(model.expert_parallel), split.pipelines)
    if spread <= 1.0:
        return 0.0, 0.0
    sent = _EXPERT_EXCHANGES * model.experts_per_token * passed / model.tensor_parallel
    return sent * (1.0 - 1.0 / spread), sent * max(0.0, 1.0 - split.local_pipelines / spread)


def _between_pipelines(split: _Split, shared: float) -> float:
    """Return what a GPU sends over the NICs so that all pipelines have the same parameters.

    Pipelines of one server reduce among themselves first, each for a part of the parameters.
    """
    local = split.local_pipelines
    return shared / local * max(0.0, 1.0 - local / split.pipelines)


def site_cost(site: Site, gpu: GpuModel | None = None) -> TrainingStep:
    """Return the cost of a step of a job that has this site.

    Where the site gives a step's duration, a pipeline has as many micro-batches as take it.

    Args:
        site: as the job sees it.
        gpu: another GPU model than the site's first.
    """
    server, wanted = site.server, site.training.step_seconds
    rails = max(1, server.nics - 1)
    nic = site.network.bytes_per_second * rails / server.gpus

    def of(batches: float | None) -> TrainingStep:
        return step_cost(
            site.gpu if gpu is None else gpu,
            site.training.model,
            gpus=max(1, site.gpus),
            per_server=server.gpus,
            nic_bytes_per_second=nic,
            micro_batches=batches,
        )

    if wanted is None:
        return of(None)
    # Time is a fixed part and one that goes with the micro-batches.
    one, two = of(1.0).seconds, of(2.0).seconds
    return of(max((wanted - one) / (two - one) + 1.0, _LEAST_BATCHES))


def job_seconds(site: Site) -> float:
    """Return the duration of a step of a job that has this site; its slowest GPUs set the pace.

    Args:
        site: as the job sees it.
    """
    if site.training.step_seconds is not None:
        return site.training.step_seconds
    models = {id(model): model for model in site.models}.values()
    return max(site_cost(site, model).seconds for model in models)
