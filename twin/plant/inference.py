"""Performance of a replica that serves a language model: a roofline, as for training steps.

Reading a prompt (prefill) is matrix multiplications at the tensor cores' pace; each further token
(decode) reads all weights and the keys and values of every request in the batch. Figures are of
one GPU, with 2 operations a parameter and token (Pope et al. 2022, arXiv 2211.05102).
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.parameters import GpuModel, ServingParameters
from twin.plant.performance import HALF_PRECISION_BYTES, PARAMETER_BYTES

__all__ = ["ReplicaCost", "replica_cost"]

_EFFICIENCY = 0.5
"""Share of the tensor cores' peak that prefill and large batches reach, est."""
_MEMORY_REACHED = 0.8
"""Share of the memory's bandwidth that decoding reaches, est."""
_ACTIVATION_BYTES = 130.0
"""Bytes that a layer moves through memory for each token and unit of width, est.: a third of what
it does in training, forward and backward."""
_EXCHANGES = 2.0
"""Sums of a layer's activations over the GPUs of a replica."""


@dataclass(frozen=True, slots=True)
class ReplicaCost:
    """What a fully loaded replica does.

    Attributes:
        batch: requests that it decodes at a time.
        room: requests of mean length that its key-value cache holds.
        prefill_seconds: to read a prompt of mean length at full clock.
        weight_seconds: to read all weights from memory.
        cache_seconds: to read keys and values of a request from memory.
        compute_seconds: operations of a token at full clock.
        token_seconds: from one token of a request to its next.
        requests_per_second: of the replica.
        tensor_active: operations over what the tensor cores could do.
        dram_active: share of the time in which the memory moves data.
        nvlink_bytes_per_second: sent and received by a GPU.
    """

    batch: float
    room: float
    prefill_seconds: float
    weight_seconds: float
    cache_seconds: float
    compute_seconds: float
    token_seconds: float
    requests_per_second: float
    tensor_active: float
    dram_active: float
    nvlink_bytes_per_second: float


def replica_cost(gpu: GpuModel, serving: ServingParameters) -> ReplicaCost:
    """Return what a fully loaded replica does.

    Args:
        gpu: model of its GPUs.
        serving: the model that it serves.
    """
    share = 1.0 / serving.tensor_parallel
    each = PARAMETER_BYTES[serving.precision]
    weights = serving.parameters * each * share
    context = serving.prompt_tokens + serving.output_tokens / 2.0
    kept = 2.0 * serving.layers * serving.cache_width * each * share
    memory = gpu.framebuffer_mib * 2.0**20 * serving.framebuffer_ratio
    room = max(memory - weights, 0.0) / (kept * context)
    batch = max(1.0, min(float(serving.batch), room))

    peak = _EFFICIENCY * gpu.flops_per_second(serving.precision)
    bandwidth = _MEMORY_REACHED * gpu.memory_bytes_per_second
    per_token = 2.0 * serving.parameters * share
    read = weights + batch * context * kept
    decode = max(read / bandwidth, batch * per_token / peak)
    prefill = serving.prompt_tokens * per_token / peak
    # A batch takes as many decode steps as an answer has tokens, and a prefill for each request.
    seconds = serving.output_tokens * decode + batch * prefill
    flops = batch * (serving.prompt_tokens + serving.output_tokens) * per_token
    tokens = batch * (serving.prompt_tokens + serving.output_tokens)
    width = (serving.parameters / serving.layers / 12.0) ** 0.5  # 12 width² parameters a layer
    activations = _ACTIVATION_BYTES * serving.layers * width * share * tokens
    moved = serving.output_tokens * read + activations
    between = 2.0 * (1.0 - share) * _EXCHANGES * serving.layers * width * HALF_PRECISION_BYTES
    return ReplicaCost(
        batch=batch,
        room=max(room, 1.0),
        prefill_seconds=prefill,
        weight_seconds=weights / bandwidth,
        cache_seconds=context * kept / bandwidth,
        compute_seconds=per_token / peak,
        token_seconds=seconds / serving.output_tokens,
        requests_per_second=batch / seconds,
        tensor_active=min(1.0, flops / (gpu.flops_per_second(serving.precision) * seconds)),
        dram_active=min(1.0, moved / (gpu.memory_bytes_per_second * seconds)),
        nvlink_bytes_per_second=2.0 * between * tokens / seconds,
    )
