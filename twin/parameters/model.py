"""The model that a job trains, and how it is spread over GPUs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twin.parameters.section import Fraction, Positive, Section

__all__ = ["ModelParameters"]

_Count = Annotated[int, Field(ge=1, le=10_000_000)]


class ModelParameters(Section):
    """The transformer that a job trains; by default GPT-3 as MLPerf DC trains it."""

    parameters: Positive = 1.75e11
    """Parameters of the model."""
    active_parameters: Positive | None = None
    """Parameters that a token goes through, of a mixture of experts; None for all."""
    layers: _Count = 96
    """Layers of the model."""
    hidden: _Count = 12_288
    """Width of a layer."""
    vocabulary: _Count = 51_200
    """Tokens of the vocabulary: the last stage has their projection on top of its layers."""
    sequence: Annotated[int, Field(ge=1, le=10_000_000)] = 2048
    """Tokens of a sequence."""
    micro_batch: _Count = 1
    """Sequences that a pipeline takes at a time."""
    micro_batches: _Count = 128
    """Micro-batches of a pipeline a step: 2,048 sequences over 16 pipelines in MLPerf DC."""
    precision: Literal["fp8", "bf16"] = "fp8"
    """Precision of the matrix multiplications; gradients and activations are sent in 16 bits."""
    tensor_parallel: _Count = 4
    """GPUs of a server that share each layer."""
    pipeline_parallel: _Count = 8
    """Stages of a pipeline. A job with too few GPUs for two pipelines has fewer stages and trains
    fewer layers, as many a stage."""
    virtual_stages: _Count = 12
    """Parts of a stage's layers that take turns (interleaved schedule)."""
    expert_parallel: _Count = 1
    """GPUs over which the experts of a layer are spread; 1 for a dense model."""
    experts_per_token: _Count = 1
    """Experts that a token is sent to; of no account where `expert_parallel` is 1."""
    data_overlap_ratio: Fraction = 0.2
    """Share of the exchange between pipelines that is done before the step's boundary, est."""
    tensor_overlap_ratio: Fraction = 0.7
    """Share of the exchange within a layer that is hidden behind matrix multiplications, est."""

    @model_validator(mode="after")
    def _stages_have_layers(self) -> ModelParameters:
        if self.pipeline_parallel > self.layers:
            raise ValueError(
                f"pipeline_parallel is {self.pipeline_parallel}, but there are only {self.layers} "
                "layers; every stage has at least one"
            )
        if (self.active_parameters or 0.0) > self.parameters:
            raise ValueError(
                f"active_parameters is {self.active_parameters:g}, more than all "
                f"{self.parameters:g} parameters; leave it out for a dense model"
            )
        return self

    @property
    def layers_a_stage(self) -> float:
        """Layers of a stage."""
        return self.layers / self.pipeline_parallel

    @property
    def shards(self) -> int:
        """GPUs of a pipeline."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def tokens(self) -> float:
        """Tokens that a pipeline takes a step."""
        return float(self.micro_batches * self.micro_batch * self.sequence)
