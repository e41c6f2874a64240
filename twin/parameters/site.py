"""A site: counts and parameters, read from YAML and checked."""

from __future__ import annotations

from functools import cached_property
from math import ceil

from pydantic import model_validator

from twin.parameters import GpuModel
from twin.parameters.operation import check_measured
from twin.parameters.site_counts import DEFAULT_JOB, SiteCounts

__all__ = ["DEFAULT_JOB", "Site"]

_LEAST_AIR = 0.02
"""Share of the servers' heat that goes into the air even with the best of cold plates, est."""


class Site(SiteCounts):
    """A GPU datacenter: the keys of a site file, made by ``twin.load_site``."""

    @model_validator(mode="after")
    def _halls_hold_arrays(self) -> Site:
        if self.halls > self.arrays:
            raise ValueError(
                f"halls is {self.halls}, but {self.racks} racks make only {self.arrays} arrays; "
                "a hall holds at least one"
            )
        return self

    @model_validator(mode="after")
    def _blocks_hold_all_racks(self) -> Site:
        held = sum(block.racks for block in self.blocks)
        if self.blocks and held != self.racks:
            raise ValueError(
                f"racks is {self.racks}, but the blocks hold {held}; leave racks out, it follows"
            )
        return self

    @model_validator(mode="after")
    def _jobs_have_racks_and_names(self) -> Site:
        held = sum(job.racks for job in self.jobs)
        if held > self.racks:
            raise ValueError(
                f"jobs hold {held} racks, but the site has only {self.racks}; remove some"
            )
        names = [job.name for job in self.jobs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"jobs: the name {name!r} is given twice; every job has its own")
        return self

    @model_validator(mode="after")
    def _scheduler_has_gpus_for_a_kind_of_job(self) -> Site:
        names = [kind.name for kind in self.job_mix]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"job_mix: the name {name!r} is given twice; every kind has its own"
                )
        if not self.scheduled:
            if self.job_mix:
                raise ValueError(
                    "job_mix is given, but scheduler.kind is none; make it slurm or kubernetes"
                )
            return self
        free = self.gpus - sum(job.racks for job in self.jobs) * self.gpus_per_rack
        if not any(kind.sizes_on(free) for kind in self.mix):
            raise ValueError(
                f"scheduler: no kind of job fits into the {free} GPUs that it has; take racks from "
                "jobs, or give job_mix smaller gpus"
            )
        served = [kind for kind in self.job_mix if kind.workload is not None]
        for kind in served:
            if kind.workload != served[0].workload:
                raise ValueError(
                    f"job_mix: {kind.name}: workload is {kind.workload}, but {served[0].name} "
                    f"serves {served[0].workload}; a scheduler serves one"
                )
            if any(size % self.server.gpus for size in kind.gpus):
                raise ValueError(
                    f"job_mix: {kind.name}: gpus: what serves has whole servers of "
                    f"{self.server.gpus} GPUs; write multiples of that"
                )
        if self.gpu.exporter != "dcgm":
            raise ValueError(
                f"scheduler: jobs are placed on GPUs that dcgm-exporter shows, not on those of the "
                f"exporter {self.gpu.exporter!r}; leave scheduler out"
            )
        return self

    @model_validator(mode="after")
    def _one_exporter_tells_of_all(self) -> Site:
        models = [self.gpu, *(block.gpu for block in self.blocks)]
        if len({(model.exporter, model.logical_cores) for model in models}) > 1:
            raise ValueError(
                "the GPU models of a site have the same exporter and as many logical_cores; "
                "make two sites of it"
            )
        return self

    @model_validator(mode="after")
    def _smoothing_has_its_gpus(self) -> Site:
        lacking = [model.name for model in self.models if not model.smoothing_tmp_watts]
        smoothing = self.smoothing
        if lacking and (smoothing.enabled or smoothing.in_band_level):
            raise ValueError(
                f"smoothing is set, but {lacking[0]} has no power smoothing; use gb300, or leave "
                "enabled and in_band_level out"
            )
        return self

    @model_validator(mode="after")
    def _measured_racks_have_their_hosts(self) -> Site:
        check_measured(self.measured, self.racks, self.servers_per_rack)
        return self

    @cached_property
    def chillers(self) -> int:
        """Chillers of the site, the spare ones among them."""
        water = self.water
        if water.chillers is not None:
            return water.chillers
        capacity = (1.0 + water.margin_ratio) * self.installed_power_watts
        return max(ceil(capacity / water.chiller_watts), 3) + water.spare

    @property
    def chillers_needed(self) -> int:
        """Chillers that carry the site's heat, the spare ones not among them."""
        return max(self.chillers - self.water.spare, 1)

    @property
    def chiller_rated_watts(self) -> float:
        """Heat that each chiller is rated for, in W."""
        capacity = (1.0 + self.water.margin_ratio) * self.installed_power_watts
        return capacity / self.chillers_needed

    @cached_property
    def installed_power_watts(self) -> float:
        """AC power of all servers on the plateau of a training step, in W."""
        return sum(self._block_powers)

    @cached_property
    def _block_powers(self) -> tuple[float, ...]:
        """Power of the servers of each block on the plateau of a training step, in W."""
        blocks = zip(self.all_blocks, self.air_blocks, strict=True)
        return tuple(
            block.racks * self.rack_power_watts(block.gpu, air=air) for block, air in blocks
        )

    @property
    def liquid_heat_watts(self) -> float:
        """Heat of the servers that the coolant takes then, in W."""
        blocks = zip(self._block_powers, self.air_blocks, strict=True)
        return self.cooling.liquid_ratio * sum(power for power, air in blocks if not air)

    @cached_property
    def support_power_watts(self) -> float:
        """Power of all switches and service racks at full load, in W."""
        network, storage, fabric = self.network, self.storage, self.fabric
        switches = fabric.leaves + fabric.planes * fabric.spines
        full = storage.server_idle_watts + storage.server_busy_watts
        cpu = storage.cpu_server_idle_watts + storage.cpu_server_busy_watts
        switch = network.switch_idle_watts + network.switch_traffic_watts
        service_rack = self.storage_per_service_rack * full + self.cpus_per_service_rack * cpu
        return switches * switch + self.service_racks * service_rack

    def rack_power_watts(self, model: GpuModel, *, air: bool | None = None) -> float:
        """Return the AC power of a rack of this model on the plateau of a training step, in W.

        Args:
            model: of its GPUs.
            air: whether air cools it; None for what cools the site.
        """
        fans = self.fan_power_watts(air=air)
        watts = max(model.power_training_watts, self.smoothing.floor_watts(model))
        if self.shelves.count:
            trays = self.server.output_watts(watts, fans)
            return self.shelves.input_watts(self.servers_per_rack * trays + self.nvlink.rack_watts)
        return self.servers_per_rack * self.server.ac_power_watts(watts, fans)

    def fan_power_watts(self, *, air: bool | None = None) -> float:
        """Return the power of a server's fans then, in W; of the few beside liquid it is none."""
        cooled = self.cooling.medium == "air" if air is None else air
        return self.fans.nominal_power_watts if cooled else 0.0

    @property
    def air_heat_watts(self) -> float:
        """Heat of the servers that the coolant leaves to the air, in W, never none."""
        installed = self.installed_power_watts
        return max(installed - self.liquid_heat_watts, _LEAST_AIR * installed)
