"""A site: counts and parameters, read from YAML and checked.

Sizes are counts, never lists, so that a site of a million GPUs loads as fast as a
demo. Everything that depends on the counts is arithmetic and lives in
:mod:`twin.site.layout`.
"""

from __future__ import annotations

from functools import cached_property
from math import ceil
from typing import Annotated

from pydantic import Field, model_validator

from twin.parameters import (
    DEFAULT_MIX,
    BlockParameters,
    CoolingParameters,
    Ec2Parameters,
    FacilityParameters,
    FanParameters,
    GensetParameters,
    GpuModel,
    GridParameters,
    JobMixParameters,
    JobParameters,
    MeasuredRack,
    MegapackParameters,
    NetworkParameters,
    NvlinkParameters,
    PduParameters,
    SchedulerParameters,
    Section,
    ServerParameters,
    ShelfParameters,
    StorageParameters,
    SupplyParameters,
    TelemetryParameters,
    TrainingParameters,
    TrayParameters,
    TurbineParameters,
    WaterParameters,
)
from twin.parameters.fabric import FabricShape
from twin.parameters.numbering import NumberingParameters
from twin.parameters.operation import check_measured
from twin.parameters.smoothing import SmoothingParameters
from twin.parameters.workload import WorkloadParameters

__all__ = ["DEFAULT_JOB", "Site"]

DEFAULT_JOB = "pretrain"
"""The job of a site which names none."""

_LEAST_AIR = 0.02
"""Share of the servers' heat that goes into the air even with the best of cold plates, est."""


class Site(Section):
    """A GPU datacenter."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Name, as used in topics and in the ``site`` label."""
    title: str = ""
    """One line for people."""
    description: str = ""
    """What the site is modelled on."""
    sources: tuple[str, ...] = ()
    """Public sources of the counts."""
    halls: Annotated[int, Field(ge=1, le=100)] = 1
    """Data halls."""
    racks: Annotated[int, Field(ge=1, le=20_000)]
    """Racks in all halls together."""
    racks_per_array: Annotated[int, Field(ge=1, le=64)] = 8
    """Racks that form one array; the last array may have fewer."""
    numbers: NumberingParameters = NumberingParameters()
    rack: str = ""
    """Build of the racks: the name of a shipped one, which gives what the file does not."""
    servers_per_rack: Annotated[int, Field(ge=1, le=64)] = 8
    """Servers per rack."""
    pdus_per_rack: Annotated[int, Field(ge=1, le=8)] = 2
    """Three-phase PDUs per rack."""
    gpu: GpuModel
    """GPU model of all servers: the name of a shipped one, or a section of its own."""
    blocks: tuple[BlockParameters, ...] = ()
    """Blocks of racks with GPU models of their own; ``racks`` and ``gpu`` then follow from them."""
    server: ServerParameters = ServerParameters()
    tray: TrayParameters = TrayParameters()
    nvlink: NvlinkParameters = NvlinkParameters()
    shelves: ShelfParameters = ShelfParameters()
    smoothing: SmoothingParameters = SmoothingParameters()
    ec2: Ec2Parameters = Ec2Parameters()
    network: NetworkParameters = NetworkParameters()
    storage: StorageParameters = StorageParameters()
    cooling: CoolingParameters = CoolingParameters()
    fans: FanParameters = FanParameters()
    water: WaterParameters = WaterParameters()
    megapacks: MegapackParameters = MegapackParameters()
    gensets: GensetParameters = GensetParameters()
    turbines: TurbineParameters = TurbineParameters()
    grid: GridParameters = GridParameters()
    supply: SupplyParameters = SupplyParameters()
    pdu: PduParameters = PduParameters()
    facility: FacilityParameters = FacilityParameters()
    training: TrainingParameters = TrainingParameters()
    jobs: tuple[JobParameters, ...] = ()
    """Jobs that share the site. Without any, a single one called `pretrain` holds all racks;
    racks that no job holds are idle, or the scheduler's."""
    workloads: tuple[WorkloadParameters, ...] = ()
    """Workloads of the site's own, beside those that ship; jobs choose them by name."""
    scheduler: SchedulerParameters = SchedulerParameters()
    job_mix: tuple[JobMixParameters, ...] = ()
    """Kinds of jobs that users submit to the scheduler, or the name of a shipped mix such as
    `acme-seren`; without any, four kinds from pre-training to notebooks."""
    telemetry: TelemetryParameters = TelemetryParameters()
    measured: tuple[MeasuredRack, ...] = ()
    """Racks that stand in a real site, whose hosts a gateway reads from their exporters; `twin
    capture` writes them."""

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
        if all(min(kind.gpus) > free for kind in self.mix):
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

    @property
    def scheduled(self) -> bool:
        """Whether a scheduler places jobs on the racks that no job of the site file holds."""
        return self.scheduler.kind != "none"

    @property
    def pods_labelled(self) -> bool:
        """Whether dcgm-exporter says which pod has a GPU."""
        chosen = self.telemetry.jobs.kubernetes
        return self.scheduler.has_pods if chosen is None else chosen and self.scheduled

    @property
    def hpc_jobs_labelled(self) -> bool:
        """Whether dcgm-exporter says which of the scheduler's jobs has a GPU."""
        chosen = self.telemetry.jobs.hpc_job
        return self.scheduler.kind == "slurm" if chosen is None else chosen and self.scheduled

    @property
    def state_metrics_shown(self) -> bool:
        """Whether kube-state-metrics runs."""
        return self.scheduler.has_pods and self.telemetry.jobs.state_metrics

    @property
    def slurm_exporters(self) -> tuple[str, ...]:
        """Exporters of Slurm, where that is the scheduler."""
        chosen = self.telemetry.jobs.slurm
        several = {
            "both": ("official", "soperator"),
            "all": ("official", "soperator", "vpenso", "slinky"),
        }
        return several.get(chosen, (chosen,))

    @property
    def mix(self) -> tuple[JobMixParameters, ...]:
        """Kinds of jobs that users submit to the scheduler."""
        return self.job_mix or DEFAULT_MIX

    @property
    def all_blocks(self) -> tuple[BlockParameters, ...]:
        """The blocks of the site, or the one that it is made of."""
        # A part of a site may have no rack, which is no block that can be written down.
        return self.blocks or (BlockParameters.model_construct(racks=self.racks, gpu=self.gpu),)

    @property
    def models(self) -> tuple[GpuModel, ...]:
        """GPU models of the blocks."""
        return tuple(block.gpu for block in self.all_blocks)

    @property
    def has_nvlink(self) -> bool:
        """Whether any of the site's GPUs has NVLinks."""
        return any(model.nvlink_bytes_per_second for model in self.models)

    @property
    def arrays(self) -> int:
        """Arrays of the site."""
        return -(-self.racks // self.racks_per_array)

    @property
    def servers(self) -> int:
        """Servers of the site."""
        return self.racks * self.servers_per_rack

    @property
    def gpus_per_rack(self) -> int:
        """GPUs per rack."""
        return self.servers_per_rack * self.server.gpus

    @property
    def nics_per_rack(self) -> int:
        """NIC ports per rack."""
        return self.servers_per_rack * self.server.nics

    @property
    def gpus(self) -> int:
        """GPUs of the site."""
        return self.racks * self.gpus_per_rack

    @property
    def accelerators(self) -> tuple[int, int]:
        """Racks and accelerators a rack, whatever exporter shows them."""
        return self.racks, self.gpus_per_rack

    @cached_property
    def job_names(self) -> tuple[str, ...]:
        """Names of the jobs; a site which names none and has no scheduler has one on all racks."""
        default = () if self.scheduled else (DEFAULT_JOB,)
        return tuple(job.name for job in self.jobs) or default

    @cached_property
    def air_blocks(self) -> tuple[bool, ...]:
        """Which of the blocks are cooled by air."""
        return tuple((each.medium or self.cooling.medium) == "air" for each in self.all_blocks)

    @cached_property
    def air_racks(self) -> tuple[bool, ...]:
        """Which of the racks are cooled by air."""
        blocks = zip(self.all_blocks, self.air_blocks, strict=True)
        return tuple(air for block, air in blocks for _ in range(block.racks))

    @property
    def has_air(self) -> bool:
        """Whether air cools any rack."""
        return any(self.air_blocks)

    @property
    def has_liquid(self) -> bool:
        """Whether liquid cools any rack, so that there are coolant units."""
        return not all(self.air_blocks)

    def gpu_model(self, rack: int) -> GpuModel:
        """Return the GPU model of a rack."""
        return self._models[rack] if self.blocks else self.gpu

    @cached_property
    def _models(self) -> list[GpuModel]:
        return [block.gpu for block in self.blocks for _ in range(block.racks)]

    @cached_property
    def fabric(self) -> FabricShape:
        """Counts of the switches and their ports; one NIC of a server is for storage."""
        rails = max(1, self.server.nics - 1)
        downlinks = self.racks_per_array * self.servers_per_rack
        return FabricShape.of(self.network, self.arrays, rails, downlinks)

    @cached_property
    def service_racks(self) -> int:
        """Racks of storage and CPU servers."""
        return ceil(self._storage_servers / self.storage.servers_per_rack)

    @property
    def storage_per_service_rack(self) -> int:
        """NVMe servers in a service rack."""
        return ceil(self._storage_servers / self.service_racks)

    @property
    def cpus_per_service_rack(self) -> int:
        """CPU servers in a service rack."""
        wanted = self.storage.cpu_servers_per_thousand_gpus * self.gpus / 1000.0
        return ceil(max(1, ceil(wanted)) / self.service_racks)

    @property
    def _storage_servers(self) -> int:
        return max(1, ceil(self.storage.servers_per_thousand_gpus * self.gpus / 1000.0))

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
