"""The sections of a site file, and the counts that follow from it.

Sizes are counts, never lists, so that a site of a million GPUs loads as fast as a
demo. Everything else that depends on the counts is arithmetic and lives in
:mod:`twin.site.layout`.
"""

from __future__ import annotations

from functools import cached_property
from math import ceil
from typing import Annotated

from pydantic import Field

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
from twin.parameters.smoothing import SmoothingParameters
from twin.parameters.workload import WorkloadParameters

__all__ = ["DEFAULT_JOB", "SiteCounts"]

DEFAULT_JOB = "pretrain"
"""The job of a site which names none."""


class SiteCounts(Section):
    """The sections of a site file, and what there is of everything."""

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
