"""Ranks: the part that each GPU has in its job.

A job counts its GPUs rack by rack and server by server. Neighbours share layers (tensor
parallel), groups of them are the stages of a pipeline, and pipelines follow each other, so a
server of eight H100 holds two stages of GPT-3. The last stage has the projection on the
vocabulary on top of its layers, and all others wait for it; the first stages hold the
activations of more micro-batches; the first and the last hold the vocabulary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.parameters import ModelParameters, WorkloadParameters
from twin.plant.gpu_model import ModelValues
from twin.plant.inference import replica_cost
from twin.plant.performance import TrainingStep, job_seconds, site_cost
from twin.plant.units import Floats, Kept, frozen
from twin.plant.workload.demand import Level
from twin.plant.workload.quantiles import usual_activity
from twin.site import JobPlace, Layout, Site, job_places

__all__ = ["Ranks"]

_ACTIVATION_BYTES = 34.0
"""Bytes that a layer keeps for each token and unit of width (Korthikanti et al. 2022)."""
_VOCABULARY_BYTES = 6.0
"""Bytes of an embedding's parameter with gradient and a share of the optimizer's state, est."""
_BUSY_SHARE = 0.93
"""SM_ACTIVE while a GPU computes, est.: the last wave of blocks of a kernel leaves SMs idle."""
_COLLECTIVE_BLOCKS = 24.0
"""Blocks of an NCCL kernel on H100, one an SM, which spin while it waits; NCCL has 32 at most."""
_BLOCK_WARPS = 17.0 / 64.0
"""Warps of such a block over what an SM holds."""
_OCCUPANCY = 0.29
"""SM_OCCUPANCY of matrix multiplications, whose blocks take much of an SM's registers, est."""
_COMPUTED_SPREAD = 0.004
"""Standard deviation of TENSOR_ACTIVE among GPUs with the same part, est."""
_MOVED_SPREAD = 0.008
"""Standard deviation of what they move through memory, est."""
_MOST_FRAMEBUFFER = 0.98
"""Share of the framebuffer that a process gets at most, est."""
_ALLOCATED_SPREAD = 0.002
"""Standard deviation of the framebuffer that GPUs with the same part hold, est.: fragments."""


class Ranks:
    """What each GPU does while its job computes; arrays are (racks, GPUs a rack).

    Args:
        layout: the site.
        rng: source of all randomness.
        workload: what the training jobs run.

    Attributes:
        part: time that the GPU computes over that of the slowest stage, for which it waits.
        tensor: TENSOR_ACTIVE at the job's usual pace.
        dram: DRAM_ACTIVE.
        nvlink: bytes a second over NVLink, both ways.
        framebuffer: share of the framebuffer held, over the mean of the job's GPUs.
        spinning: SM_ACTIVE of a GPU that waits in a collective.
    """

    def __init__(
        self, layout: Layout, rng: np.random.Generator, workload: str = "training"
    ) -> None:
        site, shape = layout.site, layout.site.accelerators
        self._kept = Kept()
        self.tensor, self.dram, self.nvlink = (np.zeros(shape, np.float32) for _ in range(3))
        self.framebuffer, self.part = np.ones(shape, np.float32), np.ones(shape, np.float32)
        usual = site.model_copy(update={"racks": 1, "blocks": (), "jobs": ()})
        for rack in range(site.racks):
            gpu = site.gpu_model(rack)
            if rack == 0 or gpu is not site.gpu_model(rack - 1):
                cost = site_cost(usual, gpu)
            self._fill(slice(rack, rack + 1), cost, cost.seconds)
        for place in job_places(site, workload):
            self._take(place.racks, place.site, site)
            if place.profile is not None:
                self._profile(slice(place.racks.start, place.racks.stop), place, place.profile)
        models = [site.gpu_model(rack) for rack in range(site.racks)]
        units = np.array([[model.multiprocessors] for model in models], np.float32)
        self.spinning: Floats = np.minimum(_COLLECTIVE_BLOCKS / units, 1.0)
        spread = rng.standard_normal((3, *shape), dtype=np.float32)
        self.tensor *= 1.0 + _COMPUTED_SPREAD * spread[0]
        self.dram *= 1.0 + _MOVED_SPREAD * spread[1]
        self.framebuffer *= 1.0 + _ALLOCATED_SPREAD * spread[2]

    def _fill(self, racks: slice, cost: TrainingStep, seconds: float) -> None:
        """Set what GPUs do whose job takes a step in ``seconds``."""
        computing = cost.computing * seconds
        self.tensor[racks] = min(1.0, cost.tensor_active * cost.seconds / computing)
        self.dram[racks] = min(1.0, cost.dram_active * cost.seconds / computing)
        self.nvlink[racks] = 2.0 * cost.nvlink_bytes / computing

    def _profile(self, racks: slice, place: JobPlace, profile: WorkloadParameters) -> None:
        """Set what a profile says that the GPUs of a job do while it computes."""
        tensor, dram = profile.tensor_active, profile.dram_active
        nvlink = profile.nvlink_bytes_per_second
        if profile.kind == "serving":
            cost = replica_cost(place.site.gpu, profile.serving)
            tensor = cost.tensor_active if tensor is None else tensor
            dram = cost.dram_active if dram is None else dram
            nvlink = cost.nvlink_bytes_per_second if nvlink is None else nvlink
            self.part[racks] = self.framebuffer[racks] = 1.0
        # Both go with the activity, of which the quantiles have the usual one.
        usual = min(1.0, usual_activity(profile.activity))
        for values, given in ((self.tensor, tensor), (self.dram, dram), (self.nvlink, nvlink)):
            if given is not None:
                values[racks] = given / usual

    def _take(self, racks: range, job: Site, site: Site) -> None:
        """Set what the GPUs of a job do, stage by stage."""
        seconds, costs = job_seconds(job), {}
        for rack in racks:
            gpu = site.gpu_model(rack)
            if id(gpu) not in costs:
                costs[id(gpu)] = site_cost(job, gpu)
            self._fill(slice(rack, rack + 1), costs[id(gpu)], seconds)
        cost = site_cost(job)
        size = self.tensor.shape[1]
        ranks = np.arange(len(racks) * size) // cost.tensor_parallel % cost.stages
        stages, rows = ranks.reshape(len(racks), size), slice(racks.start, racks.stop)
        work = _work_of_stages(job.training.model, cost.stages)[stages]
        for values in (self.tensor, self.dram, self.nvlink):
            values[rows] *= work
        self.part[rows] = work / work.max()
        memory = job.gpu.framebuffer_mib * 2.0**20 * job.training.framebuffer_ratio
        held = _bytes_of_stages(job.training.model, cost.stages) / max(memory, 1.0)
        self.framebuffer[rows] = 1.0 + held[stages]

    def profile(
        self, busy: Floats, work: Floats, pace: Floats, lateness: Floats, *, multiprocessors: bool
    ) -> dict[str, Floats]:
        """Return DCGM's profiling values.

        Args:
            busy: share of the time in which a kernel is resident.
            work: share of the time in which the job computes.
            pace: of the job, over its usual one.
            lateness: time that a GPU's own work takes, over what it takes at full pace.
            multiprocessors: whether those of its multiprocessors are wanted, too.
        """
        done = np.minimum(work * pace, busy)
        values = {
            "tensor_active": np.minimum(self.tensor * done, 1.0),
            "dram_active": np.minimum(self.dram * done, 1.0),
            "nvlink_bandwidth": self.nvlink * done / 1e6,
        }
        if not multiprocessors:
            return values
        # Who is faster than the slowest has more of the time left to spin.
        own = np.minimum(done * lateness, busy) * self.part
        spun = self.spinning * (busy - own)
        return values | {
            "sm_active": _BUSY_SHARE * own + spun,
            "sm_occupancy": _OCCUPANCY * own + _BLOCK_WARPS * spun,
        }

    def memory(self, share: Level, model: ModelValues) -> dict[str, Floats]:
        """Return the framebuffer's signals of the catalogue's GPU class.

        Args:
            share: of the framebuffer that jobs hold, as a mean over their GPUs.
            model: the numbers of the GPU models.
        """
        shape, kept, held = self.framebuffer.shape, self._kept, frozen(self.framebuffer)

        def in_use() -> Floats:
            used = np.minimum(share * held, _MOST_FRAMEBUFFER) * model.framebuffer_mib
            return np.broadcast_to(used, shape)

        free = model.framebuffer_mib - model.framebuffer_reserved_mib
        used = kept("used", in_use, share, held)
        return {
            "fb_free": kept("free", lambda: np.broadcast_to(free - used, shape), used),
            "fb_used": used,
            "fb_reserved": kept(
                "reserved", lambda: np.broadcast_to(model.framebuffer_reserved_mib, shape)
            ),
        }


def _work_of_stages(model: ModelParameters, stages: int) -> NDArray[np.float32]:
    """Return the operations of each stage over their mean."""
    work = np.ones(stages)
    if stages > 1:
        work[-1] += model.vocabulary / (12.0 * model.hidden * model.layers_a_stage)
    shares: NDArray[np.float32] = (work / work.mean()).astype(np.float32)
    return shares


def _bytes_of_stages(model: ModelParameters, stages: int) -> NDArray[np.float32]:
    """Return what each stage holds beyond the mean of all, in B a GPU (interleaved schedule)."""
    if stages == 1:
        return np.zeros(1, np.float32)
    chunk = model.layers_a_stage / model.virtual_stages
    kept = _ACTIVATION_BYTES * model.hidden * model.sequence * model.micro_batch * chunk
    held = 2.0 * (stages - 1 - np.arange(stages)) * kept / model.tensor_parallel
    held[[0, -1]] += _VOCABULARY_BYTES * model.vocabulary * model.hidden / model.tensor_parallel
    beyond: NDArray[np.float32] = (held - held.mean()).astype(np.float32)
    return beyond
