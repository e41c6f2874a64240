"""Figures of inference engines that do not change: where each runs, and what its work costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from twin.catalog import engines_of
from twin.parameters import ServingParameters
from twin.plant.inference import ReplicaCost, replica_cost
from twin.plant.units import Floats
from twin.site import JobPlace

__all__ = ["EngineTable"]


@dataclass(frozen=True, slots=True)
class EngineTable:
    """All engines of a site in order of their servers, one value each.

    Attributes:
        job: number of its job.
        server: its server, by its index on the site.
        slot: its number on the server.
        first_gpu: first GPU of the engine, by its index on the site.
        gpus: how many GPUs it has on the server.
        batch: requests that it decodes at a time at most.
        room: requests of mean length that its key-value cache holds.
        capacity: requests a second that it can serve.
        prefill: seconds of a mean prompt.
        weights: seconds to read all weights once.
        cached: seconds to read keys and values of a request once.
        compute: seconds of a token's operations, of each request in the batch.
        prompt: mean tokens of a prompt.
        prompt_spread: standard deviation of its logarithm.
        output: mean tokens of an answer.
        output_spread: likewise.
        length_ratio: share of the answers that end at the longest allowed.
        patience: seconds after which a client gives up.
        startup: seconds from a start to the first request.
    """

    job: NDArray[np.intp]
    server: NDArray[np.intp]
    slot: NDArray[np.intp]
    first_gpu: NDArray[np.intp]
    gpus: NDArray[np.intp]
    batch: Floats
    room: Floats
    capacity: Floats
    prefill: Floats
    weights: Floats
    cached: Floats
    compute: Floats
    prompt: Floats
    prompt_spread: Floats
    output: Floats
    output_spread: Floats
    length_ratio: Floats
    patience: Floats
    startup: Floats

    @classmethod
    def of(cls, places: Sequence[tuple[int, JobPlace]]) -> EngineTable:
        """Return the engines of some jobs.

        Args:
            places: number of each job that serves, and where it runs.
        """
        parts = [_engines(number, place) for number, place in places]
        return cls(*(np.concatenate([part[own.name] for part in parts]) for own in fields(cls)))

    def of_engines(self, some: NDArray[np.intp]) -> EngineTable:
        """Return the figures of some of the engines."""
        return EngineTable(*(getattr(self, own.name)[some] for own in fields(self)))


def _engines(number: int, place: JobPlace) -> dict[str, NDArray[np.intp] | Floats]:
    site, profile = place.site, place.profile
    each, a_server = engines_of(site, profile), site.servers_per_rack
    servers = np.arange(place.racks.start * a_server, place.racks.stop * a_server)
    server, slot = np.repeat(servers, each), np.tile(np.arange(each), servers.size)
    serving = ServingParameters() if profile is None else profile.serving
    width = min(serving.tensor_parallel, site.server.gpus)
    cost = replica_cost(site.gpu, serving)
    size = server.size
    return {
        "job": np.full(size, number),
        "server": server,
        "slot": slot,
        "first_gpu": server * site.server.gpus + slot * width,
        "gpus": np.full(size, width),
        **{name: np.full(size, value) for name, value in _costs(serving, cost).items()},
    }


def _costs(serving: ServingParameters, cost: ReplicaCost) -> dict[str, float]:
    return {
        "batch": np.floor(cost.batch),
        "room": cost.room,
        "capacity": cost.requests_per_second,
        "prefill": cost.prefill_seconds,
        "weights": cost.weight_seconds,
        "cached": cost.cache_seconds,
        "compute": cost.compute_seconds,
        "prompt": serving.prompt_tokens,
        "prompt_spread": serving.prompt_spread,
        "output": serving.output_tokens,
        "output_spread": serving.output_spread,
        "length_ratio": serving.length_ratio,
        "patience": serving.patience_seconds,
        "startup": serving.startup_seconds,
    }
