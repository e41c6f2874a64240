"""Parameters of a site: every number of the model, with its unit and its basis.

Each section in these modules is a part of a site's YAML. A number that is not measured is an
engineering estimate (marked *est.*) and can be overridden in the preset by its name.
Where a description names a measurement, it is one of these public sources:

* *MLPerf DC*: MLCommons ``training_results_v4.0``, Sustainable Metal Cloud, 64x8 H100, GPT-3, power
  of every node in watts DC (the trace that ships with the twin);
* *MLPerf AC*: the same repository, llama2-70b-lora on one node, AC and DC;
* *nvidia-smi*: ``nvidia-smi -q`` of H100 SXM hosts, as published in thamada/nvidia-smi.
"""

from __future__ import annotations

from twin.parameters.air import FanParameters
from twin.parameters.cooling import CoolingParameters, WaterParameters
from twin.parameters.gpu import BlockParameters, GpuModel
from twin.parameters.job_mix import DEFAULT_MIX, JobMixParameters
from twin.parameters.model import ModelParameters
from twin.parameters.network import NetworkParameters, StorageParameters
from twin.parameters.operation import (
    JobParameters,
    MeasuredRack,
    TelemetryParameters,
    TrainingParameters,
)
from twin.parameters.power import (
    FacilityParameters,
    GensetParameters,
    GridParameters,
    MegapackParameters,
    PduParameters,
    SupplyParameters,
    TurbineParameters,
)
from twin.parameters.rack import NvlinkParameters, ShelfParameters, TrayParameters
from twin.parameters.scheduler import SchedulerParameters
from twin.parameters.section import Section
from twin.parameters.server import Ec2Parameters, ServerParameters
from twin.parameters.site import Site
from twin.parameters.smoothing import SmoothingParameters, SmoothingProfile
from twin.parameters.workload import ServingParameters, WorkloadParameters, WorkloadRun

__all__ = [
    "DEFAULT_MIX",
    "BlockParameters",
    "CoolingParameters",
    "Ec2Parameters",
    "FacilityParameters",
    "FanParameters",
    "GensetParameters",
    "GpuModel",
    "GridParameters",
    "JobMixParameters",
    "JobParameters",
    "MeasuredRack",
    "MegapackParameters",
    "ModelParameters",
    "NetworkParameters",
    "NvlinkParameters",
    "PduParameters",
    "SchedulerParameters",
    "Section",
    "ServerParameters",
    "ServingParameters",
    "ShelfParameters",
    "Site",
    "SmoothingParameters",
    "SmoothingProfile",
    "StorageParameters",
    "SupplyParameters",
    "TelemetryParameters",
    "TrainingParameters",
    "TrayParameters",
    "TurbineParameters",
    "WaterParameters",
    "WorkloadParameters",
    "WorkloadRun",
]
